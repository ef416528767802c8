"""The hash each row's content is known by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from labelaudit.data.content import Cells, Content, EncodedImages, Texts
from labelaudit.data.dataset import Dataset, content_hash
from labelaudit.data.threads import for_each_row


def hash_rows(dataset: Dataset, progress: Callable[[int], None]) -> tuple[str | None, ...]:
    """SHA-256 of each row's content; None where there is none or it cannot be read.

    Args:
        dataset: The rows.
        progress: Called with 1 after each.
    """
    content = dataset.content

    def hash_row(row: int) -> str | None:
        if dataset.problems[row] is not None:
            return None
        try:
            return content_hash(content_bytes(content, row))
        except OSError:
            return None

    def collect(digests: Iterable[str | None]) -> tuple[str | None, ...]:
        hashes = []
        for digest in digests:
            hashes.append(digest)
            progress(1)
        return tuple(hashes)

    if isinstance(content, EncodedImages):  # files are waited for
        return for_each_row(hash_row, len(dataset), progress)
    if isinstance(content, Cells):  # taking row by row out of a frame is slow
        names = [str(name) for name in content.frame.columns]
        cells_of = content.frame.itertuples(index=False, name=None) if names else iter([()] * len(dataset))
        rows = zip(cells_of, dataset.problems, strict=True)
        return collect(content_hash(_cells_bytes(names, cells)) if problem is None else None for cells, problem in rows)
    return collect(map(hash_row, range(len(dataset))))


def content_bytes(content: Content, row: int) -> bytes:
    """A row's content as bytes: the image's file, the text, the cells as JSON, the numbers.

    Raises:
        OSError: An image cannot be read.
    """
    if isinstance(content, EncodedImages):
        return content.read(row)
    if isinstance(content, Texts):
        return (content.values[row] or "").encode("utf-8", "surrogatepass")
    if isinstance(content, Cells):
        return _cells_bytes([str(name) for name in content.frame.columns], content.frame.iloc[row])
    numbers: bytes = content.values[row].tobytes()
    return numbers


def _cells_bytes(names: list[str], cells: Iterable[Any]) -> bytes:
    named = {name: _cell_text(cell) for name, cell in zip(names, cells, strict=True)}
    return json.dumps(named, sort_keys=True).encode()


def _cell_text(value: Any) -> str | None:
    """The same text for the same cell, whatever type the rest of its column gave it: 5, 5.0 and "5" are alike."""
    if pd.isna(value):
        return None
    if isinstance(value, str):
        return value.removesuffix(".0") if value.removesuffix(".0").isdecimal() else value
    return str(value) if isinstance(value, (bool, np.bool_)) else repr(float(value)).removesuffix(".0")
