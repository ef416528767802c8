"""Rows that are nearly the same: recompressed, shifted or mirrored images, edited texts, vectors that all but agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from labelaudit.data.content import Content, Texts, Vectors
from labelaudit.data.copies import Copies
from labelaudit.data.near_images import Thumbnails, compare_images
from labelaudit.data.near_texts import compare_texts
from labelaudit.data.nearest import FITTED_ROWS, WITHIN, Compared, nearest
from labelaudit.progress import Progress
from labelaudit.types import Floats, Problems, Rows

SIMILAR, SIMILAR_TEXTS = 0.95, 0.85  # how alike near copies are at the least
BY_CHANCE = 0.05  # of pairs found, that may be so near without being copies
NONE_IS_NEAR = 1.0  # similarity that is asked for where only copies are to count


@dataclass(frozen=True)
class NearCopies:
    """Which audited rows are nearly the same as others, without holding the same (`Copies`).

    Attributes:
        of: The audited row that each is most alike, of those it is a near copy of; −1 for none, shape (N,).
        groups: The group of rows that each is in by this, directly or by others, from 0; −1 for none, shape (N,).
        in_test: Whether the test set has a near copy, shape (N,).
    """

    of: Rows
    groups: Rows
    in_test: NDArray[np.bool_]

    @classmethod
    def none(cls, rows: int) -> NearCopies:
        """There are none among N rows."""
        return cls(np.full(rows, -1), np.full(rows, -1), np.zeros(rows, dtype=bool))


def find_near_copies(
    contents: Sequence[Content],
    thumbnails: Thumbnails | None,
    copies: Copies,
    problems: Problems,
    least: float | None,
    progress: Progress,
) -> NearCopies:
    """Find rows that are nearly the same; cells of tables are not compared.

    Two rows are near copies if they are alike, and if each has its other neighbours much farther away.

    Args:
        contents: Of the audited rows and, if there is one, of the test set.
        thumbnails: Of all these rows, where they are images; else None.
        copies: Which of them hold the same.
        problems: Why a row cannot be read, None where it can.
        least: How alike rows have to be instead: the best correlation of images, the cosine of texts and vectors;
            None to tell it by the data.
        progress: Told how far it is.
    """
    tested = copies.rows + copies.test_rows
    readable = np.array([problem is None for problem in problems[:tested]], dtype=bool)
    rows = np.flatnonzero(readable & (copies.content[:tested] >= 0))
    numbers, first = np.unique(copies.content[rows], return_index=True)
    if len(numbers) < 3 or copies.by_chance or least == NONE_IS_NEAR:
        return NearCopies.none(copies.rows)
    if thumbnails is None and not isinstance(contents[0], Texts | Vectors):
        return NearCopies.none(copies.rows)
    with progress.stage("Comparing rows", len(first)) as advance:
        pairs, similarity = _near(contents, thumbnails, rows[first], least, advance)
    return _of_rows(numbers[pairs], similarity, copies, rows)


def _near(
    contents: Sequence[Content],
    thumbnails: Thumbnails | None,
    rows: Rows,
    least: float | None,
    progress: Callable[[int], None],
) -> tuple[NDArray[np.int64], Floats]:
    """Pairs of places in `rows` whose rows are near copies, and how alike they are."""
    similar = SIMILAR
    if thumbnails is not None:
        compared = compare_images(thumbnails, rows, progress, every=least is not None)
    elif isinstance(contents[0], Texts):
        values = [value for content in contents if isinstance(content, Texts) for value in content.values]
        texts = [values[row] or "" for row in rows.tolist()]
        compared, similar = compare_texts(texts, progress), SIMILAR_TEXTS
    else:
        parts = [content.values for content in contents if isinstance(content, Vectors)]
        vectors = parts[0] if len(parts) == 1 else np.concatenate(parts)
        compared = _compare_vectors(vectors[rows], progress)
    if least is not None:
        found = 1 - compared.distances >= least
    else:
        found = (1 - compared.distances >= similar) & (compared.relative <= WITHIN) & (compared.by_chance <= BY_CHANCE)
    return compared.pairs[found], 1 - compared.distances[found]


def _compare_vectors(vectors: NDArray[np.float32], progress: Callable[[int], None]) -> Compared:
    """Pairs of neighbours by 1 minus the cosine about the median, which a few vast numbers do not move."""
    with np.errstate(over="ignore"):
        middle = np.median(vectors[:: -(-len(vectors) // FITTED_ROWS)], axis=0)
        directions: NDArray[np.float32] = np.nan_to_num(vectors - middle).astype(np.float32, copy=False)
    for length_of in (_largest, _norm):  # squares of what is at most 1 are finite
        lengths = length_of(directions)[:, None]
        np.divide(directions, lengths, out=directions, where=lengths > 0)
    neighbours = nearest(directions, progress)
    pairs, distances = neighbours.pairs()
    return Compared(pairs, np.square(distances) / 2, np.square(neighbours.reference) / 2, neighbours.dimensions)


def _largest(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.maximum(vectors.max(1), -vectors.min(1))
    return found


def _norm(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return found


def _of_rows(pairs: NDArray[np.int64], similarity: Floats, copies: Copies, rows: Rows) -> NearCopies:
    """What pairs of contents that are nearly the same say of the rows that hold them.

    Args:
        pairs: Numbers of contents, shape (P, 2).
        similarity: How alike they are, shape (P,).
        copies: What the rows hold.
        rows: Those that can be compared, of the audited ones and the test set.
    """
    size = int(copies.content.max(initial=-1)) + 1
    holders = np.full(size, -1)  # the first audited row that holds it
    audited, tested = rows[rows < copies.rows], rows[rows >= copies.rows]
    holders[copies.content[audited][::-1]] = audited[::-1]
    in_test = np.zeros(size, dtype=bool)
    in_test[copies.content[tested]] = True

    both = np.concatenate([pairs, pairs[:, ::-1]])
    best_last = np.argsort(np.concatenate([similarity, similarity]), kind="stable")
    among = both[best_last][(holders[both[best_last]] >= 0).all(1)]
    most_alike, leaked = np.full(size, -1), np.zeros(size, dtype=bool)
    most_alike[among[:, 0]] = holders[among[:, 1]]
    leaked[both[in_test[both[:, 1]], 0]] = True
    graph = coo_matrix((np.ones(len(among), dtype=np.int8), (among[:, 0], among[:, 1])), shape=(size, size))
    component = connected_components(graph, directed=False)[1]

    of, groups, near_test = np.full(copies.rows, -1), np.full(copies.rows, -1), np.zeros(copies.rows, dtype=bool)
    held = copies.content[audited]
    of[audited], near_test[audited] = most_alike[held], leaked[held]
    near = audited[most_alike[held] >= 0]
    groups[near] = np.unique(component[copies.content[near]], return_inverse=True)[1]
    return NearCopies(of, groups, near_test)
