"""The hash each row's content is known by."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from labelaudit.data.content import Cells, Content, EncodedImages, Texts
from labelaudit.data.dataset import Dataset, content_hash


def hash_rows(dataset: Dataset, progress: Callable[[int], None]) -> tuple[str | None, ...]:
    """SHA-256 of each row's content; None where there is none or it cannot be read.

    Args:
        dataset: The rows.
        progress: Called with 1 after each.
    """

    def hash_row(row: int) -> str | None:
        if dataset.problems[row] is not None:
            return None
        try:
            return content_hash(content_bytes(dataset.content, row))
        except OSError:
            return None

    hashes = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for digest in pool.map(hash_row, range(len(dataset)), chunksize=64):
            hashes.append(digest)
            progress(1)
    return tuple(hashes)


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
        values = content.frame.iloc[row]
        return json.dumps({str(name): _cell_text(value) for name, value in values.items()}, sort_keys=True).encode()
    numbers: bytes = content.values[row].tobytes()
    return numbers


def _cell_text(value: Any) -> str | None:
    """The same text for the same cell, whatever type the rest of its column gave it: 5, 5.0 and "5" are alike."""
    if pd.isna(value):
        return None
    if isinstance(value, str):
        return value.removesuffix(".0") if value.removesuffix(".0").isdecimal() else value
    return str(value) if isinstance(value, (bool, np.bool_)) else repr(float(value)).removesuffix(".0")
