"""Data frames and tables in memory → Arrow tables."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray
from PIL import Image

from labelaudit.config import SourceConfig
from labelaudit.data.cells import some_names
from labelaudit.data.dataset import Dataset
from labelaudit.data.json_files import array_of, table_of_records
from labelaudit.data.labels import Labels
from labelaudit.data.table import dataset_of
from labelaudit.data.table_files import with_unique_names
from labelaudit.errors import InputError

INDEX = "index"
INDEX_NOTE = "ids: the index"


def is_table(source: object) -> bool:
    """Whether an object is a table of pandas, Polars, Arrow or DuckDB, or another with Arrow's stream interface."""
    return isinstance(source, pd.DataFrame) or (
        hasattr(source, "__arrow_c_stream__") and type(source).__module__.split(".")[0] != "datasets"
    )


def dataset_of_table(source: Any, config: SourceConfig) -> Dataset:
    """Make a dataset of a table in memory; the index of a data frame is the id where it names rows.

    Raises:
        InputError: It cannot be read, or is no dataset.
    """
    name, roots = type(source).__name__, (config.image_root or Path(),)
    if not isinstance(source, pd.DataFrame):
        try:
            table = pa.table(source)
        # Each library has its own errors.
        except Exception as error:
            raise InputError(
                f"cannot read the {name}: {(str(error).strip() or type(error).__name__).splitlines()[0]}"
            ) from error
        return dataset_of(with_unique_names(table), name, roots, config)
    table, notes = _of_frame(source)
    if config.id_column is None and names_rows(source.index):
        index = with_unique_names(table.append_column(INDEX, [pa.array([str(value) for value in source.index])]))
        named = index.column_names[-1]
        if "id" not in [column.strip().lower() for column in table.column_names]:
            notes.append(INDEX_NOTE)
            return dataset_of(index, name, roots, config.model_copy(update={"id_column": named}), tuple(notes))
    return dataset_of(with_unique_names(table), name, roots, config, tuple(notes))


def columns_of(inputs: Any) -> Any:
    """Rows that have columns, as a table: frames, dicts, structured arrays, rows that are no numbers; None for others.

    Raises:
        InputError: Columns are of different lengths.
    """
    if isinstance(inputs, pd.DataFrame) or (is_table(inputs) and hasattr(inputs, "columns")):
        return inputs
    if isinstance(inputs, np.ndarray) and inputs.dtype.names is not None:
        return pd.DataFrame({name: inputs[name].tolist() for name in inputs.dtype.names})
    if isinstance(inputs, dict):
        try:
            return pd.DataFrame({name: pd.Series(list(values)) for name, values in inputs.items()})
        except (TypeError, ValueError) as error:
            raise InputError(f"a dict must hold columns of one length ({error})") from error
    if not isinstance(inputs, (list, tuple, np.ndarray)) or len(inputs) == 0:
        return None
    if all(isinstance(row, dict) for row in inputs):
        return table_of_records(list(inputs))[0]
    if not (isinstance(inputs, np.ndarray) or all(isinstance(row, (list, tuple)) for row in inputs)):
        return None
    cells = np.asarray(inputs) if isinstance(inputs, np.ndarray) else _cells(inputs)
    if cells.ndim != 2 or cells.shape[1] == 0 or cells.dtype.kind not in "OUS":
        return None
    return pd.DataFrame(cells.astype(object)).infer_objects()


def _cells(rows: Any) -> NDArray[Any]:
    try:
        return np.asarray(rows)  # numbers, if all are
    except (ValueError, TypeError):
        cells: NDArray[Any] = np.empty(len(rows), dtype=object)  # rows of different lengths have no columns
        return cells


