"""What an audit will take, stage by stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A part of the work: its name, seconds, and bytes of memory and disk."""

    name: str
    seconds: float
    memory: int
    disk: int = 0


@dataclass(frozen=True)
class ScanPlan:
    """What an audit will take.

    Attributes:
        source: What is audited.
        kind: What it turned out to be.
        rows: N, with those that cannot be scored.
        test_rows: Rows of the test set.
        classes: Class names.
        model: The network.
        input: What it gets of a row.
        parameters: P, those that are trained.
        tracked: P_t, those that influence goes through.
        folds: How many fine-tunes there are.
        epochs: Of each.
        batch_size: Rows in a step.
        device: Where it will run.
        data: Reading the rows, which then stay.
        work: What follows, one after the other.
    """

    source: str
    kind: str
    rows: int
    test_rows: int
    classes: tuple[str, ...]
    model: str
    input: str
    parameters: int
    tracked: int
    folds: int
    epochs: int
    batch_size: int
    device: str
    data: Stage
    work: tuple[Stage, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All of them, and all of it."""
        whole = Stage(
            "all",
            self.data.seconds + sum(stage.seconds for stage in self.work),
            self.data.memory + max(stage.memory for stage in self.work),
            self.data.disk + max(stage.disk for stage in self.work),
        )
        return (self.data, *self.work, whole)

    def to_json(self) -> dict[str, Any]:
        """Everything, for scripts; seconds and bytes."""
        own = {name: value for name, value in asdict(self).items() if name not in ("data", "work")}
        return own | {"stages": {stage.name: asdict(stage) for stage in self.stages}}
