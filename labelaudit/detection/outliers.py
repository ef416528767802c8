"""Rows that belong to no class: far from all others, and to networks of no class either."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, false_discovery_control, rankdata

from labelaudit.types import Floats

BY_CHANCE = 0.2  # of the rows called outliers, that may lie so far out by chance


def outlier_shares(apart: Floats, empty: NDArray[np.bool_], certainty: Floats) -> Floats:
    """The share of ordinary rows that are less odd than each row, in [0, 1], shape (N,).

    Odd rows lie far from their neighbours, and no class is probable to a network. With the share of rows that lie as
    far out, and that of rows with a class no more probable, Fisher's method says how rare both together are.

    Args:
        apart: How far the tenth neighbour is, NaN where it is not known, shape (N,).
        empty: Whether a row holds next to nothing; these are outliers whatever else is known.
        certainty: The probability of the most probable class by networks that were not trained on the row, NaN where
            there is none, shape (N,).

    Returns:
        NaN where it is not known how far neighbours are.
    """
    as_far, as_uncertain = _share_above(apart), _share_above(-certainty)
    both = chi2.sf(-2 * (np.log(as_far) + np.log(as_uncertain)), df=4)
    rare = np.where(np.isfinite(certainty), both, as_far)
    found: Floats = np.where(empty, 1.0, 1 - rare)
    return found


def are_outliers(shares: Floats) -> NDArray[np.bool_]:
    """Which rows are so odd that at most one of five is expected to be so by chance, shape (N,).

    Args:
        shares: Of ordinary rows that are less odd, NaN where they are not known, shape (N,).
    """
    found, known = np.zeros(len(shares), dtype=bool), np.isfinite(shares)
    if known.any():
        found[known] = false_discovery_control((1 - shares[known]).clip(0, 1)) <= BY_CHANCE
    return found


def _share_above(values: Floats) -> Floats:
    """The share of values that are as large or larger, of those that are known; NaN for others."""
    found, known = np.full(len(values), np.nan), np.isfinite(values)
    found[known] = rankdata(-values[known], "max") / max(known.sum(), 1)
    return found
