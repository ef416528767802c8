"""Which rows train the network and which are the query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from labelaudit.errors import InputError

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """One fine-tune: it trains on, and scores, `train`, by the influence on the loss of `query`.

    Both are row numbers, ascending.
    """

    train: Rows
    query: Rows


def cross_audit(rows: Rows, labels: Rows, seed: int) -> list[Fold]:
    """Two halves, stratified by label, each audited with the other as its query (METHOD §7)."""
    halves = StratifiedKFold(n_splits=2, shuffle=True, random_state=seed)
    return [Fold(rows[train], rows[query]) for train, query in halves.split(rows, labels)]


def hold_out(rows: Rows, labels: Rows, fraction: float, seed: int) -> list[Fold]:
    """A share of the rows, stratified by label, is the query; the rest is audited.

    Raises:
        InputError: The share leaves some class without a row on either side.
    """
    try:
        train, query = train_test_split(rows, test_size=fraction, stratify=labels, random_state=seed)
    except ValueError as error:
        raise InputError(
            f"--test-fraction {fraction:g} of {len(rows)} rows cannot hold every class on both sides; choose another "
            "share, or leave the option out for the two-fold cross-audit"
        ) from error
    return [Fold(np.sort(train), np.sort(query))]
