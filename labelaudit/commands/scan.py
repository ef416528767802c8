"""`scan`: a dataset in, a report out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from labelaudit.audit.audit import Audit, audit
from labelaudit.audit.audit_data import AuditData, read_data
from labelaudit.audit.given import audit_given, read_labels_only
from labelaudit.audit.lost_rows import audit_lasting_rows
from labelaudit.commands.given import check_alone, load_labels, read_views
from labelaudit.config import AuditConfig
from labelaudit.correction.reviewed import ReviewableRows, match_reviews, read_reviews, reviews_in
from labelaudit.data.dataset import NO_LABEL, fingerprint
from labelaudit.data.sources import load_dataset, load_other_splits, load_test_set, with_labels
from labelaudit.data.truth import read_truth
from labelaudit.detection.ranking import Ranking, rank_rows
from labelaudit.errors import InputError
from labelaudit.models.choice import choose_network
from labelaudit.progress import NullProgress, Progress
from labelaudit.report.build import build_report, probabilities_of
from labelaudit.report.recalibrated import Verdict, recalibrate
from labelaudit.report.report import Report
from labelaudit.runtime.checkpoints import Checkpoints, RunFolder
from labelaudit.runtime.distributed import process_group
from labelaudit.runtime.large_arrays import files_in
from labelaudit.settings import audit_config
from labelaudit.types import checked
from labelaudit.units import format_count

_CHANGES_NOTHING: dict[str, Any] = {"model": {"image_cache", "image_cache_limit"}, "deterministic": True}
"""Settings with which a run may be resumed that was begun with others."""
ReviewedFiles = Annotated[str | Path | Sequence[str | Path] | None, "the path of a CSV file, or several"]


@checked
def scan(
    source: object,
    labels: object = None,
    *,
    test: object = None,
    known: str | Path | None = None,
    config: AuditConfig | None = None,
    progress: Progress | None = None,
    run_folder: RunFolder | None = None,
    model: Annotated[str | nn.Module | None, "the name of a network, such as 'lr', or a torch.nn.Module"] = None,
    reviewed: ReviewedFiles = None,
    save_probabilities: bool = False,
    pred_probs: object = None,
    **options: Any,
) -> Report:
    """Audit the labels of a dataset.

    Args:
        source: A path, or data in memory: whatever `load_dataset` takes.
        labels: One label for each row of `source`, where that holds inputs without labels: `scan(X, y)` is
            `scan((X, y))`.
        test: Trusted data to be the query, in any form `source` can have; None for a cross-audit.
        known: A table of true labels (`path`, `true_label`), to be put beside the findings.
        config: All settings.
        progress: Shown the stages.
        run_folder: Where the run is saved from time to time, and resumed from after a kill.
        model: The name of a network, or one of your own, copied and trained from the parameters it has. Give
            `image_size`, if it takes images of one size only.
        reviewed: CSV files of decisions that were made with earlier reports (see `docs/review.md`): labels found right
            are no suspects again, those found wrong that are still there come first, and both count as evidence.
        save_probabilities: Whether the report is to have `probabilities`, a data frame of class probabilities.
        pred_probs: Class probabilities of each row from a network of your own that was not trained on it, as
            `read_probabilities` takes them, or a list of several; then nothing is trained, and `source` needs labels
            only.
        options: Settings under the names they have on the command line, instead of `config`.

    Returns:
        The report: a row for each row of `source`, in its order, and what is estimated of the labels as a whole.

    Raises:
        InputError: The data or a setting cannot be used; the message says why.
        RunError: Nothing more can be written.

    Example:
        >>> report = scan("sample_data/train", model="lr", epochs=2, budget=30)
        >>> report.suspects()["label"].size
        30
    """
    source = source if labels is None else with_labels(source, labels)
    custom_model = model if isinstance(model, nn.Module) else None
    if isinstance(model, str):
        options["model"] = model
    if config is not None and options:
        raise InputError(f"give `config` or options such as {next(iter(options))}, not both")
    if pred_probs is not None:
        config = config or audit_config(**options)
        check_alone(config, {"test": test, "model": custom_model, "save_probabilities": save_probabilities or None})
        return scan_given(source, pred_probs, known, config, progress or NullProgress(), reviewed)
    config, progress = config or audit_config(**options), progress or NullProgress()
    report, found = scan_and_keep(source, test, known, config, progress, run_folder, custom_model, reviewed)
    if not save_probabilities:
        return report
    probabilities = probabilities_of(report, found)
    if found.findings.signals.out_of_fold is None:
        progress.note(
            "rows that were trained on have no probabilities, for every network knows them; the cross-audit has them "
            "of all rows: leave out `test` and `test_fraction`"
        )
    return replace(report, probabilities=probabilities)


def scan_given(
    source: object,
    pred_probs: object,
    known: str | Path | None,
    config: AuditConfig,
    progress: Progress,
    reviewed: ReviewedFiles,
) -> Report:
    """`scan` by probabilities of the user's own; nothing is trained."""
    started = time.perf_counter()
    data = read_labels_only(load_labels(source, config.source, progress), config, progress)
    truth = None if known is None else true_labels(data, Path(known))
    verdicts = reviewed_rows(data, truth, None, reviewed, progress)
    found = audit_given(data, read_views(data, pred_probs, config, progress), progress)
    findings = found.findings
    ranking = rank_rows(findings.signals, data.labels, "score", config.selection, reliable=findings.carries_list)
    seconds = {"audit": round(time.perf_counter() - started, 3)}
    report = build_report(data, data.labels, truth, found, ranking, config, seconds)
    return with_reviewed(report, verdicts, progress)


