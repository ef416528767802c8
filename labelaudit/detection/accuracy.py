"""How often the networks agree with labels that they were not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelaudit.runtime.large_arrays import largest, of_given
from labelaudit.types import Flags, Floats, Labels

WELL_ENOUGH = 0.75  # of what there is to gain over naming the most frequent class


@dataclass(frozen=True)
class Predictions:
    """What matters of predictions of rows that the network was not trained on.

    Attributes:
        favourite: The most probable class of each row, shape (M,).
        log_p: The log-probability of its given label, shape (M,).
        labels: Its given label, shape (M,).
        classes: C.
    """

    favourite: Labels
    log_p: Floats
    labels: Labels
    classes: int

    @classmethod
    def of(cls, log_p: Floats, labels: Labels) -> Predictions:
        """Those of all log-probabilities, shape (M, C), and the given labels, shape (M,)."""
        return cls(largest(log_p), of_given(log_p, labels), labels, log_p.shape[1])

    @classmethod
    def together(cls, parts: Sequence[Predictions]) -> Predictions:
        """Those of several networks, each of rows of its own."""
        return cls(
            np.concatenate([part.favourite for part in parts]),
            np.concatenate([part.log_p for part in parts]),
            np.concatenate([part.labels for part in parts]),
            parts[0].classes,
        )

    @property
    def right(self) -> Flags:
        """Whether the most probable class is the given label, shape (M,)."""
        right: Flags = self.favourite == self.labels
        return right


@dataclass(frozen=True)
class HeldOutAccuracy:
    """Agreement of the most probable class with the given label, on rows that the network was not trained on.

    Attributes:
        overall: Share of rows, in [0, 1].
        most_frequent: What always naming the most frequent class would reach.
        rows: Rows of each given class, shape (C,).
        right: Those of them that agree, shape (C,).
    """

    overall: float
    most_frequent: float
    rows: Labels
    right: Labels

    @property
    def is_good(self) -> bool:
        """Whether they reach most of what there is to gain over naming the most frequent class."""
        return is_good(self.overall, self.most_frequent)


def is_good(accuracy: float, most_frequent: float) -> bool:
    """Whether an accuracy is most of what there is to gain over that of always naming the most frequent class."""
    return accuracy - most_frequent >= WELL_ENOUGH * (1 - most_frequent)


def held_out_accuracy(found: Predictions) -> HeldOutAccuracy:
    """Count how often the most probable class is the given label, of M > 0 rows."""
    rows = np.bincount(found.labels, minlength=found.classes)
    right = np.bincount(found.labels[found.right], minlength=found.classes)
    total = len(found.labels)
    return HeldOutAccuracy(float(right.sum() / total), float(rows.max() / total), rows, right)
