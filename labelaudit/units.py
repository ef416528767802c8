"""Quantities as people read them."""

from __future__ import annotations

from collections.abc import Sequence


def format_duration(seconds: float) -> str:
    """A duration."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def format_bytes(size: float) -> str:
    """A number of bytes."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def format_count(count: int, what: str, several: str | None = None) -> str:
    """`1 row`, `2 rows`; `several` is the plural, where that is not `what` with an s."""
    return f"{count:,} {what if count == 1 else several or what + 's'}"


def listed(names: Sequence[object], shown: int) -> str:
    """The first names, and how many there are beside: `a, b, c and 4 more`."""
    first = ", ".join(map(str, names[:shown]))
    return first if len(names) <= shown else f"{first} and {len(names) - shown:,} more"
