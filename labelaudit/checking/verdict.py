"""From what an audit found of the new rows to whether a check passes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelaudit.audit.audit_data import AuditData
from labelaudit.audit.judge import Findings
from labelaudit.checking.baseline import Baseline
from labelaudit.checking.changes import Changes
from labelaudit.checking.formats.wording import printable
from labelaudit.checking.result import Change, ChangedRow
from labelaudit.data.class_names import Twins, class_name_twins
from labelaudit.data.copies import contradicting
from labelaudit.data.dataset import NO_LABEL, Dataset
from labelaudit.data.table_files import row_lines
from labelaudit.detection.ranking import Ranking
from labelaudit.errors import InputError
from labelaudit.report.report import Report
from labelaudit.report.wording import range_in_words, range_level, share_in_words
from labelaudit.runtime.regular_files import require_regular
from labelaudit.types import FAIL_ON, FailOn, Hashes
from labelaudit.units import format_count


@dataclass(frozen=True)
class Update:
    """A later version of the dataset a baseline is of.

    Attributes:
        dataset: The rows now, with classes called as in the baseline.
        hashes: Content hash of each, None where nothing could be read.
        changes: How they go with those of the baseline.
        renamed: Classes that got another name: new name → old name.
        twins: New class names that look like another one; their rows are audited as of the class the baseline knows.
    """

    dataset: Dataset
    hashes: Hashes
    changes: Changes
    renamed: dict[str, str]
    twins: tuple[Twins, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What a check lets pass.

    Attributes:
        suspects: The most new suspects; None for any number.
        share: The largest share of suspects in the new rows, 0 to 1; None for any.
        relabelled: Whether rows may have got another label without being accepted.
        fail_on: What makes a check fail at all. By `suspects` the two limits on them count, and whether they can be
            judged; by `cannot-tell`, whether wrong labels can be told from a network that is unsure.
    """

    suspects: int | None = 0
    share: float | None = None
    relabelled: bool = True
    fail_on: frozenset[FailOn] = frozenset(FAIL_ON)


@dataclass(frozen=True)
class ShareSaid:
    """What is said of the share of wrong labels in all rows.

    Attributes:
        noise: As a report's metadata have it; None where nothing was audited.
        notes: What is known of it.
        warnings: That it cannot be told.
        failure: The same where that is a reason to fail.
    """

    noise: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    failure: str | None = None

    @classmethod
    def of(cls, noise: dict[str, Any], limits: Limits) -> ShareSaid:
        """By a report's metadata. That the network learnt nothing is a reason of its own, which is told elsewhere."""
        if noise["verdict"] != "cannot tell":
            said = f"wrong labels in all rows ({range_level(noise)} range): {range_in_words(noise)}"
            return cls(noise, notes=(said,))
        told = share_in_words(noise)
        if noise["doubt"] is not None:
            return cls(noise)
        if "cannot-tell" in limits.fail_on:
            return cls(noise, failure=told)
        return cls(noise, warnings=(f"{told}. cannot-tell in `fail_on` makes it a failure",))


def changed_rows(
    data: AuditData,
    update: Update,
    before: Baseline,
    found: Findings,
    ranking: Ranking,
    accepted: set[str],
) -> tuple[ChangedRow, ...]:
    """What is said of each new row, the most suspect first."""
    dataset, changes = data.dataset, update.changes
    new_names = {old: new for new, old in update.renamed.items()}
    names = (*(new_names.get(name, name) for name in before.classes), None)  # NO_LABEL, −1, is None
    lines = row_lines(Path(dataset.source), dataset.settings)
    old_labels = [row[2] for row in before.rows]
    parts: tuple[tuple[Change, tuple[int, ...]], ...] = (
        ("added", changes.added),
        ("changed", changes.changed),
        ("relabelled", changes.relabelled),
    )
    kinds = {row: change for change, rows in parts for row in rows}
    others, in_test = contradicted_copies(data, changes), data.copies.in_test()
    rows_found = []
    for row in changes.new:
        scored = ranking.rank[row] > 0
        over = bool(scored and found.doubt is None and ranking.score[row] > before.threshold)
        old = changes.before[row]
        fine = is_accepted(dataset.ids[row], accepted)
        problem = None if scored else data.problems[row] or "no label given"
        rows_found.append(
            ChangedRow(
                id=dataset.ids[row],
                row=row,
                change=kinds[row],
                label=names[data.labels[row]],
                old_label=None if old is None else old_labels[old],
                suggested_label=names[ranking.suggested[row]],
                score=float(ranking.score[row]) if scored else None,
                influence=float(found.signals.influence[row]) if scored else None,
                suspect=over and not fine,
                accepted=fine,
                path=str(Path(dataset.source) / dataset.ids[row])
                if dataset.kind.startswith("image folder")
                else dataset.source,
                line=None if lines is None else lines[row],
                problem=problem,
                contradicts=None if row not in others else dataset.ids[others[row]],
                contradicts_label=None if row not in others else names[data.labels[others[row]]],
                in_test=bool(in_test[row]) and not data.copies.by_chance,
            )
        )
    return tuple(sorted(rows_found, key=lambda row: -1 if row.score is None else row.score, reverse=True))


