"""Class probabilities that the user's network gave: a file or an array → shape (N, C), rows and classes in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax

from labelaudit.data.column_names import ID_NAMES, PATH_NAMES, all_of
from labelaudit.data.table_files import read_table
from labelaudit.data.unfit_features import is_id_name
from labelaudit.errors import InputError
from labelaudit.runtime.regular_files import require_regular
from labelaudit.types import Floats, Labels
from labelaudit.units import format_count, listed

OPTION = "pred_probs"
ARRAYS = (".npy", ".npz")
SUM_TOLERANCE = 0.01  # by which the probabilities of a row may miss 1, as those in half precision or of few digits do
CLEARLY_BETTER = 0.3  # accuracy that another order of the classes must gain to be what was meant
LEARNT = 0.995  # accuracy and mean probability of the given labels from which on rows were probably trained on


@dataclass(frozen=True)
class Expected:
    """What probabilities have to go with.

    Attributes:
        ids: Of the rows, N.
        classes: Their names, C, in the order that is wanted.
        labels: Given class indices, −1 without one, shape (N,).
        order_is_named: Whether the user or the data named the classes in order; else it is that of their names.
        id_column: What the data's ids are called; None where they are row numbers.
    """

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    labels: Labels
    order_is_named: bool
    id_column: str | None


def read_probabilities(source: object, expected: Expected, note: Callable[[str], None]) -> Floats:
    """The probabilities of each row's classes, shape (N, C).

    Args:
        source: A CSV, Parquet or other table with a column for each class (`cat`, or `p(cat)` as `save_probabilities`
            writes them), with ids or in the order of the rows; an array in memory or an `.npy` or `.npz` file, whose
            columns are in the order of the classes; or a data frame.
        expected: What they have to go with.
        note: Told what was taken for granted.

    Raises:
        InputError: They do not go with the data, or are no probabilities; the message says where and what to do.
    """
    where = str(source) if isinstance(source, (str, Path)) else "the probabilities"
    if isinstance(source, (str, Path)) and Path(source).suffix not in ARRAYS:
        require_regular(Path(source), OPTION)
        source = read_table(Path(source)).table
    if isinstance(source, pa.Table):
        source = source.to_pandas()
    if isinstance(source, pd.DataFrame):
        values = _of_frame(source, where, expected, note)
    else:
        values = _array(source, where)
        if values.ndim != 2 or values.shape[1] != len(expected.classes):
            raise _error(
                f"{where} has shape {values.shape}; {len(expected.ids)} rows of {len(expected.classes)} classes "
                f"({listed(expected.classes, 10)}) are wanted"
            )
        if not expected.order_is_named:
            note(
                f"the columns of {where} are taken to be {listed(expected.classes, 10)}; `classes` names another order"
            )
        _check_length(len(values), where, expected)
    values = _as_probabilities(values, where, expected, note)
    _check_against_labels(values, where, expected, note)
    return values


def _error(message: str) -> InputError:
    return InputError(message, option=OPTION)


def _array(source: object, where: str) -> Floats:
    if not isinstance(source, (str, Path)):
        try:
            return np.asarray(source, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise _error(f"{type(source).__name__} is no array of probabilities: {error}") from error
    require_regular(Path(source), OPTION)
    try:
        loaded = np.load(source, allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            if len(loaded.files) != 1:
                raise _error(
                    f"{where} holds {len(loaded.files)} arrays ({listed(loaded.files, 5)}); give a file of one"
                )
            loaded = loaded[loaded.files[0]]
        return np.asarray(loaded, dtype=np.float64)
    except InputError:
        raise
    # A damaged header makes numpy raise whatever the parser of its Python literal raises, or ask for any memory.
    except Exception as error:
        raise _error(f"cannot read {where}: {str(error).partition(chr(10))[0] or type(error).__name__}") from error


def _of_frame(frame: pd.DataFrame, where: str, expected: Expected, note: Callable[[str], None]) -> Floats:
    """The columns of the classes, rows by id or in order."""
    frame = frame.rename(columns=str)
    columns = {}
    for name in expected.classes:
        found = next((column for column in (name, f"p({name})") if column in frame.columns), None)
        if found is None:
            near = get_close_matches(name, [str(column) for column in frame.columns], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise _error(f"{where} has no column for class {name!r}{hint} It has: {listed(list(frame.columns), 20)}")
        columns[name] = found
    numbers = frame[list(columns.values())].apply(pd.to_numeric, errors="coerce")
    values: Floats = numbers.to_numpy(np.float64)
    ids = _id_columns(frame.drop(columns=list(columns.values())), where, expected, note)
    others = [
        name
        for name in frame.columns
        if name not in {*columns.values(), *ids} and pd.api.types.is_float_dtype(frame[name].dtype)
    ]
    if others and not np.allclose(values.sum(1), 1, atol=SUM_TOLERANCE):
        raise _error(
            f"{where} has columns that are no class of the data ({listed(others, 5)}), and without them its rows do "
            "not add up to 1"
        )
    if not ids:
        _check_length(len(values), where, expected)
        return values
    given = [str(value) for value in frame[ids[0]]]
    place = {row_id: number for number, row_id in enumerate(given)}
    if len(place) < len(given):
        twice = next(row_id for number, row_id in enumerate(given) if place[row_id] != number)
        raise _error(f"{where} has the id {twice!r} twice")
    missing = [row_id for row_id in expected.ids if row_id not in place]
    if missing:
        raise _error(
            f"{where} has no probabilities for {len(missing)} of {len(expected.ids)} rows, such as {missing[0]!r}; its "
            f"ids (column {ids[0]!r}) are such as {given[0]!r}"
        )
    if len(given) > len(expected.ids):
        note(f"left out, as not in the data: {format_count(len(given) - len(expected.ids), 'row')} of {where}")
    chosen: Floats = values[[place[row_id] for row_id in expected.ids]]
    return chosen


def _id_columns(frame: pd.DataFrame, where: str, expected: Expected, note: Callable[[str], None]) -> list[str]:
    """Those called as the data's ids are, or as ids or paths are, and others called ids that have one of the data."""
    names = list(frame.columns)
    called = all_of(names, [*ID_NAMES, *PATH_NAMES])
    if expected.id_column in names:
        called = [*dict.fromkeys([expected.id_column, *called])]
    for name in names:
        if name in called or not is_id_name(name):
            continue
        if not frame[name].astype(str).isin(expected.ids).any():
            if not called:
                note(f"column {name!r} of {where} has no id of the data, and is not used")
            continue
        called.append(name)
    return called


