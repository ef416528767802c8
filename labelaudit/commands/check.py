"""`check`: what is new in a dataset since its baseline, audited; the gate for dataset updates."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelaudit.audit.audit import Audit, WarmStart, audit
from labelaudit.audit.audit_data import AuditData, read_data
from labelaudit.audit.lost_rows import audit_lasting_rows
from labelaudit.checking.baseline import Baseline, load_baseline, save_baseline
from labelaudit.checking.changes import Changes, Row, compare, renamed_classes
from labelaudit.checking.new_rows import of_new_rows
from labelaudit.checking.result import ChangedRow, CheckResult
from labelaudit.checking.verdict import (
    Limits,
    ShareSaid,
    Update,
    accepted_names,
    changed_rows,
    new_twins,
    ranking_in,
    read_accepted,
    reasons_to_fail,
)
from labelaudit.commands.scan import ReviewedFiles, paths_of, with_reviewed
from labelaudit.config import AuditConfig
from labelaudit.correction.reviewed import ReviewableRows, match_reviews, read_reviews, reviews_in
from labelaudit.data.dataset import Dataset
from labelaudit.data.hashing import hash_rows
from labelaudit.data.sources import load_dataset, load_test_set
from labelaudit.data.splits import Fold, by_content, distinct_rows, with_others
from labelaudit.detection.posterior import adapt_to_own_rate
from labelaudit.detection.ranking import Ranking, rank_rows
from labelaudit.errors import InputError
from labelaudit.progress import NullProgress, Progress
from labelaudit.report.build import build_report
from labelaudit.report.report import Report
from labelaudit.runtime.checkpoints import Checkpoints
from labelaudit.types import Hashes, Rows, checked
from labelaudit.units import format_count, listed


@checked
def check(
    source: object,
    baseline: str | Path,
    limits: Limits | None = None,
    accepted: str | Path | None = None,
    test: object = None,
    refresh: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
    model: str | None = None,
    reviewed: ReviewedFiles = None,
) -> CheckResult:
    """Find the rows that are new since the baseline, or not as they were, and audit their labels.

    Images are fine-tuned for one epoch, from the baseline's networks on; other data is audited anew, which takes
    as long as a scan. Nothing is trained where nothing is new.

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
        model: The user's own factory (`package.module:factory`), if one made the baseline's networks: what a stored
            file names is never imported.
        reviewed: CSV files of decisions made with earlier reports. Labels found right are no suspects, those found
            wrong that are still there are, and both count as evidence, as do those that the baseline knows of.

    Returns:
        The new and changed rows, the most suspect first, and why the check fails, if it does.

    Raises:
        InputError: The baseline, the data or the list of accepted rows cannot be used; the message says why.
    """
    started, progress, limits = time.perf_counter(), progress or NullProgress(), limits or Limits()
    before = load_baseline(Path(baseline), model)
    fine = read_accepted(None if accepted is None else Path(accepted))
    update = read_update(source, before, progress)
    decided = reviews_in(before.report), read_reviews(paths_of(reviewed))
    verdicts, said = match_reviews(*decided, reviewable_rows(update, before), truth=None)
    notes = [*notes_on_names(update, fine), *said]
    rows: tuple[ChangedRow, ...] = ()
    failures: list[str] = reasons_to_fail((), limits, None, update.twins)
    page: Report | None = None
    share = ShareSaid()
    if update.changes.new or (refresh and update.changes.removed):
        data, found, ranking = audit_update(update, before, test, device, progress)
        labels, seconds = data.labels[: len(data.dataset)], {"check": round(time.perf_counter() - started, 3)}
        report = build_report(data, labels, None, found, ranking, update_config(before, device), seconds)
        report = with_reviewed(report, verdicts, progress)
        rows = changed_rows(data, update, before, found.findings, ranking_in(report), fine)
        share = ShareSaid.of(report.metadata["noise"], limits)
        notes += share.notes
        failures = reasons_to_fail(rows, limits, found.findings.doubt, update.twins, share)
        page = of_new_rows(report, rows)
        if refresh and not failures:
            save_baseline(Path(baseline) if Path(baseline).is_dir() else Path(baseline).parent, report, found)
    if refresh:
        notes.append(refresh_note(failures, audited=page is not None))
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
        warnings=share.warnings,
        noise=share.noise,
        class_name_twins=update.twins,
        report=page,
    )


def refresh_note(failures: Sequence[str], *, audited: bool) -> str:
    """What became of the baseline that was to be refreshed."""
    if audited and not failures:
        return "the baseline is refreshed"
    return f"the baseline is as it was: {'the check fails' if failures else 'nothing differs from it'}"


def notes_on_names(update: Update, accepted: set[str]) -> list[str]:
    """Classes that have another name now, and accepted ids that no row has."""
    notes = [f"class {old!r} is now called {new!r}" for new, old in update.renamed.items()]
    nobody = accepted - accepted_names(update.dataset.ids)
    if unknown := sorted(name for name in nobody if not name.startswith("#")):
        notes.append(f"{format_count(len(unknown), 'accepted id')} in no row, for example {unknown[0]!r}")
    return notes


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
    twins, aliases = new_twins(dataset.labels, before.classes)
    if aliases:
        dataset = rename(dataset, aliases)
        changes = compare_with_baseline(before, dataset, hashes)
    check_classes(dataset, before)
    return Update(dataset, hashes, changes, renamed, twins)


def reviewable_rows(update: Update, before: Baseline) -> ReviewableRows:
    """The rows for decisions to be matched with, whether these call classes as now or as before."""
    known = [(twins.names, name) for twins in update.twins for name in twins.names if name in before.classes]
    aliases = {name: old for names, old in known for name in names if name not in before.classes}
    return ReviewableRows(
        update.dataset.source, update.dataset.ids, update.dataset.labels, update.hashes, aliases | update.renamed
    )


def audit_update(
    update: Update, before: Baseline, test: object, device: str, progress: Progress
) -> tuple[AuditData, Audit, Ranking]:
    """Audit all rows, going on from the baseline, and rank them; the new ones have their own share of wrong labels.

    Raises:
        InputError: The data or the test set cannot be used.
    """
    test = test if test is not None else before.report.metadata["test_source"]
    test_set = (
        None if test is None else rename(load_test_set(test, update.dataset, before.config.source), update.renamed)
    )
    config = update_config(before, device)
    data = read_data(update.dataset, test_set, config, progress, before.classes, like=before.images)
    if data.hashes[: len(data.dataset)] != update.hashes:
        raise InputError(f"{data.dataset.source} has changed while it was read: check it again")

    def run(lasting: AuditData, _: Checkpoints | None) -> Audit:
        folds = folds_of(lasting, before, update.changes)
        warm_start = WarmStart(folds, before.thetas, np.intersect1d(update.changes.new, lasting.audited))
        return audit(lasting, lasting.labels, config, progress, warm_start=warm_start)

    data, found = audit_lasting_rows(data, run, config, progress, every_class=False)
    new = np.intersect1d(update.changes.new, np.flatnonzero(found.findings.signals.scored))
    signals, labels = found.findings.signals, data.labels[: len(data.dataset)]
    posterior = signals.posterior.copy()
    posterior[new] = adapt_to_own_rate(posterior[new], labels[new], found.findings.noise.rate)
    reliable = found.findings.doubt is None
    ranking = rank_rows(
        replace(signals, posterior=posterior), labels, config.rank_by, config.selection, reliable=reliable
    )
    return data, found, ranking


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
            f"class {name!r} ({format_count(count, 'row')}, the first is {first}) is not in the baseline, which knows "
            f"{listed(before.classes, 20)}. If it is not misspelt, make a new baseline with: labelaudit baseline"
        )


def update_config(before: Baseline, device: str) -> AuditConfig:
    """The baseline's settings for another audit: one epoch where its networks were kept, else all of them."""
    training = before.training
    if before.thetas is not None:
        training = training.model_copy(update={"epochs": 1, "warmup_steps": 0})
    influence = before.config.influence.model_copy(update={"window": "last"})
    return before.config.model_copy(update={"training": training, "influence": influence, "device": device})


