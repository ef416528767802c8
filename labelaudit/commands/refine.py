"""`refine`: a report and what reviewers decided → a report of the rest, without training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from labelaudit.correction.decisions import Decided, read_all_decisions
from labelaudit.detection.spot_check import wrong_at_least
from labelaudit.errors import InputError
from labelaudit.report.estimates import SHARE_FIGURES
from labelaudit.report.recalibrated import Verdict, recalibrate
from labelaudit.report.report import Report
from labelaudit.report.schema import REVIEWED
from labelaudit.report.spot_check import CHECKED, Found, Stratum, drawn_in, found_in, reviewed_in
from labelaudit.report.wording import drawn_in_words
from labelaudit.types import checked
from labelaudit.units import format_count, listed

SHOWN = 3


@dataclass(frozen=True)
class SpotCheck:
    """What the report's spot check says, once its rows are decided on.

    Attributes:
        wrong: How many of the suspects it has drawn were wrong; those left unsure count as right.
        checked: How many these are.
        unsure: How many of them were left unsure.
        suspects: How many suspects they were drawn from.
        at_least: The share of these that is wrong at least (95%, one-sided Clopper–Pearson bound).
        rows: How many rows it has drawn, from the suspects and from the others; 0 until all are decided on.
        share: The share of wrong labels in all scored rows by these (Horvitz–Thompson); None until then.
        low: Lower end of its 90% range; None until then.
        high: Upper end; None until then.
    """

    wrong: int
    checked: int
    unsure: int
    suspects: int
    at_least: float
    rows: int = 0
    share: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Refinement:
    """A refined report, and what changed.

    Attributes:
        report: The new one. Rows that were decided on are ranked last and are no suspects: nothing is left to find in
            them. Their score is 1 or 0.
        decisions: How many decisions there are of each kind.
        wrong: How many of them say that a label is wrong.
        right: How many say that it is right.
        unused: How many were not used: unsure, or about rows that were not scored.
        decided_suspects: How many rows that were decided on were suspects.
        before: What the report said: the share of wrong labels, `suspects`, `expected_precision`, `doubt`.
        after: What the new one says; its suspects are the rest.
        spot_check: See `SpotCheck`; None if neither its suspects nor all its rows are decided on.
        notes: What the user should know.
    """

    report: Report
    decisions: dict[str, int]
    wrong: int
    right: int
    unused: int
    decided_suspects: int
    before: dict[str, Any]
    after: dict[str, Any]
    spot_check: SpotCheck | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All but the report, as plain JSON values."""
        names = ("decisions", "wrong", "right", "unused", "decided_suspects", "before", "after")
        spot = None if self.spot_check is None else asdict(self.spot_check)
        return {name: getattr(self, name) for name in names} | {"spot_check": spot, "notes": list(self.notes)}


