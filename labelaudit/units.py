"""Quantities as people read them."""

from __future__ import annotations


def as_time(seconds: float) -> str:
    """A duration."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def gigabytes(size: float) -> str:
    """A number of bytes."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def counted(count: int, what: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def give_or_take(deviation: float) -> str:
    """How far off a share may be: `± 5%`."""
    return f"± {deviation:.0%}" if deviation > 0.005 else "± <1%"
