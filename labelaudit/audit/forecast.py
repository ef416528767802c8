"""How long the rest of an audit takes: as planned, and corrected by how long it took so far."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from labelaudit.progress import Advance, Progress, ShowsTimeLeft
from labelaudit.units import format_duration

LONGER = 1.5  # times as long as was said: worth a note
LITTLE = 20.0  # seconds left of which no note is made

Kind = Literal["networks", "labels"]


@dataclass(frozen=True)
class Part:
    """Stages of an audit with one name.

    Attributes:
        name: As `Progress` is told, without "Fold 1 of 5: ".
        kind: What takes the time; parts of one kind turn out longer or shorter than planned by the same factor.
        phase: Parts of one phase alternate; the next phase's begin when all of them are done, or not needed.
        seconds: Of one of its stages, as planned.
        times: How many stages.
    """

    name: str
    kind: Kind
    phase: int
    seconds: float
    times: int = 1

    @property
    def planned(self) -> float:
        """Seconds of all its stages."""
        return self.seconds * self.times


class Forecast:
    """A progress that watches the stages it passes on, and says how long those to come take."""

    def __init__(self, progress: Progress) -> None:
        self.note = progress.note
        self._progress = progress
        self._left: list[Part] = []
        self._done = dict[Kind, tuple[float, float]]()  # planned and real seconds
        self._began = self._mark = self._said = 0.0

    @property
    def planned(self) -> bool:
        """Whether it has a plan."""
        return bool(self._began)

    def plan(self, parts: Sequence[Part]) -> None:
        """Begin with what is to come."""
        self._left = list(parts)
        self._began = self._mark = time.perf_counter()
        self._said = sum(part.planned for part in parts)
        self._show()

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Show a stage; when it is done, correct the plan."""
        title = name.rpartition(": ")[2].lower()
        part = next((part for part in self._left if part.name == title), None)
        if part is not None and (skipped := [other for other in self._left if other.phase < part.phase]):
            self._left = [other for other in self._left if other not in skipped]
            self._show()
        with self._progress.stage(name, total) as advance:
            yield advance
        if part is not None:
            self._finish(part)

    def _finish(self, part: Part) -> None:
        """One stage of a part is done, with whatever was done since the one before."""
        now = time.perf_counter()
        planned, real = self._done.get(part.kind, (0.0, 0.0))
        self._done[part.kind] = planned + part.seconds, real + now - self._mark
        self._mark = now
        place = self._left.index(part)
        self._left[place : place + 1] = [replace(part, times=part.times - 1)] * (part.times > 1)
        left = self._show()
        if now - self._began + left > LONGER * self._said and left > LITTLE:
            self._said = now - self._began + left
            self.note(f"this takes longer than it seemed to: about {format_duration(left)} are left")

    def _show(self) -> float:
        """Tell whoever shows it how many seconds are left."""
        left = sum(part.planned * self._factor(part.kind) for part in self._left)
        if isinstance(self._progress, ShowsTimeLeft):
            self._progress.time_left(left)
        return left

    def _factor(self, kind: Kind) -> float:
        """How many times as long as planned parts of a kind take."""
        planned, real = self._done.get(kind, (0.0, 0.0))
        return real / planned if planned else 1.0
