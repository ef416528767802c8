"""What lies beside a corrected copy; apart from the rest, for commands that only look for it."""

from __future__ import annotations

from pathlib import Path


def changes_of(copy: Path, *, folder: bool) -> Path:
    """The list of the changes beside a corrected copy: NAME.changes.csv.

    Args:
        copy: The copy, which need not exist.
        folder: Whether it is a folder, of whose name nothing is an ending.
    """
    return copy.parent / f"{copy.name if folder else copy.stem}.changes.csv"


def decisions_of(copy: Path, *, folder: bool) -> Path:
    """The decisions beside a corrected copy, for later audits: NAME.decisions.csv; arguments as for `changes_of`."""
    return copy.parent / f"{copy.name if folder else copy.stem}.decisions.csv"
