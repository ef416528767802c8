"""Rows that hold the same: copies, copies with different labels, and copies of rows of the test set."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from labelaudit.data.content import Cells, Content, Texts, Vectors
from labelaudit.data.dataset import NO_LABEL, Dataset
from labelaudit.types import Hashes, Labels, Rows

OFTEN = 0.01  # of a table's rows that are like an earlier one, from which on rows may be alike by chance
RICH = 6.0  # times log₂ N: bits in which two rows differ on average, from which on they may not
MEASURED_ROWS = 10_000  # by which the bits are told


@dataclass(frozen=True)
class Copies:
    """Which rows hold the same.

    Attributes:
        content: A number for what each row holds, the same for rows that hold the same; −1 where a row holds nothing
            or cannot be read; of the audited rows, then those of the test set, then those of other splits (N + M + K,).
        rows: N.
        test_rows: M.
        by_chance: Whether rows may be alike without being the same thing: where they have few columns, or columns of
            few values, and many rows are alike.
    """

    content: NDArray[np.int64]
    rows: int
    test_rows: int
    by_chance: bool

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """The group of each audited row that another one equals, from 0 in the rows' order; −1 of others, (N,)."""
        content = self.content[: self.rows]
        counts = np.bincount(content[content >= 0], minlength=1)
        is_copy = (content >= 0) & (counts[content] > 1)
        groups = np.full(self.rows, -1)
        groups[is_copy] = pd.factorize(content[is_copy])[0]
        return groups

    @property
    def of_one_thing(self) -> NDArray[np.int64]:
        """The groups of rows that are one thing, with one true label: all, but none where rows are alike by chance."""
        return np.full(self.rows, -1) if self.by_chance else self.groups

    def in_test(self) -> NDArray[np.bool_]:
        """Whether a row of the test set, or of another split, holds the same, for each audited row, shape (N,)."""
        content = self.content[: self.rows]
        return (content >= 0) & np.isin(content, self.content[self.rows :])

    def audited_too(self) -> NDArray[np.bool_]:
        """Whether an audited row holds the same, for each row of the test set, shape (M,)."""
        content = self.content[self.rows : self.rows + self.test_rows]
        return (content >= 0) & np.isin(content, self.content[: self.rows])


def kept_together(copies: Copies, groups: Sequence[str | None], near: Rows | None = None) -> Rows:
    """What rows have to share a fold: copies, near copies, and rows of one group, directly or by other rows.

    Rows that are alike by chance need not: they are what is to be learnt from.

    Args:
        copies: Which rows hold the same.
        groups: The group of each row, None for none, N of them; or nothing.
        near: The group of near copies that each row is in, −1 for none, shape (N,); None if there are none.

    Returns:
        A number for each row, the same for rows that belong together, −1 for those that belong to no other, (N,).
    """
    kinds = [copies.of_one_thing]
    if groups:
        kinds.append(pd.factorize(np.array(groups, dtype=object))[0])
    if near is not None and (near >= 0).any():
        kinds.append(near)
    if len(kinds) == 1:
        return kinds[0]
    rows = np.concatenate([np.flatnonzero(kind >= 0) for kind in kinds])  # each belongs to a group of each kind, so
    starts = copies.rows * np.arange(1, len(kinds) + 1)  # that what belongs to one group has a way to each other
    ends = np.concatenate([kind[kind >= 0] + start for kind, start in zip(kinds, starts, strict=True)])
    component = connected(rows, ends, copies.rows * (len(kinds) + 1))[: copies.rows]
    counts = np.bincount(component)
    found: Rows = np.where(counts[component] > 1, pd.factorize(component)[0], -1)
    return found


def connected(ends: Rows, other_ends: Rows, size: int) -> Rows:
    """The component that each of so many nodes is in, by the edges between `ends` and `other_ends`, shape (`size`,)."""
    graph = coo_matrix((np.ones(len(ends), dtype=np.int8), (ends, other_ends)), shape=(size, size))
    component: Rows = connected_components(graph, directed=False)[1]
    return component


def find_copies(parts: Sequence[Dataset], hashes: Hashes, other_splits: Sequence[Dataset] = ()) -> Copies:
    """Find rows that hold the same.

    Images are compared as files, numbers bit by bit, tables cell by cell, and texts without regard to white space and
    to how Unicode spells a character.

    Args:
        parts: The audited dataset and, if there is one, the test set.
        hashes: Content hash of each row of all, one after the other; None where nothing could be read.
        other_splits: Other parts of the dataset, in which audited rows should not be, too.
    """
    keys = np.array(list(_keys([*parts, *other_splits], hashes)), dtype=object)
    content = pd.factorize(keys)[0].astype(np.int64)
    rows = len(parts[0])
    known = content[:rows][content[:rows] >= 0]
    often = len(known) > 0 and len(np.unique(known)) < (1 - OFTEN) * len(known)
    test_rows = sum(map(len, parts[1:]))
    return Copies(content, rows, test_rows, bool(often) and _may_coincide(parts[0].content))


def _may_coincide(content: Content) -> bool:
    """Whether rows have so few columns, or these so few values, that two may be alike by chance.

    If columns told nothing of each other, N²/2 pairs of rows would be alike with a probability of 2^−bits each, the
    bits of a column being its collision entropy −log₂ Σ p². As they do tell something, `RICH` asks for three times as
    many.
    """
    if isinstance(content, Cells):
        columns = [content.frame[name].iloc[:MEASURED_ROWS] for name in content.frame.columns]
    elif isinstance(content, Vectors):
        columns = [pd.Series(column) for column in content.values[:MEASURED_ROWS].T]
    else:
        return False
    rows, bits = len(columns[0]) if columns else 0, 0.0
    for column in columns:
        bits -= float(np.log2(np.square(column.value_counts(normalize=True, dropna=False)).sum()))
        if bits >= RICH * np.log2(max(rows, 2)):
            return False
    return True


def contradicting(groups: NDArray[np.int64], labels: Labels) -> NDArray[np.bool_]:
    """Which rows have a copy with another label, shape (N,).

    Args:
        groups: The group of each row, −1 for none, shape (N,).
        labels: Class indices, `NO_LABEL` where there is none, shape (N,).
    """
    labelled = (groups >= 0) & (labels != NO_LABEL)
    least = np.full(groups.max(initial=-1) + 1, np.iinfo(np.int64).max)
    most = np.full(len(least), NO_LABEL)
    np.minimum.at(least, groups[labelled], labels[labelled])
    np.maximum.at(most, groups[labelled], labels[labelled])
    found = np.zeros(len(groups), dtype=bool)
    found[labelled] = least[groups[labelled]] != most[groups[labelled]]
    return found


def normalised(text: str) -> str:
    """A text without what cannot be seen of it: kinds and amounts of white space, ways to spell one character."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _keys(parts: Sequence[Dataset], hashes: Hashes) -> Iterator[str | None]:
    """What tells the content of each row; None where it holds nothing."""
    start = 0
    for part in parts:
        own, start = hashes[start : start + len(part)], start + len(part)
        content = part.content
        if isinstance(content, Texts):
            texts = zip(content.values, own, strict=True)
            yield from (None if text is None or digest is None else normalised(text) or None for text, digest in texts)
        elif (isinstance(content, Cells) and not content.frame.shape[1]) or (
            isinstance(content, Vectors) and not content.values.shape[1]
        ):
            yield from (None for _ in own)
        else:
            yield from own