def dataset_of_columns(table: Any, labels: Labels, config: SourceConfig) -> Dataset:
    """Make a dataset of a table whose labels are beside it.

    Raises:
        InputError: The table is no dataset.
    """
    names = [str(name) for name in table.columns] if isinstance(table, pd.DataFrame) else pa.table(table).column_names
    name = next(name for name in ("label", "target", "labels of the rows") if name not in names)
    if isinstance(table, pd.DataFrame):
        table = table.copy(deep=False)
        table.insert(table.shape[1], name, list(labels.names))
    else:
        table = pa.table(table).append_column(name, pa.array(labels.names, pa.string()))
    dataset = dataset_of_table(table, config.model_copy(update={"label_column": name}))
    notes = (*labels.notes, *dataset.notes)
    return replace(dataset, labels=labels.names, class_order=labels.order, notes=notes, source="arrays")


def names_rows(index: pd.Index[Any]) -> bool:
    """Whether an index says more than the number of a row."""
    missing = index.to_frame().isna().to_numpy()
    if isinstance(index, pd.RangeIndex) or len(set(map(str, index))) < len(index) or missing.any():
        return False
    return not (pd.api.types.is_integer_dtype(index.dtype) and (index == np.arange(len(index))).all())


def _of_frame(frame: pd.DataFrame) -> tuple[pa.Table, list[str]]:
    """The columns; what Arrow has no type for becomes text, numbers or bytes, or is left out."""
    names, arrays, mixed, left_out = [], [], [], []
    for place, name in enumerate(frame.columns):
        column = frame.iloc[:, place]
        try:
            array, is_mixed = _array(column)
        except (pa.ArrowException, ValueError, TypeError, OverflowError, NotImplementedError):
            left_out.append(f"{str(name)!r} ({column.dtype})")
            continue
        names.append("_".join(str(part) for part in name if part != "") if isinstance(name, tuple) else str(name))
        arrays.append(array)
        mixed += [repr(names[-1])] if is_mixed else []
    notes = [f"columns that mix kinds of values are read as text: {some_names(mixed, text=str)}"] if mixed else []
    notes += [f"left out {some_names(left_out, text=str)}"] if left_out else []
    return pa.Table.from_arrays(arrays, names=names), notes


def _array(column: pd.Series[Any]) -> tuple[pa.Array, bool]:
    if isinstance(column.dtype, pd.SparseDtype):
        column = pd.Series(np.asarray(column))
    if pd.api.types.is_complex_dtype(column.dtype):
        raise ValueError("complex numbers")
    if column.dtype != object:
        try:
            array = pa.array(column, from_pandas=True)
        except (pa.ArrowException, TypeError):  # such as categories of no Arrow type
            return pa.array([None if value is None else str(value) for value in column.astype(object)]), False
        if pa.types.is_dictionary(array.type) and isinstance(array.type.value_type, pa.BaseExtensionType):  # pd.cut
            column = column.cat.rename_categories([str(category) for category in column.cat.categories])
            array = pa.array(column, from_pandas=True)
        if isinstance(array.type, pa.BaseExtensionType):  # periods, intervals
            return pa.array(column.astype(str).where(column.notna(), None).tolist(), pa.string()), False
        if pa.types.is_dictionary(array.type):  # the order of the categories is that of their codes
            array = pa.DictionaryArray.from_arrays(array.indices, array.dictionary, ordered=True)
        return array, False
    return array_of([_cell(value) for value in column])


def _cell(value: Any) -> Any:
    """A cell as a Python value: lists for arrays and tensors, PNG bytes for pictures, None for what is missing."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().tolist()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Image.Image):
        return png(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, complex):
        raise ValueError("complex numbers")
    if value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return None
    return value


def png(image: Any) -> bytes:
    """An image, or its pixels (H, W) or (H, W, C) in uint8, as a PNG file.

    Raises:
        OSError: Its pixels are of a kind that PNG has not.
    """
    file = io.BytesIO()
    try:
        picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
        if picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"):
            picture = picture.convert("RGB")
        picture.save(file, "PNG", compress_level=1)
    except (TypeError, ValueError) as error:
        raise OSError(f"it is no image ({error})") from error
    return file.getvalue()
