"""Tables → datasets: images by path or inside, texts, cells, or vectors."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from labelaudit.config import Kind, SourceConfig
from labelaudit.data.content import Cells, Content, EncodedImages, Texts, Vectors
from labelaudit.data.dataset import Dataset
from labelaudit.data.table_columns import Columns, choose_columns, is_encoded, read_ids, read_labels
from labelaudit.data.table_files import read_table
from labelaudit.errors import InputError

MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})
"""What stands for an empty cell in tables of text."""

Problems = tuple[str | None, ...]


def open_table(path: Path, config: SourceConfig) -> Dataset:
    """Open a table file; see `dataset_of`.

    Raises:
        InputError: The file cannot be read as what its name says, or is no dataset.
    """
    return dataset_of(read_table(path), str(path), path.parent, config)


def dataset_of(table: pa.Table, source: str, folder: Path, config: SourceConfig) -> Dataset:
    """Make a dataset of a table; columns not named in `config` are guessed by name and type, and noted.

    Args:
        table: One row for each row of the dataset.
        source: What to call it.
        folder: What image paths are relative to, unless `config` says otherwise.
        config: Names of columns.

    Raises:
        InputError: A column is missing, ambiguous or of a type that cannot hold what it should, an image path leads
            outside the image root or to no file, or ids repeat.
    """
    if table.num_rows == 0:
        raise InputError(f"{source} holds no rows")
    columns = choose_columns(table, config, source)
    labels = read_labels(table, columns.label, source)
    notes = [columns.guessed] if columns.guessed else []
    content: Content
    if columns.kind == "images":
        content, problems = _images(table, columns.content[0], source, folder, config)
    elif columns.kind == "texts":
        content, problems = _texts(table[columns.content[0]])
    elif columns.kind == "vectors":
        content, problems = vectors_of(_matrix(table[columns.content[0]], source, columns.content[0]))
    else:
        content, problems, left_out = _cells(table, columns.content, source)
        notes += [f"left out {left_out}"] * bool(left_out)
        columns = Columns(columns.label, columns.id, "table", tuple(content.frame.columns), columns.guessed)
    return Dataset(
        source=source,
        kind=_kind_text(table, columns),
        ids=read_ids(table, columns.id, source),
        labels=labels,
        problems=problems,
        content=content,
        notes=tuple(notes),
        settings=_resolved(config, columns),
    )


def _kind_text(table: pa.Table, columns: Columns) -> str:
    if columns.kind == "images":
        return "Parquet with images" if is_encoded(table.field(columns.content[0]).type) else "manifest"
    texts: dict[Kind, str] = {"texts": "texts", "vectors": "table of vectors", "table": "table"}
    return texts[columns.kind]


def _resolved(config: SourceConfig, columns: Columns) -> SourceConfig:
    """The settings with nothing left to guess, so that a later run reads the same."""
    names: dict[str, Any] = {"kind": columns.kind, "label_column": columns.label, "id_column": columns.id}
    if columns.kind == "table":
        names["feature_columns"] = columns.content
    else:
        names[f"{columns.kind.removesuffix('s')}_column"] = columns.content[0]
    return config.model_copy(update=names)


def _texts(column: pa.ChunkedArray) -> tuple[Texts, Problems]:
    values = tuple(None if value is None or not str(value).strip() else str(value) for value in column.to_pylist())
    return Texts(values), tuple("no text" if value is None else None for value in values)


def _matrix(column: pa.ChunkedArray, source: str, name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    rows = column.to_pylist()
    lengths = {len(row) for row in rows if row is not None}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError(f"{source}: the vectors in column {name!r} are not all of one length ({sorted(lengths)[:5]})")
    length = lengths.pop()
    return np.array([[np.nan] * length if row is None else row for row in rows], dtype=np.float32)


def vectors_of(values: np.ndarray[Any, np.dtype[np.float32]]) -> tuple[Vectors, Problems]:
    """Vectors, shape (N, D), and which of them hold something that is no number."""
    finite = np.isfinite(values).all(1)
    return Vectors(values), tuple(None if whole else "its vector is missing or not all numbers" for whole in finite)


def _cells(table: pa.Table, names: tuple[str, ...], source: str) -> tuple[Cells, Problems, str]:
    """The columns as numbers or categories; those that are neither are left out."""
    columns: dict[str, pd.Series[Any]] = {}
    left_out: list[str] = []
    for name in names:
        series = _numbers_or_text(table[name])
        if series is None:
            left_out.append(f"{name!r} ({table.field(name).type})")
        elif series.dtype == object and len(series) > 20 and series.nunique() > len(series) / 2:
            left_out.append(f"{name!r} (nearly every row has its own)")
        else:
            columns[name] = series
    if not columns:
        raise InputError(f"{source} has no column of numbers or categories; left out {', '.join(left_out)}")
    frame = pd.DataFrame(columns)
    empty = frame.isna().all(axis=1)
    return Cells(frame), tuple("all its cells are empty" if none else None for none in empty), ", ".join(left_out)


def _numbers_or_text(column: pa.ChunkedArray) -> pd.Series[Any] | None:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    ):
        return pd.Series(pd.to_numeric(pd.Series(column.to_pylist(), dtype=object)), dtype=np.float64)
    if pa.types.is_temporal(kind):
        days = pd.to_datetime(pd.Series(column.cast(pa.timestamp("ns")).to_pylist())).astype("int64") / 86_400e9
        return days.where(pd.Series(column.is_valid().to_pylist()))
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        return None
    texts = [None if value is None or value.strip().lower() in MISSING else value for value in column.to_pylist()]
    series = pd.Series(texts, dtype=object)
    try:
        return pd.to_numeric(series).astype(np.float64)
    except (ValueError, TypeError):
        return series


def _images(
    table: pa.Table, name: str, source: str, folder: Path, config: SourceConfig
) -> tuple[EncodedImages, Problems]:
    problems, read = (
        _encoded_images(table[name], folder)
        if is_encoded(table.field(name).type)
        else _image_files(table, name, source, config.image_root or folder, config.allow_missing)
    )
    return EncodedImages(read), problems


def _encoded_images(images: pa.ChunkedArray, folder: Path) -> tuple[Problems, Callable[[int], bytes]]:
    paths: list[str | None] = [None] * len(images)
    if pa.types.is_struct(images.type):
        if any(field.name == "path" for field in images.type):
            paths = [path for chunk in images.chunks for path in chunk.field("path").to_pylist()]
        images = pa.chunked_array([chunk.field("bytes") for chunk in images.chunks])
    missing = images.is_null().to_pylist()
    problems = tuple(
        "no image bytes" if none and path is None else None for none, path in zip(missing, paths, strict=True)
    )

    def read(row: int) -> bytes:
        path = paths[row]
        return (folder / path).read_bytes() if missing[row] and path is not None else bytes(images[row].as_py())

    return problems, read


def _image_files(
    table: pa.Table, column: str, source: str, folder: Path, allow_missing: bool
) -> tuple[Problems, Callable[[int], bytes]]:
    """Find the image files of a manifest; they lie below the manifest's folder, or `config.image_root`."""
    root = Path(os.path.normpath(folder.absolute()))
    files: list[Path] = []
    missing: list[int] = []
    for row, value in enumerate(table[column].to_pylist()):
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{source}, row {row}: the image column {column!r} holds no path")
        file = Path(os.path.normpath(root / value))
        if not file.is_relative_to(root):
            raise InputError(
                f"{source}, row {row}: image path {value!r} leads outside {root}; see --image-root for another folder"
            )
        if not file.is_file():
            missing.append(row)
        files.append(file)
    if missing and not allow_missing:
        names = ", ".join(f"{table[column][row].as_py()!r} (row {row})" for row in missing[:3])
        more = f" and {len(missing) - 3} more" * (len(missing) > 3)
        raise InputError(
            f"{source} names {len(missing)} image files that are not below {root}: {names}{more}; correct them or "
            "--image-root, or keep such rows as unreadable with --allow-missing"
        )
    absent = set(missing)
    problems = tuple("file not found" if row in absent else None for row in range(len(files)))
    return problems, lambda row: files[row].read_bytes()