def scan_and_keep(
    source: object,
    test: object = None,
    known: str | Path | None = None,
    config: AuditConfig | None = None,
    progress: Progress | None = None,
    run_folder: RunFolder | None = None,
    custom_model: nn.Module | None = None,
    reviewed: ReviewedFiles = None,
    like: Report | None = None,
) -> tuple[Report, Audit]:
    """`scan`, and with the report the audit behind it, which has the fine-tuned networks.

    Rows that `like`, an earlier report, knows to be reviewed stay so.
    """
    config, progress = config or AuditConfig(), progress or NullProgress()
    started = time.perf_counter()
    data, config = open_data(source, test, config, progress, custom_model)
    with process_group().raise_together():
        truth = None if known is None else true_labels(data, Path(known))
        verdicts = reviewed_rows(data, truth, like, reviewed, progress)
    reading = time.perf_counter() - started
    checkpoints = None if run_folder is None else run_folder.open(identity(data, config))
    with files_in(None if checkpoints is None else checkpoints.folder):
        report, found, _ = audit_and_report(data, data.labels, truth, config, progress, reading, checkpoints)
    return with_reviewed(report, verdicts, progress), found


def reviewed_rows(
    data: AuditData,
    truth: NDArray[np.int64] | None,
    like: Report | None,
    reviewed: ReviewedFiles,
    progress: Progress,
) -> dict[int, Verdict]:
    """What earlier decisions say of the rows as they are now; what they do not say is told as notes.

    Raises:
        InputError: They cannot be used.
    """
    rows = ReviewableRows(data.dataset.source, data.dataset.ids, data.dataset.labels, data.hashes, {})
    names = (*data.classes, None)  # NO_LABEL, −1, is None
    true = None if truth is None else [names[index] for index in truth]
    stored = [] if like is None else reviews_in(like)
    verdicts, notes = match_reviews(stored, read_reviews(paths_of(reviewed)), rows, true)
    for note in notes:
        progress.note(note)
    return verdicts


def paths_of(files: ReviewedFiles) -> list[Path]:
    """One path or several, as a list."""
    if files is None:
        return []
    return [Path(files)] if isinstance(files, (str, Path)) else [Path(file) for file in files]