def folds_of(data: AuditData, before: Baseline, changes: Changes) -> list[Fold]:
    """The baseline's folds, with new rows dealt to those they share a fold with, or else out evenly, class by class."""

    def ordered(chosen: NDArray[np.bool_]) -> Rows:
        return by_content(np.flatnonzero(chosen), data.labels, data.hashes)

    if data.test is not None:
        return [Fold(*(by_content(rows, data.labels, data.hashes) for rows in (data.audited, data.test_rows)))]
    held_out = set(before.query_rows)
    fold_of = np.full(len(data.dataset), -1)
    query = np.zeros(len(data.dataset), dtype=bool)
    for row, old in enumerate(changes.before):
        if old is not None:
            fold_of[row], query[row] = before.fold_of[old], old in held_out
    count = int(before.fold_of.max()) + 1
    usable = np.zeros(len(data.dataset), dtype=bool)
    usable[data.audited] = True
    fold_of = with_others(fold_of, data.together)
    homeless = ordered(usable & ~query & (fold_of < 0))
    dealt = distinct_rows(homeless[np.argsort(data.labels[homeless], kind="stable")], data.together)
    fold_of[dealt] = np.arange(len(dealt)) % count
    fold_of = with_others(fold_of, data.together)
    if count == 1:
        return [Fold(ordered(usable & ~query), ordered(usable & query))]
    held_out_by = (fold_of - 1) % count  # a row belongs to the fold after the one that holds it out
    return [Fold(ordered(usable & (held_out_by != k)), ordered(usable & (held_out_by == k))) for k in range(count)]
