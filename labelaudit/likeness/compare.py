"""How alike rows are: which are nearly the same as others, and which are like none.

Near copies are recompressed, shifted or mirrored images, edited texts, and vectors that all but agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelaudit.data.content import Content, EncodedImages, Texts, Vectors
from labelaudit.data.copies import Copies, connected
from labelaudit.errors import InputError
from labelaudit.likeness.images import Thumbnails, compare_images
from labelaudit.likeness.nearest import WITHIN, Compared
from labelaudit.likeness.texts import compare_texts
from labelaudit.likeness.vectors import compare_vectors
from labelaudit.progress import Progress
from labelaudit.types import Floats, Problems, Rows

BY_CHANCE = 0.05  # of pairs found, that may be so near without being copies
NOT_CELLS = "near copies are looked for among images, texts and vectors, not among cells of tables"
NONE_IS_NEAR = 1.0  # similarity that is asked for where only copies are to count


@dataclass(frozen=True)
class Likeness:
    """Which audited rows are nearly the same as others, without holding the same (`Copies`), and which like none.

    Attributes:
        of: The audited row that each is most alike, of those it is a near copy of; −1 for none, shape (N,).
        groups: The group of rows that each is in by this, directly or by others, from 0; −1 for none, shape (N,).
        in_test: Whether the test set has a near copy, shape (N,).
        apart: How far the tenth neighbour of each row is, in a unit of its kind of data, NaN where that was not asked,
            shape (N,).
        empty: Whether a row holds next to nothing: an image of one colour, a text of one repeated word, shape (N,).
    """

    of: Rows
    groups: Rows
    in_test: NDArray[np.bool_]
    apart: Floats
    empty: NDArray[np.bool_]

    @classmethod
    def unknown(cls, rows: int) -> Likeness:
        """Of N rows that were not compared."""
        nothing = np.zeros(rows, dtype=bool)
        return cls(np.full(rows, -1), np.full(rows, -1), nothing, np.full(rows, np.nan), nothing.copy())


def compare_rows(
    contents: Sequence[Content],
    thumbnails: Thumbnails | None,
    copies: Copies,
    problems: Problems,
    least: float | None,
    progress: Progress,
) -> Likeness:
    """Compare rows with their neighbours; cells of tables are not compared.

    Two rows are near copies if they are alike, and if each has its other neighbours much farther away.

    Args:
        contents: Of the audited rows and, if there is one, of the test set.
        thumbnails: Of all these rows, where they are images; else None.
        copies: Which of them hold the same.
        problems: Why a row cannot be read, None where it can.
        least: How alike rows have to be instead: the best correlation of images, the cosine of texts and vectors;
            None to tell it by the data.
        progress: Told how far it is.

    Raises:
        InputError: `least` is asked for where nothing is compared.
    """
    comparable = thumbnails is not None or isinstance(contents[0], Texts | Vectors)
    if least is not None and not comparable:
        kind = "images are not read with `pred_probs`" if isinstance(contents[0], EncodedImages) else NOT_CELLS
        raise InputError(f"`near` {least:g} would mean nothing: {kind}", option="near")
    tested = copies.rows + copies.test_rows
    readable = np.array([problem is None for problem in problems[:tested]], dtype=bool)
    rows = np.flatnonzero(readable & (copies.content[:tested] >= 0))
    numbers, first = np.unique(copies.content[rows], return_index=True)
    if len(numbers) < 3 or not comparable:
        return Likeness.unknown(copies.rows)
    with progress.stage("Comparing rows", len(first)) as advance:
        compared = _compare(contents, thumbnails, rows[first], least, advance)
    near = np.zeros(len(compared.pairs), dtype=bool) if copies.by_chance else _are_near(compared, least)
    found = _near_copies(numbers[compared.pairs[near]], 1 - compared.distances[near], copies, rows)
    own = rows[rows < copies.rows]
    places = np.searchsorted(numbers, copies.content[own])
    found.apart[own], found.empty[own] = compared.apart[places], compared.empty[places]
    return found


def _compare(
    contents: Sequence[Content],
    thumbnails: Thumbnails | None,
    rows: Rows,
    least: float | None,
    progress: Callable[[int], None],
) -> Compared:
    """Compare some rows, by what they are; pairs are of places in `rows`."""
    if thumbnails is not None:
        return compare_images(thumbnails, rows, progress, every=least is not None and least < NONE_IS_NEAR)
    if isinstance(contents[0], Texts):
        values = [value for content in contents if isinstance(content, Texts) for value in content.values]
        return compare_texts([values[row] or "" for row in rows.tolist()], progress)
    parts = [content.values for content in contents if isinstance(content, Vectors)]
    vectors = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return compare_vectors(vectors[rows], progress)


def _are_near(compared: Compared, least: float | None) -> NDArray[np.bool_]:
    """Whether the rows of a pair are near copies, shape (P,)."""
    similarity = 1 - compared.distances
    if least is not None:
        return (similarity >= least) & (least < NONE_IS_NEAR)
    return (similarity >= compared.similar) & (compared.relative <= WITHIN) & (compared.by_chance <= BY_CHANCE)


def _near_copies(pairs: NDArray[np.int64], similarity: Floats, copies: Copies, rows: Rows) -> Likeness:
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
    component = connected(among[:, 0], among[:, 1], size)

    found = Likeness.unknown(copies.rows)
    held = copies.content[audited]
    found.of[audited], found.in_test[audited] = most_alike[held], leaked[held]
    near = audited[most_alike[held] >= 0]
    found.groups[near] = np.unique(component[copies.content[near]], return_inverse=True)[1]
    return found
