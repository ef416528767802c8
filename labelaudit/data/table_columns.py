"""Columns of a table: which is the label, which the id, which holds the content, by option, by name or by type."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labelaudit.config import SourceConfig
from labelaudit.data.cells import is_encoded, is_number, is_text, is_vector, some_names
from labelaudit.data.column_names import (
    BYTES_NAMES,
    DETECTION_NAMES,
    ID_NAMES,
    LABEL_NAMES,
    PATH_NAMES,
    TEXT_NAMES,
    VECTOR_NAMES,
    first_of,
    key_of,
    listed,
    require,
    require_all,
    text_pair,
)
from labelaudit.data.id_columns import guess_id, repeated_ids
from labelaudit.data.image_files import IMAGE_SUFFIXES, looks_like_image
from labelaudit.data.unfit_features import is_id_name
from labelaudit.errors import InputError
from labelaudit.types import Kind

LOOKED_AT = 100  # cells of a column, to guess what it holds
WORDS_OF_A_TEXT = 4  # on average, from which on a column of strings is taken for text
LETTERS_OF_A_WORD = 2  # in scripts that do not put blanks between words
_LETTER_WITHOUT_BLANKS = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]"
)


@dataclass(frozen=True)
class Columns:
    """The columns a dataset is made of.

    Attributes:
        label: Of the labels; several if each is one class (one-hot).
        id: Of the ids, if there is one.
        kind: What the rows are.
        content: The column with the content; for texts the columns that make up one; for tables all with features.
        guessed: What was not given by the user, in words; empty if all was.
    """

    label: tuple[str, ...]
    id: str | None
    kind: Kind
    content: tuple[str, ...]
    guessed: str


class BareTableError(InputError):
    """A table has labels and perhaps ids, and nothing for a network to learn from."""


def choose_columns(table: pa.Table, config: SourceConfig, where: str) -> Columns:
    """Find the columns, and say what was guessed.

    Raises:
        InputError: A column the user named is not there, or one cannot be guessed.
    """
    label = _label_columns(table, config, where)
    given_id = None if config.id_column is None else require(table, config.id_column, "`id_column`", where)
    others = [name for name in table.column_names if name not in label and name != given_id]
    kind, content = _content(table, others, config, where)
    free = [name for name in others if kind == "images" or name not in content]
    id_column = given_id or guess_id(table, free)
    if id_column is None and kind == "table" and config.feature_columns is None:
        id_column = guess_id(table, others)
    guesses_ids = config.id_column is None and config.feature_columns is None
    called_ids = [name for name in others if name != id_column and (kind == "table" or name not in content)]
    no_ids = repeated_ids(table, called_ids) if guesses_ids else {}
    if kind == "table":
        content = tuple(name for name in content if name not in no_ids)
    if id_column in content and kind != "images":
        content = tuple(name for name in content if name != id_column)
    encoded = kind == "images" and is_encoded(table.field(content[0]).type)
    if kind == "images":
        id_column = (None if id_column == content[0] else id_column) if encoded else id_column or content[0]
    if not content and config.feature_columns != ():
        raise BareTableError(f"{where} has nothing beside its labels and ids: {listed(table.column_names)}")
    what = {"table": "features", "images": "encoded images" if encoded else "image paths"}.get(kind, kind)
    given = config.image_column or config.text_column or config.vector_column or config.feature_columns
    guesses = [
        f"{name}: column{'s' if len(columns) > 1 else ''} {some_names(list(columns))}"
        for name, columns, option in (
            ("labels", label, config.label_column),
            (what, content, given),
            ("ids", () if id_column is None else (id_column,), config.id_column),
        )
        if option is None and columns
    ]
    guessed = "guessed " + ", ".join(guesses) if guesses else ""
    for name, reason in no_ids.items():
        guessed += f"; {name!r} is no id, for {reason}"
    if id_column is None:
        guessed += "; ids: row numbers (`id_column` names a column to take instead)"
    return Columns(label, id_column, kind, content, guessed.removeprefix("; "))


def _label_columns(table: pa.Table, config: SourceConfig, where: str) -> tuple[str, ...]:
    names = table.column_names
    if config.label_column is not None:
        return require_all(table, config.label_column, "`label_column`", where)
    if (label := first_of(names, LABEL_NAMES)) is not None:
        return (label,)
    if (boxes := first_of(names, DETECTION_NAMES)) is not None:
        raise InputError(
            f"{where} looks like detection data (column {boxes!r}), which cannot be audited: a row needs one label"
        )
    if one_hot := _one_hot(table):
        return one_hot
    if (label := _only_one_left(table, where)) is not None:
        return (label,)
    hint = ". Its first line looks like data: does it lack a header?" if _are_data(names) else ""
    raise InputError(f"{where} has no label column I know; name one with `label_column`: {listed(names)}{hint}")


def _only_one_left(table: pa.Table, where: str) -> str | None:
    """The only column beside images or texts and ids, if its values come again and again."""
    names = table.column_names
    content = _images(table, names, where) or _texts(table, [name for name in names if key_of(name) not in ID_NAMES])
    ids = {name for name in names if is_id_name(name) or key_of(name) in (*ID_NAMES, *PATH_NAMES)}
    rest = [name for name in names if name not in content and name not in ids]
    if (
        not content
        or len(rest) != 1
        or not (is_text(table.field(rest[0]).type) or is_number(table.field(rest[0]).type))
    ):
        return None
    return rest[0] if 2 * len(table[rest[0]].unique()) <= table.num_rows else None


def _are_data(names: list[str]) -> bool:
    """Whether most of a header's names are numbers."""
    numeric = sum(name.strip().lstrip("+-").replace(".", "", 1).isdigit() for name in names)
    return numeric > len(names) / 2


