"""How the core reports progress without knowing who shows it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, runtime_checkable

Advance = Callable[[int], None]


def ignore(amount: int) -> None:
    """Progress nobody watches."""


@runtime_checkable
class Progress(Protocol):
    """Shows notes and stages of work; `stage(...)` gives a context whose value is called with the amount done since."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Begin a stage of `total` units of work."""

    def note(self, text: str) -> None:
        """Tell the user something worth knowing, once."""


class NullProgress:
    """Shows nothing."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Begin a stage nobody watches."""
        return nullcontext(ignore)

    def note(self, text: str) -> None:
        """Tell nobody."""
