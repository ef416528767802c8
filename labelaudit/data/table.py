"""Tables → datasets: images by path or inside, texts, cells, or vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from labelaudit.config import SourceConfig
from labelaudit.data.cells import Feature, feature_of, is_encoded, is_list, some_names, writes_decimal_commas
from labelaudit.data.column_names import require, require_all
from labelaudit.data.content import Cells, Content, Texts, Vectors
from labelaudit.data.dataset import Dataset
from labelaudit.data.labels import Labels, name_labels
from labelaudit.data.manifest import with_image_paths
from labelaudit.data.table_columns import (
    BareTableError,
    Columns,
    choose_columns,
    class_names,
    labels_of_one_hot,
)
from labelaudit.data.table_files import read_table
from labelaudit.data.table_images import Roots, images_of
from labelaudit.data.unfit_features import unfit_features
from labelaudit.errors import InputError
from labelaudit.types import Kind, Problems
from labelaudit.units import format_count


def open_table(path: Path, config: SourceConfig) -> Dataset:
    """Open a table file; see `dataset_of`.

    Raises:
        InputError: The file cannot be read as what its name says, or is no dataset.
    """
    found, root = read_table(path, config), config.image_root or path.parent
    table, note = found.table, ""
    if config.kind in (None, "images") and root.is_dir():
        table, note = with_image_paths(table, root, str(path))
    return dataset_of(table, str(path), (root,), config, (*found.notes, note))


def dataset_of(
    table: pa.Table, source: str, roots: Roots, config: SourceConfig, notes: tuple[str, ...] = ()
) -> Dataset:
    """Make a dataset of a table; columns not named in `config` are guessed by name and type, and noted.

    Args:
        table: One row for each row of the dataset.
        source: What to call it.
        roots: The folders that image paths may lead into; they are relative to the first. None: relative to the
            working folder, and anywhere.
        config: Names of columns.
        notes: What is to be said of how the table was read.

    Raises:
        InputError: A column is missing, ambiguous or of a type that cannot hold what it should, an image path leads
            outside the image root or to no file, or ids repeat.
    """
    if table.num_rows == 0:
        raise InputError(f"{source} holds no rows")
    table, groups = _without_groups(table, config, source)
    columns = choose_columns(table, config, source)
    labels = read_labels(table, columns.label, source, config.classes)
    said = [*notes, columns.guessed, *labels.notes]
    content: Content
    if columns.kind == "images":
        content, problems = images_of(table, columns.content[0], source, roots, config.allow_missing)
    elif columns.kind == "texts":
        content, problems = _texts(table, columns.content)
    elif columns.kind == "vectors":
        content, problems = vectors_of(_matrix(table[columns.content[0]], source, columns.content[0]))
    else:
        content, problems, used, remarks = _cells(table, columns, labels, source, config)
        said += remarks
        columns = Columns(columns.label, columns.id, "table", used, columns.guessed)
    said.append(_unused(table, columns))
    ids, repeated = read_ids(table, columns, source)
    said.append(_repeated(ids, repeated, labels))
    return Dataset(
        source=source,
        kind=_kind_text(table, columns),
        ids=ids,
        labels=labels.names,
        problems=problems,
        content=content,
        notes=tuple(note for note in said if note),
        settings=_resolved(config, columns),
        class_order=labels.order,
        groups=groups,
    )


def _without_groups(table: pa.Table, config: SourceConfig, source: str) -> tuple[pa.Table, tuple[str | None, ...]]:
    """The table without its group column, and what that says of each row; nothing where there is none.

    Raises:
        InputError: There is no such column, or it is the label's.
    """
    if config.group_column is None:
        return table, ()
    name = require(table, config.group_column, "`group_column`", source)
    if config.label_column is not None and name in require_all(table, config.label_column, "`label_column`", source):
        raise InputError(f"{source}: {name!r} is the label column, and no group", option="group_column")
    values = (None if value is None else str(value).strip() for value in table[name].to_pylist())
    return table.drop_columns([name]), tuple(value or None for value in values)


def _kind_text(table: pa.Table, columns: Columns) -> str:
    if columns.kind == "images":
        return "Parquet with images" if is_encoded(table.field(columns.content[0]).type) else "manifest"
    texts: dict[Kind, str] = {"texts": "texts", "vectors": "table of vectors", "table": "table"}
    return texts[columns.kind]


def _resolved(config: SourceConfig, columns: Columns) -> SourceConfig:
    """The settings with nothing left to guess, so that a later run reads the same."""
    names: dict[str, Any] = {"kind": columns.kind, "label_column": ",".join(columns.label), "id_column": columns.id}
    if columns.kind == "table":
        names["feature_columns"] = columns.content
    else:
        names[f"{columns.kind.removesuffix('s')}_column"] = ",".join(columns.content)
    return config.model_copy(update=names)


def _unused(table: pa.Table, columns: Columns) -> str:
    """Which columns nothing is learnt from, where the rows are texts, images or vectors."""
    used = {*columns.label, columns.id, *columns.content}
    names = [name for name in table.column_names if name not in used]
    return f"not used: {some_names(names)}" if names and columns.kind != "table" and columns.guessed else ""


def read_labels(table: pa.Table, names: tuple[str, ...], source: str, classes: tuple[str, ...] | None = None) -> Labels:
    """The label column as class names; see `name_labels`.

    Raises:
        InputError: It holds what no class can be.
    """
    where = f"{source}, label column {some_names(list(names))}"
    if len(names) > 1:
        return name_labels(labels_of_one_hot(table, names, where), where, (), classes)
    column = table[names[0]]
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    struct = pa.types.is_struct(kind) and [field.name for field in kind] == ["choices"]
    if pa.types.is_temporal(kind) or (pa.types.is_nested(kind) and not (is_list(kind) or struct)):
        raise InputError(f"{where} is of type {kind}: labels must be text or whole numbers")
    known = class_names(table.schema, names[0])
    labels = name_labels(column.to_pylist(), where, [known[number] for number in range(len(known))], classes)
    if labels.order or not (pa.types.is_dictionary(column.type) and column.type.ordered):
        return labels
    categories = column.unify_dictionaries().chunk(0).dictionary.to_pylist()
    order = name_labels(categories, where).names
    return replace(labels, order=tuple(name for name in order if name is not None))


def _texts(table: pa.Table, names: tuple[str, ...]) -> tuple[Texts, Problems]:
    """One text a row; of several columns, the texts one below the other."""
    columns = [
        [None if value is None or not str(value).strip() else str(value) for value in table[name].to_pylist()]
        for name in names
    ]
    values = tuple("\n".join(text for text in row if text is not None) or None for row in zip(*columns, strict=True))
    return Texts(values), tuple("no text" if value is None else None for value in values)


def _matrix(column: pa.ChunkedArray, source: str, name: str) -> NDArray[np.float32]:
    """Vectors, shape (N, D); those of another shape than most become NaN."""
    where = f"{source}: column {name!r}"
    rows = column.to_pylist()
    try:
        vectors = [None if row is None else np.asarray(row, dtype=np.float64).ravel() for row in rows]
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{where} does not hold a list of numbers in each row") from error
    lengths = {len(vector) for vector in vectors if vector is not None}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError(f"{where}: its vectors are not all of one length ({str(sorted(lengths)[:5])[1:-1]})")
    length = lengths.pop()
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and the row unreadable
        return np.array([np.full(length, np.nan) if v is None else v for v in vectors]).astype(np.float32)


def vectors_of(values: NDArray[np.float32]) -> tuple[Vectors, Problems]:
    """Vectors, shape (N, D), and which of them hold something that is no number."""
    finite = np.asarray(np.isfinite(values).all(axis=1))
    return Vectors(values), tuple(None if whole else "its vector is missing or not all numbers" for whole in finite)


def _cells(
    table: pa.Table, columns: Columns, labels: Labels, source: str, config: SourceConfig
) -> tuple[Cells, Problems, tuple[str, ...], list[str]]:
    """The columns as numbers or categories, which of them are used, and what is said of them."""
    if config.feature_columns == ():
        return Cells(pd.DataFrame(index=range(table.num_rows))), (None,) * table.num_rows, (), []
    features: dict[str, Feature] = {}
    notes: list[str] = []
    left_out: dict[str, str] = {}
    decimal_commas = writes_decimal_commas(table[name] for name in columns.content)
    for name in columns.content:
        feature = feature_of(name, table[name], decimal_commas=decimal_commas)
        if feature is None:
            left_out[name] = str(table.field(name).type)
        else:
            features[name] = feature
    if config.feature_columns is None:
        first = {name: next(iter(feature.columns.values())) for name, feature in features.items()}
        dates = {name for name, feature in features.items() if len(feature.columns) > 1}
        left_out |= unfit_features(first, dates, labels.names, columns.label[0])
    elif left_out:
        name, kind = next(iter(left_out.items()))
        raise InputError(f"{source}: column {name!r} ({kind}) is neither numbers nor categories (`feature_columns`)")
    used = tuple(name for name in features if name not in left_out)
    reasons = some_names([f"{name!r} ({reason})" for name, reason in left_out.items()], text=str)
    if not used:
        raise BareTableError(
            f"{source} has no column to learn from; left out {reasons}; `feature_columns` takes them anyway, and "
            "`text_column` names one that holds texts"
        )
    for name in used:
        notes += features[name].notes
    if len(notes) > 5:
        notes = [*notes[:5], f"and {len(notes) - 5:,} more such columns"]
    notes += [f"left out {reasons}"] if left_out else []
    frame = _frame({name: features[name].columns for name in used})
    empty = frame.isna().all(axis=1)
    return Cells(frame), tuple("all its cells are empty" if none else None for none in empty), used, notes


def _frame(features: Mapping[str, Mapping[str, pd.Series[Any]]]) -> pd.DataFrame:
    columns: dict[str, pd.Series[Any]] = {}
    for parts in features.values():
        for name, values in parts.items():
            columns[name if name not in columns else f"{name} (part)"] = values
    return pd.DataFrame(columns)


def read_ids(table: pa.Table, columns: Columns, source: str) -> tuple[tuple[str, ...], list[list[int]]]:
    """The id column as text, or row numbers without one; and the rows of each image path that is there twice.

    Raises:
        InputError: An id is empty, or there twice and no image path.
    """
    if columns.id is None:
        return tuple(f"row-{row}" for row in range(table.num_rows)), []
    rows_of: dict[str, list[int]] = {}
    ids = []
    for row, value in enumerate(table[columns.id].to_pylist()):
        name = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
        if value is None or not name.strip():
            raise InputError(f"{source}, row {row}: the id column {columns.id!r} is empty")
        same = rows_of.setdefault(name, [])
        same.append(row)
        if len(same) > 1 and columns.id not in columns.content:
            raise InputError(
                f"{source}: rows {same[0]} and {row} have the same id {name!r} (column {columns.id!r}); ids must be "
                "unique, see `id_column`"
            )
        ids.append(name if len(same) == 1 else f"{name} (row {row})")
    if len(set(ids)) < len(ids):
        raise InputError(f"{source}: ids in column {columns.id!r} are not unique; see `id_column`")
    return tuple(ids), [rows for rows in rows_of.values() if len(rows) > 1]


def _repeated(ids: tuple[str, ...], repeated: list[list[int]], labels: Labels) -> str:
    """What to say of images that are in several rows, above all with different labels."""
    if not repeated:
        return ""
    torn = [rows for rows in repeated if len({labels.names[row] for row in rows} - {None}) > 1]
    said = format_count(len(repeated), "image is in several rows", "images are in several rows")
    if torn:
        first = torn[0]
        names = " and ".join(repr(labels.names[row]) for row in first[:3])
        said += f", {len(torn)} of them with different labels: {ids[first[0]]!r} is {names}"
    return said
