"""`scan`: a dataset in, a report out."""

from __future__ import annotations

import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from labelaudit.audit import Audit, audit
from labelaudit.checkpoints import Checkpoints, RunFolder
from labelaudit.config import AuditConfig, audit_config
from labelaudit.data.dataset import NO_LABEL, fingerprint
from labelaudit.data.sources import load_dataset
from labelaudit.data.truth import read_truth
from labelaudit.detection.ranking import Ranking, rank_rows
from labelaudit.distributed import team
from labelaudit.errors import InputError
from labelaudit.pool import Pool, read_pool
from labelaudit.progress import Progress, Silent
from labelaudit.report.build import build_report
from labelaudit.report.report import Report


def scan(
    source: object,
    test: object = None,
    known: str | Path | None = None,
    config: AuditConfig | None = None,
    progress: Progress | None = None,
    run_folder: RunFolder | None = None,
    model: str | nn.Module | None = None,
    **options: Any,
) -> Report:
    """Audit the labels of a dataset.

    Args:
        source: A path, or data in memory: whatever `load_dataset` takes.
        test: Another one with trusted labels, to be the query; None for the two-fold cross-audit.
        known: A table of true labels (`path`, `true_label`), to be put beside the findings.
        config: All settings.
        progress: Shown the stages.
        run_folder: Where the run saves what it has from time to time, so that it can be gone on with after a kill.
        model: The name of a network, or one of your own, copied and trained from the parameters it has. Give
            `image_size`, if it takes images of one size only.
        options: Settings under the names they have on the command line, instead of `config`.

    Raises:
        InputError: The data or a setting cannot be used; the message says why.
        RunError: Nothing more can be written.

    Example:
        >>> report = scan("sample_data/train", model="lr", epochs=2, budget=30)
        >>> report.suspects()["label"].size
        30
    """
    own = model if isinstance(model, nn.Module) else None
    if isinstance(model, str):
        options["model"] = model
    if config is not None and options:
        raise InputError(f"give `config` or options such as {next(iter(options))}, not both")
    return scan_and_keep(source, test, known, config or audit_config(**options), progress, run_folder, own)[0]


def scan_and_keep(
    source: object,
    test: object = None,
    known: str | Path | None = None,
    config: AuditConfig | None = None,
    progress: Progress | None = None,
    run_folder: RunFolder | None = None,
    own: nn.Module | None = None,
) -> tuple[Report, Audit]:
    """`scan`, and with the report the audit behind it, which has the fine-tuned networks."""
    config, progress = config or AuditConfig(), progress or Silent()
    started = time.perf_counter()
    pool = open_pool(source, test, config, progress, own)
    with team().together():
        truth = None if known is None else true_labels(pool, Path(known))
    reading = time.perf_counter() - started
    checkpoints = None if run_folder is None else run_folder.open(identity(pool, config))
    return audit_and_report(pool, pool.labels, truth, config, progress, reading, checkpoints)[:2]


def identity(pool: Pool, config: AuditConfig) -> dict[str, Any]:
    """All that decides what an audit computes, for a resumed run to be the same one."""
    parts = [pool.dataset] if pool.test is None else [pool.dataset, pool.test]
    rows = [row for part in parts for row in zip(part.ids, part.labels, strict=True)]
    return {
        "labelaudit_version": version("labelaudit"),
        "torch_version": torch.__version__,
        "settings": config.model_dump(mode="json", exclude={"model": {"image_cache", "image_cache_limit"}}),
        "data": fingerprint([(*row, content) for row, content in zip(rows, pool.hashes, strict=True)]),
    }


def open_pool(
    source: object, test: object, config: AuditConfig, progress: Progress, own: nn.Module | None = None
) -> Pool:
    """Open, check and decode what is to be audited.

    Raises:
        InputError: It cannot be audited, or the processes of a team have read different things.
    """
    with team().together():
        dataset = load_dataset(source, config.source)
        test_set = None if test is None else load_dataset(test, config.source)
        pool = read_pool(dataset, test_set, config, progress, own=own)
    if team().size > 1:
        for what, value in identity(pool, config).items():
            team().same(what.replace("_", " "), json.dumps(value, sort_keys=True))
    return pool


def true_labels(pool: Pool, known: Path) -> NDArray[np.int64]:
    """The true class index of each audited row, `NO_LABEL` where the file does not know it; shape (N,)."""
    truth = read_truth(known, pool.dataset.ids, pool.classes)
    return np.array([NO_LABEL if name is None else pool.classes.index(name) for name in truth], dtype=np.int64)


def audit_and_report(
    pool: Pool,
    labels: NDArray[np.int64],
    truth: NDArray[np.int64] | None,
    config: AuditConfig,
    progress: Progress,
    reading_seconds: float,
    checkpoints: Checkpoints | None = None,
) -> tuple[Report, Audit, Ranking]:
    """Audit `labels` (N + M,), rank, and put it into a report."""
    started = time.perf_counter()
    found = audit(pool, labels, config, progress, checkpoints)
    given = labels[: len(pool.dataset)]
    findings = found.findings
    ranking = rank_rows(findings.signals, given, config.rank_by, config.aim, reliable=findings.doubt is None)
    seconds = {"reading": round(reading_seconds, 3), "audit": round(time.perf_counter() - started, 3)}
    return build_report(pool, given, truth, found, ranking, config, seconds), found, ranking
