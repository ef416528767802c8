"""An audit's outcome → the report's rows and metadata."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from labelaudit.audit import Audit
from labelaudit.config import AuditConfig
from labelaudit.data.dataset import NO_LABEL, fingerprint
from labelaudit.detection.ranking import Ranking
from labelaudit.detection.similar import similar_rows
from labelaudit.influence.query_loss import QUERY_TEXT
from labelaudit.pool import Pool
from labelaudit.report.report import Report
from labelaudit.report.schema import SCHEMA, SCHEMA_VERSION

PAIRS = 50  # of classes mistaken for each other that are kept


def build_report(
    pool: Pool,
    labels: NDArray[np.int64],
    truth: NDArray[np.int64] | None,
    audit: Audit,
    ranking: Ranking,
    config: AuditConfig,
    seconds: dict[str, float],
) -> Report:
    """Put an audit into the report's form.

    Args:
        pool: The rows.
        labels: The audited class indices, shape (N,).
        truth: The true ones where known, else `NO_LABEL`, shape (N,); None if none is known.
        audit: What was found.
        ranking: The verdict.
        config: The settings, as given.
        seconds: How long each part took.
    """
    rows = len(pool.dataset)
    names = [*pool.classes, None]  # NO_LABEL, −1, is None
    true = np.full(rows, NO_LABEL) if truth is None else truth
    signals, scored = audit.findings.signals, audit.findings.signals.scored
    out_of_fold, by_epoch = signals.out_of_fold, audit.findings.by_epoch
    p_label = np.full(rows, np.nan) if out_of_fold is None else out_of_fold[np.arange(rows), labels]
    status, reason = _statuses(pool, labels, scored)
    table = pa.table(
        {
            "id": list(pool.dataset.ids),
            "row": np.arange(rows),
            "content_hash": list(pool.hashes[:rows]),
            "label": [names[index] for index in labels],
            "suggested_label": [names[index] for index in ranking.suggested],
            "influence": pa.array(signals.influence, mask=~scored),
            "influence_by_epoch": pa.array(list(by_epoch), mask=~scored) if by_epoch.shape[1] else [None] * rows,
            "rank": pa.array(ranking.rank, mask=~scored),
            "score": pa.array(ranking.score, mask=~scored),
            "suspect": ranking.suspect,
            "p_label": pa.array(p_label, mask=~np.isfinite(p_label)),
            "loss": pa.array(signals.loss, mask=~scored),
            "similar": similar_rows(audit.findings.sketches, audit.findings.networks.fold_of, labels, ranking),
            "status": status,
            "reason": reason,
            "true_label": [names[index] for index in true],
            "is_flipped": pa.array(labels != true, mask=(true == NO_LABEL) | (labels == NO_LABEL)),
        },
        schema=SCHEMA,
    )
    identity = zip(pool.dataset.ids, (names[index] for index in labels), pool.hashes[:rows], strict=True)
    metadata: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "labelaudit_version": version("labelaudit"),
        "torch_version": torch.__version__,
        "python_version": platform.python_version(),
        "platform": platform.platform(),
        "device": audit.device,
        "source": {"path": pool.dataset.source, "kind": pool.dataset.kind, "notes": list(pool.dataset.notes)},
        "test_source": pool.test.source if pool.test else None,
        "query": {
            "rows": audit.query_text,
            "what": QUERY_TEXT[config.influence.query],
            "temperatures": list(audit.findings.temperatures),
        },
        "noise": _noise(pool.classes, labels, audit, ranking),
        "config": config.model_copy(update={"source": pool.dataset.settings}).model_dump(mode="json"),
        "training": audit.training.model_dump(mode="json"),
        "model": pool.inputs.model,
        "input": audit.input_text,
        "parameters": audit.findings.parameters,
        "tracked_parameters": audit.findings.tracked,
        "seed": config.seed,
        "dataset_fingerprint": fingerprint(list(identity)),
        "classes": list(pool.classes),
        "seconds": seconds,
    }
    return Report(table, metadata, pool.dataset)


def _noise(classes: tuple[str, ...], labels: NDArray[np.int64], audit: Audit, ranking: Ranking) -> dict[str, Any]:
    """The estimates: how many labels are wrong, which class is mistaken for which, how good the list is."""
    posterior, scored = audit.findings.signals.posterior, np.flatnonzero(audit.findings.signals.scored)
    rows = np.zeros((len(classes), len(classes)))  # given × true
    np.add.at(rows, labels[scored], posterior[scored])
    np.fill_diagonal(rows, 0)
    pairs = sorted(((rows[g, c], g, c) for g, c in zip(*np.nonzero(rows), strict=True)), reverse=True)[:PAIRS]
    expected = ranking.expected_precision
    return {
        "rate": None if audit.findings.doubt else audit.findings.noise.rate,
        "pairs": [
            {"given": classes[given], "true": classes[true], "rows": float(count)}
            for count, given, true in pairs
            if not audit.findings.doubt and count >= 1
        ],
        "expected_precision": None if expected is None else {"mean": expected[0], "std": expected[1]},
        "doubt": audit.findings.doubt,
    }


def _statuses(pool: Pool, labels: NDArray[np.int64], scored: NDArray[np.bool_]) -> tuple[list[str], list[str | None]]:
    status: list[str] = []
    reason: list[str | None] = []
    for row, problem in enumerate(pool.problems):
        if scored[row]:
            status.append("scored")
            reason.append(None)
        elif problem is not None:
            status.append("unreadable")
            reason.append(problem)
        elif labels[row] == NO_LABEL:
            status.append("unlabelled")
            reason.append("no label given")
        else:
            status.append("query")
            reason.append("held out as the query")
    return status, reason
