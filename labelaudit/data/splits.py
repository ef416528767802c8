"""Which rows train the network and which are the query."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

from labelaudit.errors import InputError
from labelaudit.types import Hashes, Labels, Rows

MOSTLY_ALONE = 0.5  # groups and rows that are in none, by rows, above which few rows are in groups


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


def distinct_rows(rows: Rows, together: Rows | None) -> Rows:
    """The first row of each group that shares a fold, and all rows that are in none, in their order.

    Args:
        rows: Row numbers.
        together: The group of every row, −1 for none (`kept_together`); None if there are no groups.
    """
    return rows if together is None else rows[_leaders(together[rows])[0]]


def most_parts(labels: Labels, together: Rows | None) -> int:
    """Into how many parts `cross_audit` can split rows at most.

    Args:
        labels: Their class indices, shape (N,).
        together: The group that each is in, −1 for none, shape (N,); None if there are no groups.
    """
    leaders = distinct_rows(np.arange(len(labels)), together)
    of_class = int(np.bincount(labels[leaders]).max())
    return len(leaders) if _are_large(leaders, labels) or of_class < 2 else of_class


def cross_audit(rows: Rows, labels: Rows, seed: int, parts: int = 2, together: Rows | None = None) -> list[Fold]:
    """Parts of about equal size, stratified by label; fold k trains on all but part k, its query (docs/method.md).

    A class with fewer rows than parts has at most one row in each. Copies and rows of one group share a part: a network
    that was trained on one would know the others.

    Args:
        rows: Row numbers, shape (N,).
        labels: Their class indices, shape (N,).
        seed: Of the draw.
        parts: K ≥ 2, at most `most_parts`.
        together: The group that each is in, −1 for none, shape (N,).
    """
    leaders, leader_of = _leaders(np.full(len(rows), -1) if together is None else together)
    options: dict[str, Any] = {"n_splits": parts, "shuffle": True, "random_state": seed}
    part_of = np.empty(len(rows), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # as said above
        if not _are_large(leaders, labels) and np.bincount(labels[leaders]).max() >= parts:
            part_of_leader = np.empty(len(leaders), dtype=np.int64)
            for part, (_, query) in enumerate(StratifiedKFold(**options).split(leaders, labels[leaders])):
                part_of_leader[query] = part
            part_of = part_of_leader[leader_of]
        else:
            for part, (_, query) in enumerate(StratifiedGroupKFold(**options).split(rows, labels, leader_of)):
                part_of[query] = part
    return [Fold(rows[part_of != part], rows[part_of == part]) for part in range(parts)]


def hold_out(rows: Rows, labels: Rows, fraction: float, seed: int, together: Rows | None = None) -> list[Fold]:
    """A share of the rows, stratified by label, is the query; the rest is audited. Groups stay together.

    Raises:
        InputError: The share leaves some class without a row on either side.
    """
    leaders, leader_of = _leaders(np.full(len(rows), -1) if together is None else together)
    try:
        places = np.arange(len(leaders))
        train, _ = train_test_split(places, test_size=fraction, stratify=labels[leaders], random_state=seed)
    except ValueError as error:
        raise InputError(
            f"`test_fraction` {fraction:g} of {len(rows)} rows cannot hold every class on both sides; choose another "
            "share, or leave the option out for a cross-audit"
        ) from error
    trains = np.isin(leader_of, train)
    return [Fold(rows[trains], rows[~trains])]


def with_others(fold_of: Rows, together: Rows) -> Rows:
    """The fold of each row, −1 for none; a row that is in none gets that of its group.

    Args:
        fold_of: The folds, −1 for none, shape (N,).
        together: The group that each row is in, −1 for none, shape (N,).
    """
    fold_of_group = np.full(len(together) + 1, -1)  # the last one stands for no group
    placed = np.flatnonzero((fold_of >= 0) & (together >= 0))[::-1]  # of several the first counts
    fold_of_group[together[placed]] = fold_of[placed]
    return np.where(fold_of < 0, fold_of_group[together], fold_of)


def own_numbers(together: Rows) -> Rows:
    """A number for each group, and one for each row that is in none.

    Args:
        together: The group that each row is in, −1 for none, shape (N,).
    """
    return np.where(together < 0, np.arange(len(together)), together + len(together))


def _are_large(leaders: Rows, rows: Rows) -> bool:
    """Whether groups have so many rows that the labels of their first ones do not tell those of the others."""
    return len(leaders) <= MOSTLY_ALONE * len(rows)


def _leaders(together: Rows) -> tuple[Rows, Rows]:
    """The first place of each group, and each place that is in none; and for every place, which of these it follows."""
    _, first, follows = np.unique(own_numbers(together), return_index=True, return_inverse=True)
    leaders: Rows
    leaders, order = np.unique(first, return_inverse=True)
    return leaders, order[follows]