def with_reviewed(report: Report, verdicts: Mapping[int, Verdict], progress: Progress) -> Report:
    """The report, with reviewed rows as they were found, and all others by that evidence (see `recalibrate`)."""
    scored = {row for row, status in enumerate(report.table["status"].to_pylist()) if status == "scored"}
    used = {row: verdict for row, verdict in verdicts.items() if row in scored}
    if len(used) < len(verdicts):
        progress.note(f"{format_count(len(verdicts) - len(used), 'reviewed row')} not used, as they have no score")
    if not used:
        return report
    wrong = [row for row, verdict in used.items() if verdict.wrong]
    right = len(used) - len(wrong)
    said = f"{format_count(len(used), 'label')} reviewed before: {right} right, which are no suspects again"
    if wrong:
        first = report.table["id"][wrong[0]].as_py()
        said += f"; {len(wrong)} wrong and not corrected, which come first: for example {first!r}"
    if report.metadata["noise"]["doubt"] is not None:
        said += "; the others are not judged by them, for scores are not reliable"
    progress.note(said)
    return recalibrate(report, used, list_wrong=True)


def identity(data: AuditData, config: AuditConfig) -> dict[str, Any]:
    """All that decides what an audit computes, for a resumed run to be the same one."""
    parts = [data.dataset] if data.test is None else [data.dataset, data.test]
    rows = [row for part in parts for row in zip(part.ids, part.labels, strict=True)]
    return {
        "labelaudit_version": version("labelaudit"),
        "torch_version": torch.__version__,
        "settings": config.model_dump(mode="json", exclude=_CHANGES_NOTHING),
        "data": fingerprint([(*row, content) for row, content in zip(rows, data.hashes, strict=True)]),
    }


def open_data(
    source: object, test: object, config: AuditConfig, progress: Progress, custom_model: nn.Module | None = None
) -> tuple[AuditData, AuditConfig]:
    """Open, check and decode what is to be audited, and choose the network for it where the settings name none.

    Raises:
        InputError: It cannot be audited, or the processes have read different things.
    """
    with process_group().raise_together():
        dataset = load_dataset(source, config.source)
        test_set = None if test is None else load_test_set(test, dataset, config.source)
        config = config if custom_model is not None else choose_network(config, dataset, progress)
        others = load_other_splits(source, dataset, test_set)
        data = read_data(dataset, test_set, config, progress, custom_model=custom_model, other_splits=others)
    if process_group().size > 1:
        for what, value in identity(data, config).items():
            process_group().require_equal(what.replace("_", " "), json.dumps(value, sort_keys=True))
    return data, config


def true_labels(data: AuditData, known: Path) -> NDArray[np.int64]:
    """The true class index of each audited row, `NO_LABEL` where the file does not know it; shape (N,)."""
    truth = read_truth(known, data.dataset.ids, data.classes)
    return np.array([NO_LABEL if name is None else data.classes.index(name) for name in truth], dtype=np.int64)


def audit_and_report(
    data: AuditData,
    labels: NDArray[np.int64],
    truth: NDArray[np.int64] | None,
    config: AuditConfig,
    progress: Progress,
    reading_seconds: float,
    checkpoints: Checkpoints | None = None,
) -> tuple[Report, Audit, Ranking]:
    """Audit `labels` (N + M,), rank, and put it into a report."""
    started = time.perf_counter()
    data, found = audit_lasting_rows(
        data, lambda lasting, saved: audit(lasting, labels, config, progress, saved), config, progress, checkpoints
    )
    given = labels[: len(data.dataset)]
    findings = found.findings
    ranking = rank_rows(findings.signals, given, config.rank_by, config.selection, reliable=findings.carries_list)
    seconds = {"reading": round(reading_seconds, 3), "audit": round(time.perf_counter() - started, 3)}
    return build_report(data, given, truth, found, ranking, config, seconds), found, ranking
