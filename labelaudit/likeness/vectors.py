"""Vectors that all but agree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from labelaudit.likeness.nearest import FITTED_ROWS, Compared, nearest

LONG = 3.0  # times the median length, from which on a vector lies as much farther from others as it is longer
TINY = float(np.finfo(np.float32).tiny)


def compare_vectors(vectors: NDArray[np.float32], progress: Callable[[int], None]) -> Compared:
    """Find pairs of vectors that may be copies: the distance is 1 minus the cosine about the median.

    A few vast numbers do not move the median.

    Args:
        vectors: Shape (N, D), finite, N ≥ 2.
        progress: Called with the number of vectors done, N in all.
    """
    with np.errstate(over="ignore"):
        middle = np.median(vectors[:: -(-len(vectors) // FITTED_ROWS)], axis=0)
        directions: NDArray[np.float32] = np.nan_to_num(vectors - middle).astype(np.float32, copy=False)
    lengths = np.ones(len(vectors))
    for length_of in (_largest, _norm):  # squares of what is at most 1 are finite
        length = length_of(directions)[:, None]
        np.divide(directions, length, out=directions, where=length > 0)
        lengths *= length[:, 0]
    neighbours = nearest(directions, progress)
    pairs, distances = neighbours.pairs()
    return Compared(
        pairs,
        distances=np.square(distances) / 2,
        reference=np.square(neighbours.reference) / 2,
        dimensions=neighbours.dimensions,
        apart=neighbours.distances[:, -1] * np.maximum(lengths / max(LONG * float(np.median(lengths)), TINY), 1),
        empty=np.zeros(len(vectors), dtype=bool),
    )


def _largest(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.maximum(vectors.max(1), -vectors.min(1))
    return found


def _norm(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return found
