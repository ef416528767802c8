"""Which rows train the network and which are the query."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedKFold, train_test_split

from labelaudit.errors import InputError
from labelaudit.types import Hashes, Labels, Rows


@dataclass(frozen=True)
class Fold:
    """One fine-tune: it trains on, and scores, `train`, by the influence on the loss of `query`.

    Both are row numbers, in the order in which mini-batches are drawn from them.
    """

    train: Rows
    query: Rows


def by_content(rows: Rows, labels: Labels, hashes: Hashes) -> Rows:
    """Row numbers in the order of what the rows hold, for the order of the input to decide nothing.

    Args:
        rows: Row numbers, each of a row that could be read.
        labels: Class index of every row.
        hashes: Content hash of every row.
    """
    return np.array(sorted(rows.tolist(), key=lambda row: (hashes[row] or "", labels[row])), dtype=np.int64)


def training_rows(folds: list[Fold], labels: Labels, hashes: Hashes) -> Rows:
    """The rows that any fold trains on, each once, in the order of what they hold; arguments as in `by_content`."""
    return by_content(np.unique(np.concatenate([fold.train for fold in folds])), labels, hashes)


def cross_audit(rows: Rows, labels: Rows, seed: int, parts: int = 2) -> list[Fold]:
    """Parts of about equal size, stratified by label; fold k trains on all but part k, its query (docs/method.md).

    A class with fewer rows than parts has at most one row in each.

    Args:
        rows: Row numbers, shape (N,).
        labels: Their class indices, shape (N,); some class has at least as many rows as there are parts.
        seed: Of the draw.
        parts: K ≥ 2.
    """
    split = StratifiedKFold(n_splits=parts, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return [Fold(rows[train], rows[query]) for train, query in split.split(rows, labels)]


def hold_out(rows: Rows, labels: Rows, fraction: float, seed: int) -> list[Fold]:
    """A share of the rows, stratified by label, is the query; the rest is audited.

    Raises:
        InputError: The share leaves some class without a row on either side.
    """
    try:
        train, query = train_test_split(np.arange(len(rows)), test_size=fraction, stratify=labels, random_state=seed)
    except ValueError as error:
        raise InputError(
            f"`test_fraction` {fraction:g} of {len(rows)} rows cannot hold every class on both sides; choose another "
            "share, or leave the option out for the two-fold cross-audit"
        ) from error
    return [Fold(rows[np.sort(train)], rows[np.sort(query)])]
