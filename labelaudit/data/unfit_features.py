"""Columns that say which row it is, or what its label is, and so must not be learnt from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from labelaudit.data.column_names import LABEL_NAMES, key_of

FEWEST_ROWS = 20  # up to which any of this may be chance
ALMOST_ALL = 0.95
FEWEST_STEPS = 5  # different numbers among the rows of a label, from which these can follow an order
LIKE_THE_LABEL = 0.8  # of the rows that a column called like the label agrees with it in, from which it is a copy
IN_BLOCKS = 5.0  # standard deviations above chance, from which labels follow the order of the rows

_ID_NAME = re.compile(
    r"(?i)(^|[_ .-])(id|ids|id_?code|uid|uuid|guid|index|idx|key|row|rownum|row_?number|unnamed: \d+)$"
)
_ID_ENDING = re.compile(r"[a-z](Id|ID)$")


def is_id_name(name: str) -> bool:
    """Whether a column is called as ids or row numbers are: id, user_id, PassengerId, Unnamed: 0, index."""
    return bool(_ID_NAME.search(name) or _ID_ENDING.search(name))


def unfit_features(
    columns: Mapping[str, pd.Series[Any]], dates: set[str], labels: Sequence[str | None], label_name: str
) -> dict[str, str]:
    """Find the columns that are no features, and why.

    Args:
        columns: Float64 with NaN, or text with None, each of N rows.
        dates: Those that are dates.
        labels: Class names, N.
        label_name: What the label's column is called.

    Returns:
        Name → reason.
    """
    if len(labels) <= FEWEST_ROWS:
        return {}
    codes, names = pd.factorize(np.array(labels, dtype=object))
    in_blocks = _follow_the_order(codes)
    found = {}
    for name, series in columns.items():
        reason = _says_nothing(series) or _identifies_rows(name, series, in_blocks=in_blocks and name in dates)
        if reason is None and in_blocks and series.dtype != object and _is_tied_to_the_order(series.to_numpy(), codes):
            reason = "it follows the order of the rows, which are sorted by label"
        reason = reason or _tells_the_label(name, series, codes, len(names), label_name)
        if reason:
            found[name] = reason
    return found


def _says_nothing(series: pd.Series[Any]) -> str | None:
    if series.isna().all():
        return "it is empty"
    return "all its cells are alike" if series.notna().all() and series.nunique() == 1 else None


def _identifies_rows(name: str, series: pd.Series[Any], *, in_blocks: bool) -> str | None:
    rows = len(series)
    if series.dtype == object:
        return "nearly every row has its own" if series.nunique() > rows / 2 else None
    values = series.to_numpy()
    values = values[np.isfinite(values)]
    if len(values) < rows:  # a row number is never missing, an id seldom
        if len(values) < ALMOST_ALL * rows or not is_id_name(name):
            return None
        return "ids, which say which row it is" if len(np.unique(values)) >= ALMOST_ALL * len(values) else None
    steps = np.diff(values)
    if (steps != 0).all() and (np.ptp(steps) <= 1e-9 * np.abs(steps).max()):
        return "it numbers the rows"
    whole = bool((values == np.round(values)).all())
    monotone = bool((steps > 0).all() or (steps < 0).all())
    if monotone and (whole or in_blocks):
        return "it follows the order of the rows"
    distinct = len(np.unique(values))
    dense = distinct == rows and np.ptp(values) < 1.5 * rows
    if whole and (dense or (is_id_name(name) and distinct >= ALMOST_ALL * rows)):
        return "ids, which say which row it is"
    return None


def _is_tied_to_the_order(values: NDArray[np.float64], labels: NDArray[np.int64]) -> bool:
    """Whether numbers rise or fall with the row nearly everywhere, also among rows of one label.

    Numbers that come several times, as those of batches do, have to go on from label to label: rows may be sorted by
    label and then by such a feature.
    """
    order, ties, repeated = np.arange(len(values)), [], False
    for label in range(labels.max(initial=-1) + 1):
        rows = np.flatnonzero((labels == label) & np.isfinite(values))
        if len(rows) < FEWEST_ROWS:
            continue
        distinct = len(np.unique(values[rows]))
        if distinct < FEWEST_STEPS:
            return False
        repeated |= distinct < ALMOST_ALL * len(rows)
        ties.append(abs(float(spearmanr(order[rows], values[rows]).statistic)))
    if repeated:
        known = np.isfinite(values)
        ties.append(abs(float(spearmanr(order[known], values[known]).statistic)))
    return bool(ties) and min(ties) > ALMOST_ALL


def _tells_the_label(
    name: str, series: pd.Series[Any], labels: NDArray[np.int64], classes: int, label_name: str
) -> str | None:
    values, distinct = pd.factorize(series)
    both = (values >= 0) & (labels >= 0)
    if both.sum() < ALMOST_ALL * (labels >= 0).sum() or len(distinct) < 2 or len(distinct) > 2 * classes or classes < 2:
        return None
    pairs, counts = np.unique(values[both] * np.int64(classes) + labels[both], return_counts=True)
    of_values, of_labels = np.divmod(pairs, classes)
    if len(np.unique(of_values)) == len(np.unique(of_labels)) == len(counts) == classes:
        return "the label follows from it exactly"
    most = np.zeros(len(distinct), dtype=np.int64)  # rows of each value that have its most frequent label
    np.maximum.at(most, of_values, counts)
    agreement, usual = most.sum() / both.sum(), np.bincount(labels[both]).max() / both.sum()
    if _is_called_like(name, label_name) and agreement >= max(LIKE_THE_LABEL, (1 + usual) / 2):
        return "a copy of the label, by its name and values"
    return None


def _is_called_like(name: str, label_name: str) -> bool:
    """Whether a column is called as a label is, or as this one with something added: label_id, target_name."""
    one, other = key_of(name), key_of(label_name)
    words = set(re.split(r"[_ .-]", one))
    return one in LABEL_NAMES or other in words or bool(words & {"label", "class", "target"}) or one.startswith(other)


def _follow_the_order(labels: NDArray[np.int64]) -> bool:
    """Whether neighbouring rows have the same label more often than by chance."""
    labels = labels[labels >= 0]
    same = labels[1:] == labels[:-1]
    chance = float(np.square(np.bincount(labels) / len(labels)).sum()) if len(labels) else 1.0
    deviation = (chance * (1 - chance) / max(1, len(same))) ** 0.5
    return bool(len(same) and deviation > 0 and (same.mean() - chance) / deviation > IN_BLOCKS)
