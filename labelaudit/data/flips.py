"""Planted label noise for flip tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelaudit.errors import InputError
from labelaudit.types import Noise

if TYPE_CHECKING:
    from labelaudit.types import Floats, Rows

LEAST_PROBABILITY = 1e-9  # of a class: no row is impossible to flip


def check_flips(rate: float | None, known: str | Path | None) -> None:
    """Make sure that a flip test has one source of wrong labels.

    Raises:
        InputError: Neither or both are given, or the rate is outside (0, 0.5].
    """
    if (rate is None) == (known is None):
        raise InputError("give either `rate`, the share of labels to flip, or `known`, a table of the true labels")
    if rate is not None:
        check_rate(rate)


def check_rate(rate: float) -> None:
    """Refuse a share of flips outside (0, 0.5].

    Raises:
        InputError: It is.
    """
    if not 0 < rate <= 0.5:
        raise InputError(f"`rate` {rate:g} is outside (0, 0.5]: it is the share of labels to flip")


def plant_flips(
    labels: Rows, num_classes: int, rate: float, noise: Noise, seed: int, probabilities: Floats | None = None
) -> Rows:
    """Give a share of the rows a wrong label.

    Args:
        labels: Class indices, shape (N,).
        num_classes: C.
        rate: The share of rows that are flipped, in (0, 0.5].
        noise: `symmetric` draws any other class with equal chance; `pair` takes the next class, as a systematic
            confusion would; `confusion` takes rows where a network wavers, and the class that it wavers to.
        seed: Decides which rows and, unless `pair`, which classes.
        probabilities: Held-out probabilities of a network, for `confusion`, shape (N, C).

    Returns:
        The noisy class indices, shape (N,); exactly ⌊rate·N⌋ of them differ.

    Raises:
        InputError: The rate is outside (0, 0.5], or so small that no row would be flipped.
    """
    check_rate(rate)
    count = int(rate * len(labels))
    if count == 0:
        raise InputError(f"`rate` {rate:g} of {len(labels)} rows flips none; use at least {1 / len(labels):.2g}")
    if noise == "confusion":
        assert probabilities is not None
        return flip_confused(labels, probabilities, count, seed)
    return flip_rows(labels, num_classes, count, noise, seed)


def flip_confused(labels: Rows, probabilities: Floats, count: int, seed: int) -> Rows:
    """Give `count` rows a wrong label as people do: where it is hard to tell, and one that it could have been.

    Rows are drawn with chances in proportion to 1 − p(given label), among those where the given label is the most
    probable one; the others may be wrong already. The new label is drawn by the probabilities of the other classes.

    Args:
        labels: Class indices, shape (N,).
        probabilities: Of a network that was not trained on the row, shape (N, C).
        count: How many rows are flipped.
        seed: Decides which, and to what.

    Raises:
        InputError: The network agrees with fewer labels.
    """
    generator = np.random.default_rng(seed)
    rows = np.flatnonzero(probabilities.argmax(1) == labels)
    if len(rows) < count:
        raise InputError(
            f"`noise` confusion flips labels that the network predicts; there are {len(rows)} of these, not {count}: "
            "choose a smaller `rate`, or a network that learns more"
        )
    others = np.maximum(probabilities[rows], LEAST_PROBABILITY)
    others[np.arange(len(rows)), labels[rows]] = 0
    order = np.argsort(generator.exponential(size=len(rows)) / others.sum(1), kind="stable")[:count]
    chances = others[order].cumsum(1)
    drawn = (chances > generator.random((count, 1)) * chances[:, -1:]).argmax(1)
    noisy = labels.copy()
    noisy[rows[order]] = drawn
    return noisy


def flip_rows(labels: Rows, num_classes: int, count: int, noise: Noise, seed: int) -> Rows:
    """Give `count` rows a wrong label; otherwise as `plant_flips`."""
    generator = np.random.default_rng(seed)
    rows = generator.choice(len(labels), count, replace=False)
    steps = generator.integers(1, num_classes, count) if noise == "symmetric" else np.ones(count, dtype=np.int64)
    noisy = labels.copy()
    noisy[rows] = (labels[rows] + steps) % num_classes
    return noisy