def _one_hot(table: pa.Table) -> tuple[str, ...]:
    """Columns of 0 and 1 that all begin alike or are all but the texts or images, with exactly one 1 in each row."""
    binary = [name for name in table.column_names if _is_binary(table[name])]
    by_prefix: dict[str, list[str]] = {}
    for name in binary:
        prefix = key_of(name).replace(":", "_").partition("_")[0]
        if prefix in (*LABEL_NAMES, "is"):
            by_prefix.setdefault(prefix, []).append(name)
    rest = [name for name in table.column_names if name not in binary]
    groups = [*by_prefix.values()]
    if 0 < len(rest) <= 2 and not any(is_number(table.field(name).type) for name in rest):
        groups.append(binary)
    for names in groups:
        ones = np.sum([_zeros_and_ones(table[name]) for name in names], axis=0)
        if len(names) > 1 and (ones == 1).all():
            return tuple(names)
    return ()


def _is_binary(column: pa.ChunkedArray) -> bool:
    if not (is_number(column.type) or is_text(column.type)) or column.null_count:
        return False
    return set(map(_flag, column.slice(0, LOOKED_AT).to_pylist())) <= {"0", "1"} and (
        set(map(_flag, column.unique().to_pylist())) == {"0", "1"}
    )


def _flag(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value).strip().removesuffix(".0")


