"""Images of a table: encoded in its cells, or as files that its cells name."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath
from typing import Any

import pyarrow as pa

from labelaudit.data.cells import is_encoded
from labelaudit.data.content import EncodedImages
from labelaudit.errors import InputError
from labelaudit.runtime.regular_files import read_regular
from labelaudit.types import Problems

LONGEST_PATH = 200  # of another machine, that is looked for

Roots = tuple[Path, ...] | None
"""Folders that image paths may lead into; None for anywhere."""


def images_of(
    table: pa.Table, name: str, source: str, roots: Roots, allow_missing: bool
) -> tuple[EncodedImages, Problems]:
    """The images of a column, and why a row has none.

    Args:
        table: The rows.
        name: The column: bytes, structs of `bytes` and `path`, or paths.
        source: What to call the table.
        roots: The folders that paths may lead into; they are relative to the first. None: relative to the working
            folder, and anywhere.
        allow_missing: Whether files may be missing.

    Raises:
        InputError: A path is empty or leads outside, or files are missing and may not be.
    """
    encoded = is_encoded(table.field(name).type)
    paths = _paths_beside_bytes(table[name]) if encoded else table[name].to_pylist()
    inside = None if roots is None else tuple(root.resolve() for root in roots)
    files = [
        None if path is None and encoded else _inside(path, row, name, source, roots) for row, path in enumerate(paths)
    ]
    if not encoded:
        root = Path() if roots is None else roots[0]
        problems = _missing_files(files, paths, source, root, allow_missing)
        return EncodedImages(lambda row: read_regular(_file(files, row), inside)), problems
    images = table[name]
    if pa.types.is_struct(images.type):
        images = pa.chunked_array([chunk.field("bytes") for chunk in images.chunks], images.type.field("bytes").type)
    problems = tuple(
        "no image bytes" if not there and file is None else None
        for there, file in zip(images.is_valid().to_pylist(), files, strict=True)
    )

    def read(row: int) -> bytes:
        content = images[row]
        return bytes(content.as_py()) if content.is_valid else read_regular(_file(files, row), inside)

    return EncodedImages(read), problems


def _paths_beside_bytes(images: pa.ChunkedArray) -> list[str | None]:
    """Where Hugging Face's image feature has the image, of rows that hold no bytes."""
    kind = images.type
    if not pa.types.is_struct(kind) or not any(field.name == "path" for field in kind):
        return [None] * len(images)
    return [
        None if there or not path else str(path)
        for chunk in images.chunks
        for there, path in zip(
            chunk.field("bytes").is_valid().to_pylist(), chunk.field("path").to_pylist(), strict=True
        )
    ]


def _inside(path: object, row: int, column: str, source: str, roots: Roots) -> Path:
    """The file a row names; links on the way to it are looked at when it is read."""
    if not isinstance(path, str) or not path.strip():
        raise InputError(f"{source}, row {row}: the image column {column!r} holds no path")
    if roots is None:
        return Path(path)
    if "\\" in path and "/" not in path:  # as Windows writes it
        path = path.replace("\\", "/")
    absolute = [Path(os.path.normpath(root.absolute())) for root in roots]
    file = Path(os.path.normpath(absolute[0] / path))
    if not any(file.is_relative_to(root) for root in absolute):
        raise InputError(
            f"{source}, row {row}: image path {path!r} leads outside {absolute[0]}; see `image_root` for another folder"
            + _where_it_would_be(path, roots[0])
        )
    return file


def _where_it_would_be(path: str, root: Path) -> str:
    """What to say of a path of another machine, whose end is that of a file in a folder; nothing of others."""
    parts = PureWindowsPath(path).parts  # knows both kinds of slashes
    if ".." in parts or len(path) > LONGEST_PATH or "\0" in path:
        return ""
    for number in range(1, len(parts)):
        if (root / Path(*parts[number:])).is_file():
            start = path[: len(path) - len("/".join(parts[number:]))]
            return f". There is {root / Path(*parts[number:])}: take {start!r} off the paths"
    return ""


def _file(files: list[Path | None], row: int) -> Path:
    file = files[row]
    if file is None:
        raise OSError("no image bytes")
    return file


def _missing_files(
    files: list[Path | None], paths: list[Any], source: str, root: Path, allow_missing: bool
) -> Problems:
    """Which image files of a manifest are not there."""
    absent = {row for row, file in enumerate(files) if file is not None and not file.is_file()}
    if absent and not allow_missing:
        names = ", ".join(f"{paths[row]!r} (row {row})" for row in sorted(absent)[:3])
        more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
        raise InputError(
            f"{source} names {len(absent)} image files that are not below {root}: {names}{more}; correct them or "
            "`image_root`, keep such rows as unreadable with `allow_missing`, or name the columns to learn from "
            "instead with `feature_columns`" + _where_it_would_be(str(paths[min(absent)]), root)
        )
    return tuple("file not found" if row in absent else None for row in range(len(files)))
