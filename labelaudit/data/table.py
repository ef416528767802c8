"""Tables: a manifest (CSV, JSON lines, Parquet) with image paths, or Parquet with the encoded images themselves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from labelaudit.config import SourceConfig
from labelaudit.data.content import EncodedImages
from labelaudit.data.dataset import Dataset
from labelaudit.errors import InputError

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq"})
LABEL_NAMES = ("label", "labels", "class", "class_name", "target", "category", "y")
PATH_NAMES = ("image", "path", "image_path", "file", "file_name", "filename", "filepath", "img", "img_path")
BYTES_NAMES = ("image", "img", "bytes", "image_bytes", "jpeg", "jpg", "png", "content")
ID_NAMES = ("id", "image_id", "uid", "path", "file_name", "filename")


def open_table(path: Path, config: SourceConfig) -> Dataset:
    """Open a table of images; columns not named in `config` are guessed by name and type, and noted.

    Raises:
        InputError: The file cannot be read as what its name says, a column is missing, ambiguous or of a type that
            cannot hold what it should, an image path leads outside the image root or to no file, or ids repeat.
    """
    table = read_table(path)
    if table.num_rows == 0:
        raise InputError(f"{path} holds no rows")
    label_column = _pick(table, config.label_column, LABEL_NAMES, "--label-column", "label", path)
    image_column = config.image_column or _guess_image_column(table, label_column, path)
    _require(table, image_column, "--image-column", path)
    id_column = config.id_column or next((name for name in ID_NAMES if name in table.column_names), None)
    if id_column == image_column and _is_encoded(table.field(image_column).type):
        id_column = None
    if id_column is not None:
        _require(table, id_column, "--id-column", path)

    labels = _labels(table, label_column, path)
    encoded = _is_encoded(table.field(image_column).type)
    if encoded:
        images = table[image_column]
        problems, read = _encoded_images(images)
    else:
        problems, read = _image_files(table, image_column, path, config)
        id_column = id_column or image_column
    guessed = [
        f"{what}: column {column!r}"
        for what, column, given in (
            ("labels", label_column, config.label_column),
            ("encoded images" if encoded else "image paths", image_column, config.image_column),
            ("ids", id_column, config.id_column),
        )
        if given is None and column is not None
    ]
    return Dataset(
        source=str(path),
        kind="Parquet with images" if encoded else "manifest",
        ids=_ids(table, id_column, path),
        labels=labels,
        problems=problems,
        content=EncodedImages(read),
        notes=("guessed " + ", ".join(guessed),) if guessed else (),
    )


def read_table(path: Path) -> pa.Table:
    """Read a CSV, TSV, JSON-lines or Parquet file; every column of a CSV is text.

    Raises:
        InputError: It cannot be read as such.
    """
    try:
        match path.suffix.lower():
            case ".csv" | ".tsv" as suffix:
                separator = "\t" if suffix == ".tsv" else ","
                frame = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
                return pa.Table.from_pandas(frame, preserve_index=False)
            case ".jsonl" | ".ndjson":
                return pa.Table.from_pylist(_json_lines(path))
            case _:
                return pq.read_table(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read {path}: {str(error).splitlines()[0]}") from error


def _json_lines(path: Path) -> list[dict[str, object]]:
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: not valid JSON ({error.msg})") from error
        if not isinstance(record, dict):
            raise InputError(f"{path}, line {number}: expected an object with an image and a label")
        records.append(record)
    return records


def _require(table: pa.Table, column: str, option: str, path: Path) -> None:
    if column not in table.column_names:
        raise InputError(f"{path} has no column {column!r} ({option}); it has: {', '.join(table.column_names)}")


def _pick(table: pa.Table, given: str | None, names: tuple[str, ...], option: str, what: str, path: Path) -> str:
    """The column the user named, or the first of the usual names that is there."""
    if given is not None:
        _require(table, given, option, path)
        return given
    for name in names:
        if name in table.column_names:
            return name
    raise InputError(f"{path} has no {what} column I know; name one with {option}: {', '.join(table.column_names)}")


def _guess_image_column(table: pa.Table, label_column: str, path: Path) -> str:
    """Encoded images if the table has some, else a path column by name."""
    encoded = [field.name for field in table.schema if _is_encoded(field.type)]
    named = [name for name in BYTES_NAMES if name in encoded]
    if len(encoded) == 1 or named:
        return (named or encoded)[0]
    if encoded:
        raise InputError(f"{path} has several columns that may hold images; name one with --image-column: "
                         + ", ".join(encoded))  # fmt: skip
    names = tuple(name for name in PATH_NAMES if name != label_column)
    return _pick(table, None, names, "--image-column", "image column (paths or encoded images)", path)


def _is_encoded(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):  # Hugging Face's image feature
        return any(field.name == "bytes" for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _labels(table: pa.Table, name: str, path: Path) -> tuple[str | None, ...]:
    """The label column as class names; blank and null cells have none."""
    column = table[name]
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    values = column.to_pylist()
    where = f"{path}, label column {name!r}"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        raise InputError(f"{where} holds lists: data with several labels a row (multi-label) cannot be audited")
    if pa.types.is_floating(kind):
        present = [value for value in values if value is not None and value == value]
        if any(value != int(value) for value in present):
            raise InputError(f"{where} holds fractions: labels must be classes, not quantities")
        values = [None if value is None or value != value else int(value) for value in values]
    elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
              or pa.types.is_boolean(kind) or pa.types.is_null(kind)):  # fmt: skip
        raise InputError(f"{where} is of type {kind}: labels must be text or whole numbers")
    names = _class_names(table.schema, name)
    labels = [None if value is None or not str(value).strip() else names.get(value, str(value)) for value in values]
    if all(label is None for label in labels):
        raise InputError(f"{where} is empty: no row has a label")
    return tuple(labels)


def _class_names(schema: pa.Schema, column: str) -> dict[object, str]:
    """Names of the integers of a Hugging Face ClassLabel column, if the file carries them."""
    try:
        described = json.loads((schema.metadata or {})[b"huggingface"])
        return dict(enumerate(described["info"]["features"][column]["names"]))
    except (KeyError, TypeError, ValueError):
        return {}


def _ids(table: pa.Table, name: str | None, path: Path) -> tuple[str, ...]:
    if name is None:
        return tuple(f"row-{row}" for row in range(table.num_rows))
    first: dict[str, int] = {}
    for row, value in enumerate(table[name].to_pylist()):
        if value is None or not str(value).strip():
            raise InputError(f"{path}, row {row}: the id column {name!r} is empty")
        if str(value) in first:
            raise InputError(
                f"{path}: rows {first[str(value)]} and {row} have the same id {str(value)!r} (column {name!r}); ids "
                "must be unique, see --id-column"
            )
        first[str(value)] = row
    return tuple(first)


def _encoded_images(images: pa.ChunkedArray) -> tuple[tuple[str | None, ...], Callable[[int], bytes]]:
    if pa.types.is_struct(images.type):
        images = pa.chunked_array([chunk.field("bytes") for chunk in images.chunks])
    missing = images.is_null().to_pylist()
    problems = tuple("no image bytes" if none else None for none in missing)
    return problems, lambda row: bytes(images[row].as_py())


def _image_files(
    table: pa.Table, column: str, path: Path, config: SourceConfig
) -> tuple[tuple[str | None, ...], Callable[[int], bytes]]:
    """Find the image files of a manifest; they lie below the manifest's folder, or `config.image_root`."""
    root = Path(os.path.normpath((config.image_root or path.parent).absolute()))
    files: list[Path] = []
    missing: list[int] = []
    for row, value in enumerate(table[column].to_pylist()):
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{path}, row {row}: the image column {column!r} holds no path")
        file = Path(os.path.normpath(root / value))
        if not file.is_relative_to(root):
            raise InputError(
                f"{path}, row {row}: image path {value!r} leads outside {root}; see --image-root for another folder"
            )
        if not file.is_file():
            missing.append(row)
        files.append(file)
    if missing and not config.allow_missing:
        names = ", ".join(f"{table[column][row].as_py()!r} (row {row})" for row in missing[:3])
        more = f" and {len(missing) - 3} more" * (len(missing) > 3)
        raise InputError(
            f"{path} names {len(missing)} image files that are not below {root}: {names}{more}; correct them or "
            "--image-root, or keep such rows as unreadable with --allow-missing"
        )
    absent = set(missing)
    problems = tuple("file not found" if row in absent else None for row in range(len(files)))
    return problems, lambda row: files[row].read_bytes()
