"""What columns are usually called, and how a name is found however it is capitalised."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pyarrow as pa

from labelaudit.errors import InputError

LABEL_NAMES = (
    "label",
    "labels",
    "class",
    "class_name",
    "target",
    "target_name",
    "category",
    "y",
    "label_name",
    "class_label",
)
PATH_NAMES = ("image", "path", "image_path", "file", "file_name", "filename", "filepath", "img", "img_path")
BYTES_NAMES = ("image", "img", "bytes", "image_bytes", "jpeg", "jpg", "png", "content")
TEXT_NAMES = ("text", "texts", "sentence", "content", "document", "review", "body", "comment", "question", "message")
VECTOR_NAMES = ("embedding", "embeddings", "vector", "features", "emb")
ID_NAMES = ("id", "image_id", "uid", "path", "file_name", "filename")
DETECTION_NAMES = ("objects", "bbox", "bboxes", "boxes", "annotations")
TEXT_PAIRS = (
    ("premise", ("hypothesis",)),
    ("question", ("answer", "passage", "context", "sentence", "paragraph", "response")),
    ("query", ("passage", "document", "answer", "response", "text")),
    ("context", ("response", "answer")),
    ("prompt", ("response", "completion", "answer")),
    ("title", ("body", "text", "content", "abstract", "description", "review", "selftext", "article", "summary")),
    ("subject", ("body", "text", "message", "content")),
    ("headline", ("body", "text", "content", "article", "description", "short_description")),
    ("claim", ("evidence",)),
)
_PAIRED = re.compile(r"(.*?)[ _-]?(1|a|left)")  # sentence1, text_a, left of sentence2, text_b, right
_SECOND = {"1": "2", "a": "b", "left": "right"}
_PAIRED_STEMS = (*TEXT_NAMES, "sent", "phrase", "utterance", "title", "description", "passage", "question")


def key_of(name: str) -> str:
    """A name without blanks around it, in small letters, with _ for blanks and hyphens inside."""
    return re.sub(r"[\s-]+", "_", name.strip()).casefold()


def find(names: Iterable[str], wanted: str) -> str | None:
    """The column of that name: exactly, else the only one but for capitals and blanks."""
    names = list(names)
    if wanted in names:
        return wanted
    alike = [name for name in names if key_of(name) == key_of(wanted)]
    return alike[0] if len(alike) == 1 else None


def first_of(names: Sequence[str], usual: Sequence[str]) -> str | None:
    """The first of the usual names that is there, however it is capitalised."""
    return next(iter(all_of(names, usual)), None)


def all_of(names: Sequence[str], usual: Sequence[str]) -> list[str]:
    """The names that are among the usual ones, however they are capitalised, in the order of these."""
    return sorted((name for name in names if key_of(name) in usual), key=lambda name: usual.index(key_of(name)))


def require(table: pa.Table, column: str, option: str, where: str) -> str:
    """The table's own name of a column the user named.

    Raises:
        InputError: There is none.
    """
    found = find(table.column_names, column)
    if found is None:
        raise InputError(f"{where} has no column {column!r} ({option}); it has: {listed(table.column_names)}")
    return found


def require_all(table: pa.Table, columns: str, option: str, where: str) -> tuple[str, ...]:
    """The table's own names of a column the user named, or of several, as A,B.

    Raises:
        InputError: One is not there.
    """
    if find(table.column_names, columns) is None and "," in columns:
        return tuple(require(table, column, option, where) for column in columns.split(","))
    return (require(table, columns, option, where),)


def listed(names: Sequence[str], shown: int = 20) -> str:
    """Names in one line, and how many more there are."""
    return ", ".join(" ".join(name.split()) for name in names[:shown]) + (
        f" and {len(names) - shown:,} more" if len(names) > shown else ""
    )


def text_pair(names: Sequence[str]) -> tuple[str, str] | None:
    """Two columns of text that belong together by their names: premise and hypothesis, sentence1 and sentence2."""
    by_key = {key_of(name): name for name in reversed(names)}
    for first, seconds in TEXT_PAIRS:
        second = next((name for name in seconds if name in by_key), None)
        if first in by_key and second is not None:
            return by_key[first], by_key[second]
    for name in by_key:
        if (match := _PAIRED.fullmatch(name)) and match[1] in _PAIRED_STEMS:
            second = name.removesuffix(match[2]) + _SECOND[match[2]]
            if second in by_key:
                return by_key[name], by_key[second]
    return None