def _check_length(rows: int, where: str, expected: Expected) -> None:
    if rows != len(expected.ids):
        raise _error(
            f"{where} has {rows} rows, the data has {len(expected.ids)}: without a column of ids they must be the same "
            "rows in the same order"
        )


def _as_probabilities(values: Floats, where: str, expected: Expected, note: Callable[[str], None]) -> Floats:
    """Probabilities; of logits and log-probabilities their softmax.

    Raises:
        InputError: They are neither.
    """
    bad = np.flatnonzero(~np.isfinite(values).all(1))
    if len(bad):
        raise _error(
            f"{where} has values that are no numbers in {format_count(len(bad), 'row')}, first in "
            f"{expected.ids[bad[0]]!r}"
        )
    low, high, sums = values.min(), values.max(), values.sum(1)
    if low < 0 and (high > 1 or (sums < 0.5).mean() > 0.5):
        note(f"{where} holds logits or log-probabilities: their softmax is taken")
        taken: Floats = softmax(values, axis=1)
        return taken
    negative = np.flatnonzero((values < 0).any(1))
    if len(negative):
        raise _error(
            f"{where} has negative values in {format_count(len(negative), 'row')}, first in "
            f"{expected.ids[negative[0]]!r}"
        )
    off = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
    if len(off):
        raise _error(
            f"the probabilities of {format_count(len(off), 'row')} in {where} do not add up to 1 "
            f"({expected.ids[off[0]]!r}: {sums[off[0]]:.3g}): each row needs one probability for each class, as a "
            "softmax gives them"
        )
    scaled: Floats = values / sums[:, None]
    return scaled


def _check_against_labels(values: Floats, where: str, expected: Expected, note: Callable[[str], None]) -> None:
    """Make sure that columns are not in another order, and say if rows were probably trained on.

    Raises:
        InputError: In another order of the classes the labels would be predicted far better.
    """
    labelled = np.flatnonzero(expected.labels >= 0)
    if len(labelled) == 0:
        return
    given, favourite = expected.labels[labelled], values[labelled].argmax(1)
    counts = np.zeros((len(expected.classes),) * 2)
    np.add.at(counts, (favourite, given), 1)
    accuracy = np.trace(counts) / len(given)
    columns, meant = linear_sum_assignment(-counts)
    better = counts[columns, meant].sum() / len(given)
    if better > accuracy + CLEARLY_BETTER:
        order = [expected.classes[index] for index in meant[np.argsort(columns)]]
        raise _error(
            f"{where} predicts {accuracy:.0%} of the labels, and {better:.0%} if its columns are {listed(order, 10)}: "
            "did you mean that order of the classes?"
        )
    if min(accuracy, values[labelled, given].mean()) > LEARNT:
        note(
            f"{where} fits {accuracy:.1%} of the labels: is it by a network that was trained on these rows? Then wrong "
            "labels do not show; take predictions out of fold"
        )
