"""From what an audit found of the new rows to whether a check passes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labelaudit.audit import Findings
from labelaudit.checking.baseline import Baseline
from labelaudit.checking.changes import Changes
from labelaudit.checking.formats.wording import printable
from labelaudit.checking.result import Change, ChangedRow
from labelaudit.data.dataset import Dataset
from labelaudit.data.table_files import row_lines
from labelaudit.detection.ranking import Ranking
from labelaudit.errors import InputError
from labelaudit.pool import Pool


@dataclass(frozen=True)
class Update:
    """A later version of the dataset a baseline is of.

    Attributes:
        dataset: The rows now, with classes called as in the baseline.
        changes: How they go with those of the baseline.
        renamed: Classes that got another name: new name → old name.
    """

    dataset: Dataset
    changes: Changes
    renamed: dict[str, str]


@dataclass(frozen=True)
class Limits:
    """What a check lets pass.

    Attributes:
        suspects: The most new suspects; None for any number.
        share: The largest share of suspects in the new rows, 0 to 1; None for any.
        relabelled: Whether rows may have got another label without being accepted.
    """

    suspects: int | None = 0
    share: float | None = None
    relabelled: bool = True


def changed_rows(
    pool: Pool,
    update: Update,
    before: Baseline,
    found: Findings,
    ranking: Ranking,
    accepted: set[str],
) -> tuple[ChangedRow, ...]:
    """What is said of each new row, the most suspect first."""
    dataset, changes = pool.dataset, update.changes
    new_names = {old: new for new, old in update.renamed.items()}
    names = (*(new_names.get(name, name) for name in before.classes), None)  # NO_LABEL, −1, is None
    lines = row_lines(Path(dataset.source))
    old_labels = [row[2] for row in before.rows]
    parts: tuple[tuple[Change, tuple[int, ...]], ...] = (
        ("added", changes.added), ("changed", changes.changed), ("relabelled", changes.relabelled)
    )  # fmt: skip
    kinds = {row: change for change, rows in parts for row in rows}
    rows_found = []
    for row in changes.new:
        scored = ranking.rank[row] > 0
        over = bool(scored and found.doubt is None and ranking.score[row] > before.threshold)
        old = changes.before[row]
        fine = is_accepted(dataset.ids[row], accepted)
        problem = None if scored else pool.problems[row] or "no label given"
        rows_found.append(
            ChangedRow(
                id=dataset.ids[row],
                row=row,
                change=kinds[row],
                label=names[pool.labels[row]],
                old_label=None if old is None else old_labels[old],
                suggested_label=names[ranking.suggested[row]],
                score=float(ranking.score[row]) if scored else None,
                influence=float(found.signals.influence[row]) if scored else None,
                suspect=over and not fine,
                accepted=fine,
                path=str(Path(dataset.source) / dataset.ids[row]) if Path(dataset.source).is_dir() else dataset.source,
                line=None if lines is None else lines[row],
                problem=problem,
            )
        )
    return tuple(sorted(rows_found, key=lambda row: -1 if row.score is None else row.score, reverse=True))


def reasons_to_fail(rows: tuple[ChangedRow, ...], limits: Limits, doubt: str | None) -> list[str]:
    """Why a check does not pass, one sentence each."""
    failures = []
    suspects = sum(row.suspect for row in rows)
    if doubt is not None:
        failures.append(f"the new labels cannot be judged: {doubt}")
    if limits.suspects is not None and suspects > limits.suspects:
        failures.append(f"{suspects} new suspects, {limits.suspects} allowed")
    if limits.share is not None and rows and suspects / len(rows) > limits.share:
        failures.append(
            f"{suspects / len(rows):.1%} of the {len(rows)} new rows are suspects, {limits.share:.1%} allowed"
        )
    relabelled = sum(row.change == "relabelled" and not row.accepted for row in rows)
    if not limits.relabelled and relabelled:
        failures.append(f"{relabelled} rows have another label than in the baseline")
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
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--accepted: cannot read {path}: {error}") from error
    return {line.strip() for line in lines if line.strip()}
