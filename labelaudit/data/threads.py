"""One function for many rows, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

PART = 32  # rows a thread takes at a time, at most: each task that waits takes a kilobyte or two

Result = TypeVar("Result")


def for_each_row(function: Callable[[int], Result], rows: int, progress: Callable[[int], None]) -> tuple[Result, ...]:
    """What the function gives for each of the rows 0 … `rows` − 1; `progress` is called with 1 after each."""
    threads = os.cpu_count() or 1
    size = max(1, min(PART, rows // (4 * threads)))
    parts = (range(start, min(start + size, rows)) for start in range(0, rows, size))
    results: list[Result] = []
    with ThreadPoolExecutor(threads) as pool:
        for part in pool.map(lambda part: [function(row) for row in part], parts):
            for result in part:
                results.append(result)
                progress(1)
    return tuple(results)