def _zeros_and_ones(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.array([_flag(value) == "1" for value in column.to_pylist()], dtype=np.int64)


def labels_of_one_hot(table: pa.Table, names: tuple[str, ...], where: str) -> list[str | None]:
    """The class of each row: the one of some columns that is 1, called as what the names do not have in common.

    Raises:
        InputError: A column holds something else, or a row has several.
    """
    for name in names:
        if not set(map(_flag, table[name].unique().to_pylist())) <= {"0", "1", "None", ""}:
            raise InputError(f"{where}: several label columns must hold 0 and 1, one for each class; {name!r} does not")
    flags = np.stack([_zeros_and_ones(table[name]) for name in names], axis=1)
    if (flags.sum(1) > 1).any():
        row = int(np.argmax(flags.sum(1) > 1))
        raise InputError(
            f"{where}, row {row}: several of the columns {some_names(list(names))} are 1: data with "
            "several labels a row (multi-label) cannot be audited"
        )
    common = os.path.commonprefix(list(names))  # noqa: RUF071  # these are no paths
    start = max((common.rfind(mark) for mark in "_-:. "), default=-1) + 1
    return [names[int(row.argmax())][start:] if row.any() else None for row in flags]


def _content(table: pa.Table, others: list[str], config: SourceConfig, where: str) -> tuple[Kind, tuple[str, ...]]:
    """What the rows are, and where."""
    options: tuple[tuple[Kind, str | None, str], ...] = (
        ("images", config.image_column, "`image_column`"),
        ("texts", config.text_column, "`text_column`"),
        ("vectors", config.vector_column, "`vector_column`"),
    )
    for kind, column, option in options:
        if column is not None:
            if config.kind not in (kind, None):
                raise InputError(f"{option} and `kind` {config.kind} contradict each other")
            if kind == "texts":
                return kind, require_all(table, column, option, where)
            return kind, (require(table, column, option, where),)
    if config.feature_columns is not None:
        return "table", tuple(require(table, name, "`feature_columns`", where) for name in config.feature_columns)
    no_ids = [name for name in others if key_of(name) not in ID_NAMES]
    guesses: dict[Kind, Callable[[], tuple[str, ...]]] = {
        "images": lambda: _images(table, others, where),
        "texts": lambda: _texts(table, no_ids),
        "vectors": lambda: _one(_vectors(table, others), VECTOR_NAMES),
    }
    order: tuple[Kind, ...] = ("images", "vectors", "texts")
    for kind in order if config.kind is None else (config.kind,):
        if kind != "table" and (columns := guesses[kind]()):
            return kind, columns
    if config.kind not in (None, "table"):
        raise InputError(
            f"{where} has no column that could be the {config.kind}; name it with "
            f"`{config.kind.removesuffix('s')}_column`: {listed(table.column_names)}"
        )
    return "table", tuple(name for name in others if not name.startswith("__index_level"))


def _images(table: pa.Table, names: list[str], where: str) -> tuple[str, ...]:
    encoded = [name for name in names if is_encoded(table.field(name).type)]
    seen = [name for name in encoded if _are_images(table[name])]
    named = first_of(seen or encoded, BYTES_NAMES)
    if not seen and named is None and len(encoded) < len(names):
        encoded = []  # bytes, but no images, beside other columns
    encoded = seen or encoded
    if len(encoded) > 1 and named is None:
        raise InputError(
            f"{where} has several columns that may hold images; name one with `image_column`: " + listed(encoded)
        )
    if encoded:
        return (named or encoded[0],)
    paths = [name for name in names if is_text(table.field(name).type) and _are_image_paths(table[name])]
    return _one(paths, PATH_NAMES) or tuple(paths[:1])


def _are_images(column: pa.ChunkedArray) -> bool:
    """Whether the first cells are images by their first bytes, or name files that may be."""
    if pa.types.is_struct(column.type):
        return True
    cells = [cell for cell in column.slice(0, LOOKED_AT).to_pylist() if cell]
    return any(looks_like_image(cell) for cell in cells)


def _are_image_paths(column: pa.ChunkedArray) -> bool:
    values = [value for value in column.slice(0, LOOKED_AT).to_pylist() if isinstance(value, str) and value.strip()]
    return bool(values) and all(PurePath(value.strip()).suffix.lower() in IMAGE_SUFFIXES for value in values)


def _texts(table: pa.Table, names: list[str]) -> tuple[str, ...]:
    """Two columns that belong together, one that is called text, or all that read like it."""
    strings = [name for name in names if is_text(table.field(name).type)]
    if (pair := text_pair(strings)) is not None:
        return pair
    if (named := first_of(strings, TEXT_NAMES)) is not None:
        return (named,)
    return tuple(name for name in strings if _words(table[name]) >= WORDS_OF_A_TEXT)


def _words(column: pa.ChunkedArray) -> float:
    """Words in a cell, on average, those of scripts without blanks between them included."""
    values = [value for value in column.slice(0, LOOKED_AT).to_pylist() if value and value.strip()]
    words = sum(len(value.split()) for value in values)
    letters = sum(len(_LETTER_WITHOUT_BLANKS.findall(value)) for value in values)
    return (words + letters / LETTERS_OF_A_WORD) / max(1, len(values))


def _vectors(table: pa.Table, names: list[str]) -> list[str]:
    """Columns of vectors; beside other columns only those whose first ones are of one length."""
    vectors = [name for name in names if is_vector(table.field(name).type)]
    return vectors if len(vectors) == len(names) else [name for name in vectors if _of_one_length(table[name])]


def _of_one_length(column: pa.ChunkedArray) -> bool:
    return len({len(cell) for cell in column.slice(0, LOOKED_AT).to_pylist() if cell is not None}) == 1


def _one(names: list[str], usual: tuple[str, ...]) -> tuple[str, ...]:
    """The only one, or the one with a usual name; none otherwise."""
    if len(names) == 1:
        return tuple(names)
    named = first_of(names, usual)
    return () if named is None else (named,)


def class_names(schema: pa.Schema, column: str) -> dict[object, str]:
    """Names of the integers of a Hugging Face ClassLabel column, if the file carries them."""
    try:
        described = json.loads((schema.metadata or {})[b"huggingface"])
        feature = described["info"]["features"][column]
        if isinstance(feature, list):  # a list of one label in each row
            feature = feature[0]
        return dict(enumerate(feature.get("feature", feature)["names"]))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError):
        return {}
