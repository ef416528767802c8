"""`check`: what is new in a dataset since its baseline, audited; the gate for dataset updates."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labelaudit.audit import Start, audit
from labelaudit.checking.baseline import Baseline, load_baseline, save_baseline
from labelaudit.checking.changes import Changes, Row, compare, renamed_classes
from labelaudit.checking.result import Change, ChangedRow, CheckResult
from labelaudit.config import AuditConfig
from labelaudit.data.dataset import Dataset
from labelaudit.data.hashing import hash_rows
from labelaudit.data.sources import load_dataset
from labelaudit.data.splits import Fold
from labelaudit.data.table_files import row_lines
from labelaudit.detection.noise import Floats
from labelaudit.detection.ranking import Ranking, rank_rows
from labelaudit.errors import InputError
from labelaudit.pool import Pool, read_pool
from labelaudit.progress import Progress, Silent
from labelaudit.report.build import build_report


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


def check(
    source: object,
    baseline: str | Path,
    limits: Limits | None = None,
    accepted: str | Path | None = None,
    test: object = None,
    refresh: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
) -> CheckResult:
    """Find the rows that are new since the baseline, or not as they were, and audit their labels.

    Images are fine-tuned for one epoch, from the baseline's networks on; other data is audited anew, which takes
    seconds. Nothing is trained where nothing is new.

    Args:
        source: The dataset as it is now.
        baseline: The folder `labelaudit baseline` wrote.
        limits: What may pass.
        accepted: A text file with the ids of rows that are right as they are, one a line; # begins a comment.
        test: The trusted data that is the query, if that lies elsewhere than when the baseline was made.
        refresh: Whether to make what is found the new baseline, if the check passes.
        device: Where to run.
        progress: Shown the stages.

    Raises:
        InputError: The baseline, the data or the list of accepted rows cannot be used; the message says why.
    """
    started, progress, limits = time.perf_counter(), progress or Silent(), limits or Limits()
    before = load_baseline(Path(baseline))
    fine = read_accepted(None if accepted is None else Path(accepted))
    dataset = load_dataset(source, before.config.source)
    with progress.stage("Comparing rows", len(dataset)) as advance:
        hashes = hash_rows(dataset, advance)
    now: list[Row] = list(zip(dataset.ids, hashes, dataset.labels, strict=True))
    changes = compare_with_baseline(before, now, dataset)
    renamed = renamed_classes(before.rows, now, changes)
    notes = [f"class {old!r} is now called {new!r}" for new, old in renamed.items()]
    if renamed:
        dataset = rename(dataset, renamed)
        now = list(zip(dataset.ids, hashes, dataset.labels, strict=True))
        changes = compare_with_baseline(before, now, dataset)
    check_classes(dataset, before)

    differs = bool(changes.new or changes.removed)
    rows: tuple[ChangedRow, ...] = ()
    failures: list[str] = []
    ranking, doubt = None, None
    if changes.new or (refresh and differs):
        test = test if test is not None else before.report.metadata["test_source"]
        test_set = None if test is None else rename(load_dataset(test, before.config.source), renamed)
        config = going_on(before, device)
        pool = read_pool(dataset, test_set, config, progress, before.classes)
        found = audit(pool, pool.labels, config, progress, start=Start(folds_of(pool, before, changes), before.thetas))
        doubt = found.findings.doubt
        ranking = rank_rows(
            found.findings.signals, pool.labels[: len(dataset)], config.rank_by, config.aim, reliable=doubt is None
        )
        rows = changed_rows(
            pool, before, changes, ranking, found.findings.signals.influence, renamed, fine, reliable=doubt is None
        )
        failures = reasons_to_fail(rows, limits, doubt if changes.new else None)
    known = {change.id for change in rows}
    if unknown := sorted(fine - known - set(dataset.ids)):
        notes.append(f"{len(unknown)} accepted ids are in no row, for example {unknown[0]!r}")
    if refresh and not failures and ranking is not None and doubt is None:
        seconds = {"reading": 0.0, "audit": round(time.perf_counter() - started, 3)}
        report = build_report(pool, pool.labels[: len(dataset)], None, found, ranking, config, seconds)
        save_baseline(Path(baseline) if Path(baseline).is_dir() else Path(baseline).parent, report, found)
        notes.append("the baseline is refreshed")
    elif refresh:
        notes.append("the baseline is as it was" + (": the check fails" if failures else ": nothing differs from it"))
    return CheckResult(
        source=dataset.source,
        baseline=str(baseline),
        rows=len(dataset),
        unchanged=len(dataset) - len(changes.new),
        removed=len(changes.removed),
        changes=rows,
        threshold=before.threshold,
        failures=tuple(failures),
        notes=tuple(notes),
        seconds=time.perf_counter() - started,
    )


def compare_with_baseline(before: Baseline, now: list[Row], dataset: Dataset) -> Changes:
    """Match the rows now with those of the baseline.

    Raises:
        InputError: None of them is the same.
    """
    numbered = all(row_id == f"row-{row}" for row, row_id in enumerate(dataset.ids))
    changes = compare(before.rows, now, ids_mean_rows=not numbered)
    if len(changes.added) + len(changes.changed) == len(now):
        raise InputError(
            f"none of the {len(now)} rows of {dataset.source} is in the baseline: is it of another dataset, or was "
            "every file written anew? Make a new one with: labelaudit baseline"
        )
    return changes


def rename(dataset: Dataset, renamed: dict[str, str]) -> Dataset:
    """The dataset with its classes called as before."""
    labels = tuple(None if label is None else renamed.get(label, label) for label in dataset.labels)
    return replace(dataset, labels=labels)


def check_classes(dataset: Dataset, before: Baseline) -> None:
    """Make sure that the baseline's networks know all classes.

    Raises:
        InputError: They do not.
    """
    unknown = Counter(label for label in dataset.labels if label is not None and label not in before.classes)
    if unknown:
        name, count = unknown.most_common(1)[0]
        first = dataset.ids[dataset.labels.index(name)]
        raise InputError(
            f"class {name!r} ({count} rows, the first is {first}) is not in the baseline, which knows "
            f"{', '.join(before.classes[:20])}. If it is not misspelt, make a new baseline with: labelaudit baseline"
        )


def going_on(before: Baseline, device: str) -> AuditConfig:
    """The baseline's settings for another audit: one epoch where its networks were kept, else all of them."""
    training = before.training
    if before.thetas is not None:
        training = training.model_copy(update={"epochs": 1, "warmup_steps": 0})
    influence = before.config.influence.model_copy(update={"window": "last"})
    return before.config.model_copy(update={"training": training, "influence": influence, "device": device})


