"""For a suspect, rows that look alike: those of the class it is thought to be, and those of the class it is given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from labelaudit.data.dataset import NO_LABEL
from labelaudit.detection.ranking import Ranking

SHOWN = 3  # similar rows for each
MOST_ROWS = 1000  # that get any, from the most suspect on


def similar_rows(
    sketches: NDArray[np.float32],
    fold_of: NDArray[np.int64],
    labels: NDArray[np.int64],
    ranking: Ranking,
    wanted: NDArray[np.int64] | None = None,
) -> list[list[int] | None]:
    """The rows of a class that the network of a row's fold sees nearest to it, no suspects themselves.

    Args:
        sketches: Where the rows lie, shape (N, D).
        fold_of: Which fold trained on them, −1 for none, shape (N,); only rows of one fold can be compared.
        labels: Class indices, shape (N,).
        ranking: The verdict.
        wanted: The class for each row, shape (N,); None for the suggested one.

    Returns:
        Row numbers, the nearest first; None for rows without a suggestion or far down the ranking.
    """
    wanted = ranking.suggested if wanted is None else wanted
    similar: list[list[int] | None] = [None] * len(labels)
    asked = (fold_of >= 0) & (ranking.rank > 0) & (ranking.rank <= MOST_ROWS) & (ranking.suggested != NO_LABEL)
    for fold in np.unique(fold_of[asked]):
        for name in np.unique(wanted[asked & (fold_of == fold)]):
            rows = np.flatnonzero(asked & (fold_of == fold) & (wanted == name))
            candidates = np.flatnonzero((fold_of == fold) & (labels == name) & ~ranking.suspect)
            if len(candidates) == 0:
                continue
            nearest = NearestNeighbors(n_neighbors=min(SHOWN + 1, len(candidates))).fit(sketches[candidates])
            for row, found in zip(rows, nearest.kneighbors(sketches[rows], return_distance=False), strict=True):
                others = candidates[found][candidates[found] != row]  # a row that is no suspect is of its own class
                similar[row] = others[:SHOWN].tolist()
    return similar