def contradicted_copies(data: AuditData, changes: Changes) -> dict[int, int]:
    """For each new row with a copy that has another label such a copy.

    Copies that are not new decide, where there are some. Where rows may be alike by chance there is no contradiction.
    """
    labels, groups, new = data.labels[: len(data.dataset)], data.copies.of_one_thing, set(changes.new)
    members: dict[int, list[int]] = {}
    for row in np.flatnonzero(contradicting(groups, labels)).tolist():
        members.setdefault(int(groups[row]), []).append(row)
    found: dict[int, int] = {}
    for rows in members.values():
        judges = [row for row in rows if row not in new] or rows
        for row in (row for row in rows if row in new):
            others = [judge for judge in judges if labels[judge] != labels[row]]
            found |= {row: others[0]} if others else {}
    return found


def ranking_in(report: Report) -> Ranking:
    """The verdict that a report holds."""
    frame = report.to_pandas()
    index = {name: number for number, name in enumerate(report.metadata["classes"])}
    return Ranking(
        score=frame["score"].to_numpy(dtype=np.float64),
        rank=frame["rank"].fillna(0).to_numpy(dtype=np.int64),
        suspect=frame["suspect"].to_numpy(dtype=np.bool_),
        suggested=np.array([index.get(name, NO_LABEL) for name in frame["suggested_label"]], dtype=np.int64),
    )


def new_twins(labels: Iterable[str | None], known: tuple[str, ...]) -> tuple[tuple[Twins, ...], dict[str, str]]:
    """Class names of an update that look like one the baseline knows, and which: new name → known name."""
    found: list[Twins] = []
    aliases: dict[str, str] = {}
    for twins in class_name_twins(labels):
        old = [name for name in twins.names if name in known]
        new = [name for name in twins.names if name not in known]
        if old and new:
            found.append(twins)
            aliases |= dict.fromkeys(new, old[0])
    return tuple(found), aliases


def reasons_to_fail(
    rows: tuple[ChangedRow, ...],
    limits: Limits,
    doubt: str | None,
    twins: tuple[Twins, ...] = (),
    share: ShareSaid | None = None,
) -> list[str]:
    """Why a check does not pass, one sentence each.

    Args:
        rows: The new rows.
        limits: What passes.
        doubt: Why the scores are not to be relied on, None where they are.
        twins: Class names that look like one.
        share: What is said of the share of wrong labels; None where nothing is new.
    """
    kinds = limits.fail_on
    failures = [f"class names that look like one: {pair}" for pair in twins if "class-names" in kinds]
    suspects = sum(row.suspect for row in rows) if "suspects" in kinds else 0
    if doubt is not None and "suspects" in kinds:
        failures.append(f"the new labels cannot be judged: {doubt}")
    elif share is not None and share.failure is not None:
        failures.append(share.failure)
    if limits.suspects is not None and suspects > limits.suspects:
        failures.append(f"{format_count(suspects, 'new suspect')}, {limits.suspects} allowed")
    contradictions = sum(row.contradiction for row in rows)
    if contradictions and "contradictions" in kinds:
        failures.append(f"{format_count(contradictions, 'new row has', 'new rows have')} a copy with another label")
    leaks = sum(row.leak for row in rows)
    if leaks and "leaks" in kinds:
        failures.append(f"{format_count(leaks, 'new row is', 'new rows are')} in the test set, too")
    if limits.share is not None and rows and suspects / len(rows) > limits.share:
        failures.append(
            f"{suspects / len(rows):.1%} of the {len(rows)} new rows are suspects, {limits.share:.1%} allowed"
        )
    relabelled = sum(row.change == "relabelled" and not row.accepted for row in rows)
    if not limits.relabelled and relabelled:
        failures.append(f"{format_count(relabelled, 'row')} with another label than in the baseline")
    return failures


def accepted_names(ids: Iterable[str]) -> set[str]:
    """What a list of accepted rows may call rows: their ids, or these as a check prints them, all on one line."""
    return {name for row_id in ids for name in (row_id.strip(), printable(row_id).strip())}


def is_accepted(row_id: str, accepted: set[str]) -> bool:
    """Whether a list of accepted rows names a row."""
    return not accepted.isdisjoint(accepted_names([row_id]))


def read_accepted(path: Path | None) -> set[str]:
    """The lines of a list of accepted rows: ids, and comments, which are lines that begin with # and are no row's id.

    Raises:
        InputError: It cannot be read.
    """
    if path is None:
        return set()
    if path.exists():
        require_regular(path, "accepted")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}", option="accepted") from error
    return {line.strip() for line in lines if line.strip()}