def folds_of(pool: Pool, before: Baseline, changes: Changes) -> list[Fold]:
    """The baseline's folds, with the rows that are new dealt out evenly, class by class."""
    if pool.test is not None:
        return [Fold(pool.audited, pool.test_rows)]
    held_out = set(before.query_rows)
    fold_of = np.full(len(pool.dataset), -1)
    query = np.zeros(len(pool.dataset), dtype=bool)
    for row, old in enumerate(changes.before):
        if old is not None:
            fold_of[row], query[row] = before.fold_of[old], old in held_out
    count = int(before.fold_of.max()) + 1
    usable = np.zeros(len(pool.dataset), dtype=bool)
    usable[pool.audited] = True
    homeless = np.flatnonzero(usable & ~query & (fold_of < 0))
    dealt = homeless[np.argsort(pool.labels[homeless], kind="stable")]
    fold_of[dealt] = np.arange(len(dealt)) % count
    if count == 1:
        return [Fold(np.flatnonzero(usable & ~query), np.flatnonzero(usable & query))]
    return [
        Fold(np.flatnonzero(usable & (fold_of == k)), np.flatnonzero(usable & (fold_of != k))) for k in range(count)
    ]


def changed_rows(
    pool: Pool,
    before: Baseline,
    changes: Changes,
    ranking: Ranking,
    influence: Floats,
    renamed: dict[str, str],
    accepted: set[str],
    *,
    reliable: bool,
) -> tuple[ChangedRow, ...]:
    """What is said of each new row, the most suspect first."""
    dataset = pool.dataset
    new_names = {old: new for new, old in renamed.items()}
    names = (*(new_names.get(name, name) for name in before.classes), None)  # NO_LABEL, −1, is None
    lines = row_lines(Path(dataset.source))
    old_labels = [row[2] for row in before.rows]
    parts: tuple[tuple[Change, tuple[int, ...]], ...] = (
        ("added", changes.added), ("changed", changes.changed), ("relabelled", changes.relabelled)
    )  # fmt: skip
    kinds = {row: change for change, rows in parts for row in rows}
    found = []
    for row in changes.new:
        scored = ranking.rank[row] > 0
        over = bool(scored and reliable and ranking.score[row] > before.threshold)
        old = changes.before[row]
        problem = None if scored else pool.problems[row] or "no label given"
        found.append(
            ChangedRow(
                id=dataset.ids[row],
                row=row,
                change=kinds[row],
                label=names[pool.labels[row]],
                old_label=None if old is None else old_labels[old],
                suggested_label=names[ranking.suggested[row]],
                score=float(ranking.score[row]) if scored else None,
                influence=float(influence[row]) if scored else None,
                suspect=over and dataset.ids[row] not in accepted,
                accepted=dataset.ids[row] in accepted,
                path=str(Path(dataset.source) / dataset.ids[row]) if Path(dataset.source).is_dir() else dataset.source,
                line=None if lines is None else lines[row],
                problem=problem,
            )
        )
    return tuple(sorted(found, key=lambda row: -1 if row.score is None else row.score, reverse=True))


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


def read_accepted(path: Path | None) -> set[str]:
    """The ids in a list of accepted rows.

    Raises:
        InputError: It cannot be read.
    """
    if path is None:
        return set()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--accepted: cannot read {path}: {error}") from error
    return {line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")}
