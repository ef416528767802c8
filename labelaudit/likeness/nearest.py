"""The rows nearest to each row, by exact distances of those that a projection finds near."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import false_discovery_control
from torch import Tensor

from labelaudit.likeness.search import BLOCK, search
from labelaudit.types import Floats, Rows

NEIGHBOURS = 10  # of each row; from the last one it is told how near rows lie here
PROJECTED = 64  # directions of largest variance that candidates are found in
CANDIDATES = 3 * NEIGHBOURS
FITTED_ROWS = 20_000  # that the directions are found from
WITHIN = 0.15  # of the squared distance of last neighbours, up to which rows may be near copies
MOST_DIMENSIONS, HALVINGS = 500.0, 20
DENSEST = 0.1  # of rows, by how near their last neighbour is: no row counts as lying denser than these


@dataclass(frozen=True)
class Neighbours:
    """The nearest other rows of each row, the nearest first.

    Attributes:
        rows: Their numbers, shape (N, K).
        distances: How far they are, shape (N, K).
    """

    rows: Rows
    distances: Floats

    @property
    def reference(self) -> Floats:
        """How far rows are that are no copies: the distance of each row's last neighbour, shape (N,).

        Where more rows than K are copies of each other, it is what it is elsewhere in dense parts.
        """
        return at_least_dense(self.distances[:, -1], self.distances[:, -1])

    @property
    def dimensions(self) -> Floats:
        """How many numbers would tell each row from those about it, shape (N,), at least 1.

        The estimate of Levina and Bickel (2004): with r_k the distance of the k-th neighbour, log(r_K / r_k) is
        exponentially distributed with the mean 1/m. The mean is also over the row's neighbours, and what is so near
        that it may be a copy is left out: the distribution ends there.
        """
        relative = self.distances[:, :-1] / np.maximum(self.reference, np.finfo(np.float32).tiny)[:, None]
        usual = np.square(relative) > WITHIN
        logs = -np.log(np.where(usual, relative, 1).clip(0, 1))
        sums, counts = (of_row + of_row[self.rows].sum(1) for of_row in (logs.sum(1), usual.sum(1)))
        return _rate_of_truncated(sums / np.maximum(counts, 1), -np.log(WITHIN) / 2)

    def pairs(self) -> tuple[NDArray[np.int64], Floats]:
        """Each pair of neighbours once, the lower number first, shape (P, 2), and how far they are, (P,)."""
        rows = np.repeat(np.arange(len(self.rows)), self.rows.shape[1])
        lower, upper = np.minimum(rows, self.rows.ravel()), np.maximum(rows, self.rows.ravel())
        _, places = np.unique(lower * len(self.rows) + upper, return_index=True)
        return np.stack([lower[places], upper[places]], axis=1), self.distances.ravel()[places]


@dataclass(frozen=True)
class Compared:
    """Rows compared with their neighbours, and pairs of them that may be copies.

    Attributes:
        pairs: Row numbers, the lower one first, shape (P, 2).
        distances: How far they are, from 0 on, in proportion to squared Euclidean distances, shape (P,).
        reference: How far rows are that are no copies, for each row of a pair, shape (N,).
        dimensions: How many numbers would tell each row from those about it, shape (N,); None where that is not asked,
            as rows are too rich to be near each other by chance.
        apart: How far the last neighbour of each row is, in any unit, shape (N,).
        empty: Whether a row holds next to nothing, shape (N,).
        similar: 1 minus the largest distance of near copies.
    """

    pairs: NDArray[np.int64]
    distances: Floats
    reference: Floats
    dimensions: Floats | None
    apart: Floats
    empty: NDArray[np.bool_]
    similar: float = 0.95

    @property
    def by_chance(self) -> Floats:
        """Of pairs as near as this one or nearer, which share may be so by chance, at most 1, shape (P,).

        Where m numbers tell rows apart, the nearest of K neighbours within a radius r lies within q·r with a
        probability of 1 − (1 − q^m)^(K − 1); of that, the rate of false discoveries (Benjamini and Hochberg, 1995).
        Distances are squared ones, so that q is the root of the relative distance.
        """
        if self.dimensions is None:
            return np.zeros(len(self.pairs))
        fewest = self.dimensions[self.pairs].min(1)
        nearer = 1 - (1 - self.relative.clip(0, 1) ** (fewest / 2)) ** (NEIGHBOURS - 1)
        others = np.ones(max(0, len(self.reference) - len(nearer)))  # rows that are in no pair have been asked, too
        found: Floats = false_discovery_control(np.concatenate([nearer, others]).clip(0, 1))[: len(nearer)]
        return found

    @property
    def relative(self) -> Floats:
        """How far the rows of a pair are, as a part of how far others are from either, shape (P,)."""
        usual = self.reference[self.pairs].min(1)
        found: Floats = np.divide(self.distances, usual, out=np.ones(len(usual)), where=usual > 0)
        return found


def _rate_of_truncated(means: Floats, end: float) -> Floats:
    """The rate of exponentially distributed numbers that have these means where they are cut off at an end, (N,)."""
    low, high = np.full(len(means), 1e-6), np.full(len(means), MOST_DIMENSIONS)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        larger = 1 / middle - end / np.expm1(middle * end) > means
        low, high = np.where(larger, middle, low), np.where(larger, high, middle)
    found: Floats = np.maximum((low + high) / 2, 1)
    return found


def at_least_dense(distances: Floats, some: Floats) -> Floats:
    """Distances of last neighbours, none less than those of the densest of some."""
    found: Floats = np.maximum(distances, np.quantile(some, DENSEST))
    return found


def nearest(vectors: NDArray[np.float32], progress: Callable[[int], None]) -> Neighbours:
    """Find the nearest other rows by Euclidean distance.

    Distances are no larger in a projection, so that what is near is found near there, too; of the candidates found in
    the `PROJECTED` directions of largest variance, the exact distances count.

    Args:
        vectors: Shape (N, D), finite, N ≥ 2.
        progress: Called with the number of rows done, N in all.
    """
    rows = torch.from_numpy(vectors)
    wanted = min(NEIGHBOURS, len(rows) - 1)
    short = _projected(rows)
    likely = search(short, wanted if short is rows else min(CANDIDATES, len(rows) - 1), progress)
    distances, order = _distances(rows, likely).sort(dim=1, stable=True)
    return Neighbours(likely.gather(1, order)[:, :wanted].numpy(), distances[:, :wanted].numpy())


def _projected(rows: Tensor) -> Tensor:
    """The rows in the directions of largest variance; as they are, if they have no more dimensions."""
    if rows.shape[1] <= PROJECTED:
        return rows
    some = rows[:: -(-len(rows) // FITTED_ROWS)]
    centred = some - some.mean(0)
    short: Tensor = rows @ torch.linalg.eigh(centred.T @ centred)[1][:, -PROJECTED:]
    return short


def _distances(rows: Tensor, others: Tensor) -> Tensor:
    """How far each row is from some others, shape (N, K)."""
    size = max(1, BLOCK // (others.shape[1] * rows.shape[1]))
    parts = zip(rows.split(size), others.split(size), strict=True)
    return torch.cat([(rows[other] - part[:, None]).norm(dim=2) for part, other in parts])
