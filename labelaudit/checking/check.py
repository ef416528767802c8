"""`check`: what is new in a dataset since its baseline, audited; the gate for dataset updates."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from labelaudit.audit import Audit, Start, audit
from labelaudit.checking.baseline import Baseline, load_baseline, save_baseline
from labelaudit.checking.changes import Changes, Row, compare, renamed_classes
from labelaudit.checking.result import ChangedRow, CheckResult
from labelaudit.checking.verdict import (
    Limits,
    Update,
    accepted_names,
    changed_rows,
    read_accepted,
    reasons_to_fail,
)
from labelaudit.config import AuditConfig
from labelaudit.data.dataset import Dataset
from labelaudit.data.hashing import hash_rows
from labelaudit.data.inputs import Hashes
from labelaudit.data.sources import load_dataset
from labelaudit.data.splits import Fold
from labelaudit.detection.posterior import adapt_to_own_rate
from labelaudit.detection.ranking import Ranking, rank_rows
from labelaudit.errors import InputError
from labelaudit.pool import Pool, read_pool
from labelaudit.progress import Progress, Silent
from labelaudit.report.build import build_report


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
        accepted: A text file with the ids of rows that are right as they are, one a line; # begins a comment,
            unless a row is called that.
        test: The trusted data that is the query, if that lies elsewhere than when the baseline was made.
        refresh: Whether to make what is found the new baseline, if the check passes.
        device: Where to run.
        progress: Shown the stages.

    Raises:
        InputError: The baseline, the data or the list of accepted rows cannot be used; the message says why.
    """
    started, progress = time.perf_counter(), progress or Silent()
    before = load_baseline(Path(baseline))
    fine = read_accepted(None if accepted is None else Path(accepted))
    update = read_update(source, before, progress)
    notes = [f"class {old!r} is now called {new!r}" for new, old in update.renamed.items()]
    nobody = fine - accepted_names(update.dataset.ids)
    if unknown := sorted(name for name in nobody if not name.startswith("#")):
        notes.append(f"{len(unknown)} accepted ids are in no row, for example {unknown[0]!r}")
    rows: tuple[ChangedRow, ...] = ()
    failures: list[str] = []
    if update.changes.new or (refresh and update.changes.removed):
        pool, found, ranking = audit_update(update, before, test, device, progress)
        rows = changed_rows(pool, update, before, found.findings, ranking, fine)
        failures = reasons_to_fail(rows, limits or Limits(), found.findings.doubt)
        if refresh and not failures:
            labels, seconds = pool.labels[: len(pool.dataset)], {"check": round(time.perf_counter() - started, 3)}
            report = build_report(pool, labels, None, found, ranking, going_on(before, device), seconds)
            save_baseline(Path(baseline) if Path(baseline).is_dir() else Path(baseline).parent, report, found)
            notes.append("the baseline is refreshed")
        elif refresh:
            notes.append("the baseline is as it was: the check fails")
    elif refresh:
        notes.append("the baseline is as it was: nothing differs from it")
    return CheckResult(
        source=update.dataset.source,
        baseline=str(baseline),
        rows=len(update.dataset),
        unchanged=len(update.dataset) - len(update.changes.new),
        removed=len(update.changes.removed),
        changes=rows,
        threshold=before.threshold,
        failures=tuple(failures),
        notes=tuple(notes),
        seconds=time.perf_counter() - started,
    )


def read_update(source: object, before: Baseline, progress: Progress) -> Update:
    """Read the dataset as it is now, and compare it with the baseline by content.

    Raises:
        InputError: It cannot be read, is another dataset, or has classes the baseline's networks do not know.
    """
    dataset = load_dataset(source, before.config.source)
    with progress.stage("Comparing rows", len(dataset)) as advance:
        hashes = hash_rows(dataset, advance)
    changes = compare_with_baseline(before, dataset, hashes)
    renamed = renamed_classes(before.rows, rows_of(dataset, hashes), changes)
    if renamed:
        dataset = rename(dataset, renamed)
        changes = compare_with_baseline(before, dataset, hashes)
    check_classes(dataset, before)
    return Update(dataset, changes, renamed)


def audit_update(
    update: Update, before: Baseline, test: object, device: str, progress: Progress
) -> tuple[Pool, Audit, Ranking]:
    """Audit all rows, going on from the baseline, and rank them; the new ones have their own share of wrong labels.

    Raises:
        InputError: The data or the test set cannot be used.
    """
    test = test if test is not None else before.report.metadata["test_source"]
    test_set = None if test is None else rename(load_dataset(test, before.config.source), update.renamed)
    config = going_on(before, device)
    pool = read_pool(update.dataset, test_set, config, progress, before.classes)
    folds = folds_of(pool, before, update.changes)
    new = np.intersect1d(np.array(update.changes.new, dtype=np.int64), np.concatenate([fold.train for fold in folds]))
    start = Start(folds, before.thetas, new)
    found = audit(pool, pool.labels, config, progress, start=start)
    signals, labels = found.findings.signals, pool.labels[: len(pool.dataset)]
    posterior = signals.posterior.copy()
    posterior[new] = adapt_to_own_rate(posterior[new], labels[new], found.findings.noise.rate)
    reliable = found.findings.doubt is None
    ranking = rank_rows(replace(signals, posterior=posterior), labels, config.rank_by, config.aim, reliable=reliable)
    return pool, found, ranking


def rows_of(dataset: Dataset, hashes: Hashes) -> list[Row]:
    """Id, content hash and label of each row."""
    return list(zip(dataset.ids, hashes, dataset.labels, strict=True))


def compare_with_baseline(before: Baseline, dataset: Dataset, hashes: Hashes) -> Changes:
    """Match the rows now with those of the baseline.

    Raises:
        InputError: None of them is the same.
    """
    numbered = all(row_id == f"row-{row}" for row, row_id in enumerate(dataset.ids))
    changes = compare(before.rows, rows_of(dataset, hashes), ids_mean_rows=not numbered)
    if len(changes.added) + len(changes.changed) == len(dataset):
        raise InputError(
            f"none of the {len(dataset)} rows of {dataset.source} is in the baseline: is it of another dataset, or was "
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
