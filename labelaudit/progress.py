"""How the core reports progress without knowing who shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
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


@runtime_checkable
class ShowsTimeLeft(Progress, Protocol):
    """A progress that also shows how long all stages to come take."""

    def time_left(self, seconds: float) -> None:
        """Take so many seconds from now on, as far as is known by now."""


class NullProgress:
    """Shows nothing."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Begin a stage nobody watches."""
        return nullcontext(ignore)

    def note(self, text: str) -> None:
        """Tell nobody."""


class Stopwatch:
    """A progress that adds up how long stages took, and passes notes on."""

    def __init__(self, progress: Progress) -> None:
        self.seconds = 0.0
        self.note = progress.note

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Time a stage."""
        started = time.perf_counter()
        yield lambda amount: None
        self.seconds += time.perf_counter() - started
