"""What a check of an updated dataset found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from labelaudit.data.class_names import Twins
from labelaudit.report.report import Report

Change = Literal["added", "changed", "relabelled"]


@dataclass(frozen=True)
class ChangedRow:
    """A row that the baseline did not have like this.

    Attributes:
        id: The row's id in the dataset as it is now.
        row: Its number there, from 0.
        change: `added`; `changed`, the same id with other content; `relabelled`, the same content with another label.
        label: Its label now.
        old_label: The baseline's; None if it was added.
        suggested_label: What it more probably is; None if nothing is.
        score: The probability that the label is wrong; None if it could not be scored.
        influence: DIT of the row; None if it could not be scored.
        suspect: Whether the label is under suspicion and nobody has accepted it.
        accepted: Whether its id is on the list of accepted ones.
        path: The row's own file, or the table it is in; as the user would write it.
        line: The line in that table, from 1; None if the row is a file.
        problem: Why it could not be scored; None if it was.
        contradicts: The id of a copy of it that has another label; None if there is none.
        contradicts_label: That label; None if there is none.
        in_test: Whether the test set has a copy of it.
    """

    id: str
    row: int
    change: Change
    label: str | None
    old_label: str | None
    suggested_label: str | None
    score: float | None
    influence: float | None
    suspect: bool
    accepted: bool
    path: str
    line: int | None
    problem: str | None = None
    contradicts: str | None = None
    contradicts_label: str | None = None
    in_test: bool = False

    @property
    def contradiction(self) -> bool:
        """Whether it has a copy with another label, and nobody has accepted it."""
        return self.contradicts is not None and not self.accepted

    @property
    def leak(self) -> bool:
        """Whether the test set has it, too, and nobody has accepted that."""
        return self.in_test and not self.accepted


@dataclass(frozen=True)
class CheckResult:
    """The outcome of a check.

    Attributes:
        source: The dataset, as the user named it.
        baseline: The baseline, as the user named it.
        rows: How many rows the dataset has now.
        unchanged: How many of them the baseline has, too, with the same content and label.
        removed: How many of the baseline's rows are gone.
        changes: The rows that are new, or not as they were, the most suspect first.
        threshold: The score above which a label is under suspicion.
        failures: Why the check fails, one sentence each; empty if it passes.
        notes: What else the user should know.
        seconds: How long the check took.
        warnings: What speaks against relying on it, one sentence each.
        noise: How many of all labels are wrong, as the report's metadata have it; None if nothing was audited.
        class_name_twins: New class names that look like another one, which fail the check.
        report: The new rows, for the page to look through them; None if none is new.
    """

    source: str
    baseline: str
    rows: int
    unchanged: int
    removed: int
    changes: tuple[ChangedRow, ...]
    threshold: float
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float
    warnings: tuple[str, ...] = ()
    noise: dict[str, Any] | None = None
    class_name_twins: tuple[Twins, ...] = ()
    report: Report | None = field(default=None, repr=False, compare=False)

    @property
    def suspects(self) -> tuple[ChangedRow, ...]:
        """The new suspects, the most suspect first."""
        return tuple(change for change in self.changes if change.suspect)

    def count(self, change: Change) -> int:
        """How many rows changed in this way."""
        return sum(row.change == change for row in self.changes)
