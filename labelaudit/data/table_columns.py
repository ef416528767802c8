"""Columns of a table: which is the label, which the id, which holds the content, by option, by name or by type."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePath

import pyarrow as pa

from labelaudit.config import Kind, SourceConfig
from labelaudit.data.folder import IMAGE_SUFFIXES
from labelaudit.errors import InputError

LABEL_NAMES = ("label", "labels", "class", "class_name", "target", "target_name", "category", "y")
PATH_NAMES = ("image", "path", "image_path", "file", "file_name", "filename", "filepath", "img", "img_path")
BYTES_NAMES = ("image", "img", "bytes", "image_bytes", "jpeg", "jpg", "png", "content")
TEXT_NAMES = ("text", "texts", "sentence", "content", "document", "review", "body", "comment", "question", "message")
VECTOR_NAMES = ("embedding", "embeddings", "vector", "features", "emb")
ID_NAMES = ("id", "image_id", "uid", "path", "file_name", "filename")
DETECTION_NAMES = ("objects", "bbox", "bboxes", "boxes", "annotations")
LOOKED_AT = 100  # cells of a column, to guess what it holds
WORDS_OF_A_TEXT = 4  # on average, from which on a column of strings is taken for text


@dataclass(frozen=True)
class Columns:
    """The columns a dataset is made of.

    Attributes:
        label: Of the labels.
        id: Of the ids, if there is one.
        kind: What the rows are.
        content: The one column with the content; for tables all with features.
        guessed: What was not given by the user, in words; empty if all was.
    """

    label: str
    id: str | None
    kind: Kind
    content: tuple[str, ...]
    guessed: str


def choose_columns(table: pa.Table, config: SourceConfig, where: str) -> Columns:
    """Find the columns, and say what was guessed.

    Raises:
        InputError: A column the user named is not there, or one cannot be guessed.
    """
    label = _label_column(table, config, where)
    kind, content = _content(table, label, config, where)
    id_column = config.id_column or next((name for name in ID_NAMES if name in table.column_names), None)
    if id_column is not None:
        _require(table, id_column, "--id-column", where)
    if id_column in content and kind != "images":
        content = tuple(name for name in content if name != id_column)
    if kind == "images":
        if is_encoded(table.field(content[0]).type):
            id_column = None if id_column == content[0] else id_column
        else:
            id_column = id_column or content[0]
    if not content:
        raise InputError(f"{where} has nothing beside its labels and ids: {', '.join(table.column_names)}")
    encoded = kind == "images" and is_encoded(table.field(content[0]).type)
    what = {"table": "features", "images": "encoded images" if encoded else "image paths"}.get(kind, kind)
    given = config.image_column or config.text_column or config.vector_column or config.feature_columns
    guesses = [
        f"{name}: column{'s' * (', ' in column)} {column}"
        for name, column, option in (
            ("labels", repr(label), config.label_column),
            (what, ", ".join(map(repr, content)), given),
            ("ids", None if id_column is None else repr(id_column), config.id_column),
        )
        if option is None and column is not None
    ]
    return Columns(label, id_column, kind, content, "guessed " + ", ".join(guesses) if guesses else "")


def _label_column(table: pa.Table, config: SourceConfig, where: str) -> str:
    if config.label_column is None and not set(LABEL_NAMES) & set(table.column_names):
        boxes = [name for name in DETECTION_NAMES if name in table.column_names]
        if boxes:
            raise InputError(f"{where} looks like detection data (column {boxes[0]!r}), which cannot be audited: a row "
                             "needs one label")  # fmt: skip
    return _pick(table, config.label_column, LABEL_NAMES, "--label-column", "label", where)


def _content(table: pa.Table, label: str, config: SourceConfig, where: str) -> tuple[Kind, tuple[str, ...]]:
    """What the rows are, and where."""
    options: tuple[tuple[Kind, str | None, str], ...] = (
        ("images", config.image_column, "--image-column"),
        ("texts", config.text_column, "--text-column"),
        ("vectors", config.vector_column, "--vector-column"),
    )
    for kind, column, option in options:
        if column is not None:
            if config.kind not in (kind, None):
                raise InputError(f"{option} and --kind {config.kind} contradict each other")
            _require(table, column, option, where)
            return kind, (column,)
    if config.feature_columns is not None:
        for column in config.feature_columns:
            _require(table, column, "--feature-columns", where)
        return "table", config.feature_columns
    others = [name for name in table.column_names if name != label]
    guesses = {
        "images": lambda: _images(table, others, where),
        "texts": lambda: _texts(table, [name for name in others if name not in (config.id_column, *ID_NAMES)]),
        "vectors": lambda: _one([n for n in others if is_vector(table.field(n).type)], VECTOR_NAMES),
    }
    order: tuple[Kind, ...] = ("images", "vectors", "texts")
    for kind in order if config.kind is None else (config.kind,):
        if kind != "table" and (column := guesses[kind]()) is not None:
            return kind, (column,)
    if config.kind not in (None, "table"):
        raise InputError(f"{where} has no column that could be the {config.kind}; name it with "
                         f"--{config.kind.removesuffix('s')}-column: {', '.join(table.column_names)}")  # fmt: skip
    return "table", tuple(name for name in others if name != config.id_column and not name.startswith("__index_level"))


def _images(table: pa.Table, names: list[str], where: str) -> str | None:
    encoded = [name for name in names if is_encoded(table.field(name).type)]
    named = [name for name in BYTES_NAMES if name in encoded]
    if len(encoded) > 1 and not named:
        raise InputError(f"{where} has several columns that may hold images; name one with --image-column: "
                         + ", ".join(encoded))  # fmt: skip
    if encoded:
        return (named or encoded)[0]
    paths = [name for name in names if _is_text(table.field(name).type) and _are_image_paths(table[name])]
    return _one(paths, PATH_NAMES) or next(iter(paths), None)


def _are_image_paths(column: pa.ChunkedArray) -> bool:
    values = [value for value in column.slice(0, LOOKED_AT).to_pylist() if isinstance(value, str) and value.strip()]
    return bool(values) and all(PurePath(value).suffix.lower() in IMAGE_SUFFIXES for value in values)


def _texts(table: pa.Table, names: list[str]) -> str | None:
    """A column that is called text, or the only one that reads like it."""
    strings = [name for name in names if _is_text(table.field(name).type)]
    named = next((name for name in TEXT_NAMES if name in strings), None)
    long = [name for name in strings if _words(table[name]) >= WORDS_OF_A_TEXT]
    return named or (long[0] if len(long) == 1 else None)


def _words(column: pa.ChunkedArray) -> float:
    values = [value for value in column.slice(0, LOOKED_AT).to_pylist() if value and value.strip()]
    return sum(len(value.split()) for value in values) / max(1, len(values))


def _one(names: list[str], usual: tuple[str, ...]) -> str | None:
    """The only one, or the one with a usual name."""
    return names[0] if len(names) == 1 else next((name for name in usual if name in names), None)


def is_encoded(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold encoded images: bytes, or Hugging Face's image feature."""
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def is_vector(kind: pa.DataType) -> bool:
    """Whether a column of this type holds a list of numbers in each row."""
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(lists and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _require(table: pa.Table, column: str, option: str, where: str) -> None:
    if column not in table.column_names:
        raise InputError(f"{where} has no column {column!r} ({option}); it has: {', '.join(table.column_names)}")


def _pick(table: pa.Table, given: str | None, names: tuple[str, ...], option: str, what: str, where: str) -> str:
    """The column the user named, or the first of the usual names that is there."""
    if given is not None:
        _require(table, given, option, where)
        return given
    for name in names:
        if name in table.column_names:
            return name
    raise InputError(f"{where} has no {what} column I know; name one with {option}: {', '.join(table.column_names)}")


def read_labels(table: pa.Table, name: str, source: str) -> tuple[str | None, ...]:
    """The label column as class names; blank and null cells have none."""
    column = table[name]
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    values = column.to_pylist()
    where = f"{source}, label column {name!r}"
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
    names = class_names(table.schema, name)
    labels = [None if value is None or not str(value).strip() else names.get(value, str(value)) for value in values]
    if all(label is None for label in labels):
        raise InputError(f"{where} is empty: no row has a label")
    return tuple(labels)


def class_names(schema: pa.Schema, column: str) -> dict[object, str]:
    """Names of the integers of a Hugging Face ClassLabel column, if the file carries them."""
    try:
        described = json.loads((schema.metadata or {})[b"huggingface"])
        return dict(enumerate(described["info"]["features"][column]["names"]))
    except (KeyError, TypeError, ValueError):
        return {}


def read_ids(table: pa.Table, name: str | None, source: str) -> tuple[str, ...]:
    """The id column as text, or row numbers without one."""
    if name is None:
        return tuple(f"row-{row}" for row in range(table.num_rows))
    first: dict[str, int] = {}
    for row, value in enumerate(table[name].to_pylist()):
        if value is None or not str(value).strip():
            raise InputError(f"{source}, row {row}: the id column {name!r} is empty")
        if str(value) in first:
            raise InputError(
                f"{source}: rows {first[str(value)]} and {row} have the same id {str(value)!r} (column {name!r}); ids "
                "must be unique, see --id-column"
            )
        first[str(value)] = row
    return tuple(first)
