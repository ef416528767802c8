"""Planted label noise for flip tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelaudit.config import Noise
from labelaudit.errors import InputError

if TYPE_CHECKING:
    from labelaudit.data.splits import Rows


def check_flips(rate: float | None, known: str | Path | None) -> None:
    """Make sure that a flip test has one source of wrong labels.

    Raises:
        InputError: Neither or both are given, or the rate is outside (0, 0.5].
    """
    if (rate is None) == (known is None):
        raise InputError("give either --rate, the share of labels to flip, or --known, a table of the true labels")
    if rate is not None:
        check_rate(rate)


def check_rate(rate: float) -> None:
    """Refuse a share of flips outside (0, 0.5].

    Raises:
        InputError: It is.
    """
    if not 0 < rate <= 0.5:
        raise InputError(f"--rate {rate:g} is outside (0, 0.5]: it is the share of labels to flip")


def plant_flips(labels: Rows, num_classes: int, rate: float, noise: Noise, seed: int) -> Rows:
    """Give a share of the rows a wrong label.

    Args:
        labels: Class indices, shape (N,).
        num_classes: C.
        rate: The share of rows that are flipped, in (0, 0.5].
        noise: `symmetric` draws any other class with equal chance; `pair` takes the next class, as a systematic
            confusion would.
        seed: Decides which rows and, if symmetric, which classes.

    Returns:
        The noisy class indices, shape (N,); exactly ⌊rate·N⌋ of them differ.

    Raises:
        InputError: The rate is outside (0, 0.5], or so small that no row would be flipped.
    """
    check_rate(rate)
    count = int(rate * len(labels))
    if count == 0:
        raise InputError(f"--rate {rate:g} of {len(labels)} rows flips none; use at least {1 / len(labels):.2g}")
    return flip_rows(labels, num_classes, count, noise, seed)


def flip_rows(labels: Rows, num_classes: int, count: int, noise: Noise, seed: int) -> Rows:
    """Give `count` rows a wrong label; otherwise as `plant_flips`."""
    generator = np.random.default_rng(seed)
    rows = generator.choice(len(labels), count, replace=False)
    steps = generator.integers(1, num_classes, count) if noise == "symmetric" else np.ones(count, dtype=np.int64)
    noisy = labels.copy()
    noisy[rows] = (labels[rows] + steps) % num_classes
    return noisy
