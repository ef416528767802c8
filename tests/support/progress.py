"""Progress that remembers its notes, or ends a run at a chosen moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labelaudit.progress import NullProgress


class Notes(NullProgress):
    """A progress that remembers its notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Stages(Notes):
    """A progress that remembers its stages, too: their names, totals, and how much of each was done."""

    def __init__(self) -> None:
        super().__init__()
        self.stages: list[tuple[str, int, int]] = []

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        done: list[int] = []
        yield done.append
        self.stages.append((name, total, sum(done)))


class Interrupted(Exception):  # noqa: N818  # a stand-in for Ctrl-C
    pass


class StopsAt(Notes):
    """A progress that raises in the n-th advance of a stage."""

    def __init__(self, stage: str, advances: int) -> None:
        super().__init__()
        self._stage, self._left = stage, advances

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        def advance(amount: int) -> None:
            if self._stage in name:
                self._left -= 1
                if self._left == 0:
                    raise Interrupted

        yield advance
