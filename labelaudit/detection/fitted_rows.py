"""Which rows a few numbers of each class are fitted to: as many as it takes, where there are more."""

from __future__ import annotations

import numpy as np

from labelaudit.runtime.large_arrays import of_given
from labelaudit.types import Floats, Labels, Rows

FEW_A_CLASS = 10  # rows on average, below which classes get nothing of their own: it would be chance
MOST_CLASSES = 2000  # beyond which they get nothing either: T would be larger than the rows that tell it
FIT_ROWS = 20_000  # of more rows so many are fitted, of every class its part: they tell T and the share well enough
FIT_CELLS = 4_000_000  # rows × classes, from which on fewer are, down to `FEW_A_CLASS` of each class
ONE_RATE_CELLS, FEWEST = 20_000_000, 2000  # the same and the fewest rows where classes have nothing of their own


def few_a_class(rows: int, classes: int) -> bool:
    """Whether classes have too few rows for anything to be estimated of each, or are too many."""
    return rows < FEW_A_CLASS * classes or classes > MOST_CLASSES


def fitted_rows(evidence: Floats, labels: Labels) -> Rows:
    """All rows, or so many that a fit does not take long.

    Args:
        evidence: Shape (N, C).
        labels: Class indices, shape (N,).
    """
    return stratified(evidence, labels, rows_to_fit(*evidence.shape))


def calibrated_rows(evidence: Floats, labels: Labels) -> Rows:
    """The same for calibrations: where these are one weight for all classes, few rows tell it."""
    return stratified(evidence, labels, rows_to_calibrate(*evidence.shape))


def rows_to_calibrate(rows: int, classes: int) -> int:
    """How many rows of so many are calibrated to."""
    return min(rows, FEWEST) if few_a_class(rows, classes) else rows_to_fit(rows, classes)


def rows_to_fit(rows: int, classes: int) -> int:
    """How many rows of so many are fitted."""
    if few_a_class(rows, classes):
        most = max(FEWEST, ONE_RATE_CELLS // classes)
    else:
        most = max(FEW_A_CLASS * classes, FIT_CELLS // classes)
    return min(rows, most, FIT_ROWS)


def stratified(evidence: Floats, labels: Labels, most: int) -> Rows:
    """All rows or, of more than `most`, every k-th of each class in the order of their evidence."""
    rows = len(labels)
    if rows <= most:
        return np.arange(rows)
    order: Rows = np.lexsort((of_given(evidence, labels), labels))
    return order[np.arange(most) * rows // most]