@checked
def refine(
    report: Annotated[Report | str | Path, "a report, or the path of one"],
    decisions: Annotated[str | Path | Sequence[str | Path], "the path of a CSV file, or several"],
) -> Refinement:
    """Take reviewers' decisions into account, without training.

    The share of wrong labels, the scores of the rows that are not decided on, their ranking and the suspects among them
    are estimated anew (see `labelaudit.detection.refine`).

    Args:
        report: What a scan found.
        decisions: CSV files with columns `id` and `decision` (keep: the label is right; accept, relabel, drop: it is
            wrong; unsure) and others, as report.html exports them; see `read_decisions`.

    Returns:
        The report of the rows that are left, with the figures before and after.

    Raises:
        InputError: The decisions do not go with the report, contradict labels known to be true or say nothing; or the
            report could not tell which labels are wrong, or is refined already.

    Example:
        >>> refined = refine("labelaudit-report", "decisions.csv")  # doctest: +SKIP
        >>> refined.report.suspects()  # doctest: +SKIP
    """
    report = report if isinstance(report, Report) else Report.load(report)
    if report.metadata.get("refined") is not None:
        raise InputError(
            "the report is refined already: give that of the scan, and all decisions, as `decisions` several times"
        )
    paths = [decisions] if isinstance(decisions, (str, Path)) else decisions
    decided = read_all_decisions([Path(path) for path in paths], report)
    frame = report.to_pandas()
    _check_known(frame, decided)
    reviewed = (frame["status"] == REVIEWED).to_numpy()
    used = [row for row in decided if row.says_wrong is not None and row.score is not None and not reviewed[row.row]]
    again = sum(reviewed[row.row] for row in decided)
    if not used:
        raise InputError(
            f"none of the {len(decided)} decisions says whether the label of a scored row is right, or the scan knew "
            "of it already",
            option="decisions",
        )
    strata = drawn_in(report.metadata, frame)
    said = {row.row: row.says_wrong for row in decided}
    found = found_in(strata, said, reviewed_in(frame))
    _check_reliable(report, found)
    verdicts = {row.row: Verdict(row.says_wrong is True, row.new_label) for row in used}
    wrong = sum(verdict.wrong for verdict in verdicts.values())
    new = recalibrate(report, verdicts, list_wrong=False, found=found)
    new.metadata["refined"] = {"decisions": len(used), "wrong": wrong, "before": _figures(report)}
    return Refinement(
        report=new,
        decisions=dict(Counter(row.decision for row in decided)),
        wrong=wrong,
        right=len(used) - wrong,
        unused=len(decided) - len(used),
        decided_suspects=int(frame["suspect"][[row.row for row in used]].sum()),
        before=_figures(report),
        after=_figures(new),
        spot_check=_spot_check(strata, said, found),
        notes=(f"{format_count(again, 'decision')} on rows that the scan knew to be reviewed not used again",)
        if again
        else (),
    )


def _check_reliable(report: Report, found: Found | None) -> None:
    """Refuse to recalibrate scores that say nothing."""
    doubt = report.metadata["noise"]["doubt"]
    if doubt is None:
        return
    alone = ""
    if found is not None:
        alone = f". The spot check holds all the same: {drawn_in_words(found.share, found.low, found.high)}"
    raise InputError(f"decisions on some rows say nothing of others where scores are not reliable: {doubt}{alone}")


def _check_known(frame: pd.DataFrame, decided: Sequence[Decided]) -> None:
    """Refuse decisions that contradict labels known to be true."""
    true = frame["true_label"].astype(object).where(frame["true_label"].notna(), None).to_list()
    contradicting = [
        f"{row.id!r} ({row.decision}, but its true label is {true[row.row]!r})"
        for row in decided
        if true[row.row] is not None
        and row.says_wrong is not None
        and ((row.label if row.says_wrong is False else row.new_label) != true[row.row])
    ]
    if contradicting:
        raise InputError(
            f"decisions contradict labels that the report knows to be true: {listed(contradicting, SHOWN)}; correct "
            "them, or scan without `known`",
            option="decisions",
        )


def _figures(report: Report) -> dict[str, Any]:
    """What a report says in numbers."""
    noise = report.metadata["noise"]
    names = (*SHARE_FIGURES, "expected_precision", "doubt")
    return {name: noise[name] for name in names} | {"suspects": int(np.sum(report.table["suspect"].to_numpy()))}


def _spot_check(strata: list[Stratum], said: Mapping[int, bool | None], found: Found | None) -> SpotCheck | None:
    if not strata:
        return None
    suspects, looked = strata[0], strata[0].looked(said)
    if found is None and looked.checked < max(1, min(CHECKED, len(suspects.drawn))):
        return None
    whole = looked.checked == looked.rows
    at_least = looked.wrong / max(looked.checked, 1) if whole else wrong_at_least(looked.wrong, looked.checked)
    listed = SpotCheck(looked.wrong, looked.checked, looked.unsure, looked.rows, at_least)
    if found is None:
        return listed
    return replace(listed, rows=found.checked, share=found.share, low=found.low, high=found.high)
