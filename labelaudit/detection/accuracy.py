"""How often the networks agree with labels that they were not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelaudit.types import Floats, Labels

WELL_ENOUGH = 0.75  # of what there is to gain over naming the most frequent class


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


def held_out_accuracy(log_p: Floats, labels: Labels) -> HeldOutAccuracy:
    """Count how often the most probable class is the given label.

    Args:
        log_p: Log-probabilities of rows that the network was not trained on, shape (M, C); M > 0.
        labels: Their given labels, shape (M,).
    """
    classes = log_p.shape[1]
    rows = np.bincount(labels, minlength=classes)
    right = np.bincount(labels[log_p.argmax(1) == labels], minlength=classes)
    return HeldOutAccuracy(float(right.sum() / len(labels)), float(rows.max() / len(labels)), rows, right)
