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


def distinct_rows(rows: Rows, alike: Rows | None) -> Rows:
    """The first row of each group of copies, and all that are like no other, in their order.

    Args:
        rows: Row numbers.
        alike: The group of every row, −1 for none (`Copies.groups`); None if there are no copies.
    """
    return rows if alike is None else rows[_leaders(alike[rows])[0]]


def cross_audit(rows: Rows, labels: Rows, seed: int, parts: int = 2, alike: Rows | None = None) -> list[Fold]:
    """Parts of about equal size, stratified by label; fold k trains on all but part k, its query (docs/method.md).

    A class with fewer rows than parts has at most one row in each. Copies share a part: a network that was trained on
    one would know the others.

    Args:
        rows: Row numbers, shape (N,).
        labels: Their class indices, shape (N,); some class has at least as many distinct rows as there are parts.
        seed: Of the draw.
        parts: K ≥ 2.
        alike: The group of copies that each is in, −1 for none, shape (N,).
    """
    split = StratifiedKFold(n_splits=parts, shuffle=True, random_state=seed)
    leaders, leader_of = _leaders(np.full(len(rows), -1) if alike is None else alike)
    part_of = np.empty(len(leaders), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for part, (_, query) in enumerate(split.split(leaders, labels[leaders])):
            part_of[query] = part
    return [Fold(rows[part_of[leader_of] != part], rows[part_of[leader_of] == part]) for part in range(parts)]


def hold_out(rows: Rows, labels: Rows, fraction: float, seed: int, alike: Rows | None = None) -> list[Fold]:
    """A share of the rows, stratified by label, is the query; the rest is audited. Copies stay together.

    Raises:
        InputError: The share leaves some class without a row on either side.
    """
    leaders, leader_of = _leaders(np.full(len(rows), -1) if alike is None else alike)
    try:
        places = np.arange(len(leaders))
        train, _ = train_test_split(places, test_size=fraction, stratify=labels[leaders], random_state=seed)
    except ValueError as error:
        raise InputError(
            f"`test_fraction` {fraction:g} of {len(rows)} rows cannot hold every class on both sides; choose another "
            "share, or leave the option out for the two-fold cross-audit"
        ) from error
    trains = np.isin(leader_of, train)
    return [Fold(rows[trains], rows[~trains])]


def with_copies(fold_of: Rows, alike: Rows) -> Rows:
    """The fold of each row, −1 for none; a row that is in none gets that of a copy which is in one.

    Args:
        fold_of: The folds, −1 for none, shape (N,).
        alike: The group of copies that each row is in, −1 for none, shape (N,).
    """
    fold_of_group = np.full(len(alike) + 1, -1)  # the last one stands for no group
    placed = np.flatnonzero((fold_of >= 0) & (alike >= 0))[::-1]  # of several the first counts
    fold_of_group[alike[placed]] = fold_of[placed]
    return np.where(fold_of < 0, fold_of_group[alike], fold_of)


def _leaders(alike: Rows) -> tuple[Rows, Rows]:
    """The first place of each group, and each place that is in none; and for every place, which of these it follows."""
    places = np.arange(len(alike))
    own = np.where(alike < 0, places, alike + len(alike))  # a number for each group, and for each place in none
    _, first, follows = np.unique(own, return_index=True, return_inverse=True)
    leaders: Rows
    leaders, order = np.unique(first, return_inverse=True)
    return leaders, order[follows]
