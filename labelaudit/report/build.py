"""An audit's outcome → the report's rows and metadata."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray

from labelaudit.audit.audit import Audit
from labelaudit.audit.audit_data import AuditData
from labelaudit.config import AuditConfig
from labelaudit.data.class_names import class_name_twins
from labelaudit.data.copies import contradicting
from labelaudit.data.dataset import NO_LABEL, fingerprint
from labelaudit.detection.accuracy import HeldOutAccuracy
from labelaudit.detection.noise import count
from labelaudit.detection.outliers import outlier_shares
from labelaudit.detection.promises import Precision, expected_precision
from labelaudit.detection.ranking import Ranking
from labelaudit.detection.share import NORMAL, Share
from labelaudit.detection.similar import similar_rows
from labelaudit.influence.query_loss import QUERY_TEXT
from labelaudit.report.report import Report
from labelaudit.report.schema import SCHEMA, SCHEMA_VERSION
from labelaudit.report.spot_check import COLUMNS, draw
from labelaudit.runtime.large_arrays import blocks, of_given
from labelaudit.types import Floats, Labels

PAIRS = 50  # of classes mistaken for each other that are kept


def build_report(
    data: AuditData,
    labels: NDArray[np.int64],
    truth: NDArray[np.int64] | None,
    audit: Audit,
    ranking: Ranking,
    config: AuditConfig,
    seconds: dict[str, float],
) -> Report:
    """Put an audit into the report's form.

    Args:
        data: The rows.
        labels: The audited class indices, shape (N,).
        truth: The true ones where known, else `NO_LABEL`, shape (N,); None if none is known.
        audit: What was found.
        ranking: The verdict.
        config: The settings, as given.
        seconds: How long each part took.
    """
    rows = len(data.dataset)
    names = [*data.classes, None]  # NO_LABEL, −1, is None
    true = np.full(rows, NO_LABEL) if truth is None else truth
    signals, scored = audit.findings.signals, audit.findings.signals.scored
    out_of_fold, by_epoch = signals.out_of_fold, audit.findings.by_epoch
    p_label = np.full(rows, np.nan) if out_of_fold is None else of_given(out_of_fold, labels)
    status, reason = _statuses(data, labels, scored)
    suggested, p_suggested = _suggestions(ranking, audit)
    similar = partial(similar_rows, audit.findings.sketches, audit.findings.networks.fold_of, labels, ranking)
    groups = data.copies.groups
    certainty = np.full(rows, np.nan) if out_of_fold is None else out_of_fold.max(1)
    outliers = outlier_shares(data.likeness.apart, data.likeness.empty, certainty)
    terms = [audit.terms.get(row) if ranking.suggested[row] != NO_LABEL else None for row in range(rows)]
    table = pa.table(
        {
            "id": list(data.dataset.ids),
            "row": np.arange(rows),
            "content_hash": list(data.hashes[:rows]),
            "label": [names[index] for index in labels],
            "suggested_label": [names[index] for index in suggested],
            "influence": pa.array(signals.influence, mask=~np.isfinite(signals.influence)),
            "influence_by_epoch": pa.array(list(by_epoch), mask=~scored) if by_epoch.shape[1] else [None] * rows,
            "rank": pa.array(ranking.rank, mask=~scored),
            "score": pa.array(ranking.score, mask=~scored),
            "suspect": ranking.suspect,
            "p_label": pa.array(p_label, mask=~np.isfinite(p_label)),
            "p_suggested": pa.array(p_suggested, mask=~np.isfinite(p_suggested)),
            "loss": pa.array(signals.loss, mask=~np.isfinite(signals.loss)),
            "similar": similar(),
            "similar_given": similar(labels),
            "terms_suggested": [None if found is None else found.suggested for found in terms],
            "terms_given": [None if found is None else found.given for found in terms],
            "duplicate_group": pa.array(groups, mask=groups < 0),
            "contradicts": contradicting(groups, labels),
            "in_test": data.copies.in_test(),
            "near_duplicate_of": pa.array(data.likeness.of, mask=data.likeness.of < 0),
            "near_in_test": data.likeness.in_test,
            "outlier": pa.array(outliers, mask=~np.isfinite(outliers)),
            "status": status,
            "reason": reason,
            "true_label": [names[index] for index in true],
            "is_flipped": pa.array(labels != true, mask=(true == NO_LABEL) | (labels == NO_LABEL)),
        },
        schema=SCHEMA,
    )
    identity = zip(data.dataset.ids, (names[index] for index in labels), data.hashes[:rows], strict=True)
    metadata = _metadata(data, labels, audit, ranking, config, fingerprint(list(identity)), seconds)
    metadata["spot_check"] = draw(table.select(COLUMNS).to_pandas(), metadata["dataset_fingerprint"])
    return Report(table, metadata, data.dataset)


def _metadata(
    data: AuditData,
    labels: NDArray[np.int64],
    audit: Audit,
    ranking: Ranking,
    config: AuditConfig,
    dataset_fingerprint: str,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """How the report was made, and what is estimated of the labels as a whole."""
    resolved = config.model_copy(update={"source": data.dataset.settings})  # so that a later run does the same
    if audit.text_encoding is not None:
        model = config.model.model_copy(update={"text_encoding": audit.text_encoding})
        resolved = resolved.model_copy(update={"model": model})
    images = None if data.inputs is None else data.inputs.images
    return {
        "schema_version": SCHEMA_VERSION,
        "labelaudit_version": version("labelaudit"),
        "torch_version": torch.__version__,
        "python_version": platform.python_version(),
        "platform": platform.platform(),
        "device": audit.device,
        "source": {"path": data.dataset.source, "kind": data.dataset.kind, "notes": list(data.dataset.notes)},
        "test_source": data.test.source if data.test else None,
        "query": {
            "rows": audit.query_text,
            "what": QUERY_TEXT[config.influence.query],
            "temperatures": list(audit.findings.temperatures),
        },
        "accuracy": _accuracy(data.classes, audit.findings.accuracy, audit.findings.advice),
        "noise": _noise(data.classes, labels, audit, ranking),
        "config": resolved.model_dump(mode="json"),
        "training": audit.training.model_dump(mode="json"),
        "model": audit.model,
        "input": audit.input_text,
        "images": None if images is None else asdict(images),
        "parameters": audit.findings.parameters,
        "tracked_parameters": audit.findings.tracked,
        "seed": config.seed,
        "dataset_fingerprint": dataset_fingerprint,
        "classes": list(data.classes),
        "alike_by_chance": data.copies.by_chance,
        "other_splits": list(data.other_splits),
        "class_name_twins": [asdict(twins) for twins in class_name_twins(data.dataset.labels)],
        "seconds": {} if config.deterministic else seconds,
    }


def _accuracy(classes: tuple[str, ...], accuracy: HeldOutAccuracy, advice: str | None) -> dict[str, Any]:
    """How often the networks agree with labels they were not trained on, by class too, and what to do about it."""
    by_class = zip(classes, accuracy.rows.tolist(), accuracy.right.tolist(), strict=True)
    return {
        "overall": accuracy.overall,
        "most_frequent": accuracy.most_frequent,
        "classes": {name: right / rows if rows else None for name, rows, right in by_class},
        "advice": advice,
    }


def _noise(classes: tuple[str, ...], labels: NDArray[np.int64], audit: Audit, ranking: Ranking) -> dict[str, Any]:
    """The estimates: how many labels are wrong, which class is mistaken for which, how good the list is."""
    posterior, scored = audit.findings.signals.posterior, np.flatnonzero(audit.findings.signals.scored)
    rows = np.zeros((len(classes), len(classes)))  # given × true
    for block in blocks(len(scored), len(classes)):
        count(posterior[scored[block]].astype(float), labels[scored[block]], rows)
    np.fill_diagonal(rows, 0)
    most = np.argpartition(rows, -min(PAIRS, rows.size), axis=None)[-min(PAIRS, rows.size) :]  # of thousands of classes
    pairs = sorted(((rows[g, c], g, c) for g, c in zip(*np.unravel_index(most, rows.shape), strict=True)), reverse=True)
    share, doubt = audit.findings.noise.share, audit.findings.doubt
    if doubt is not None:
        share = replace(share, point=0.0, low=0.0, high=1.0, verdict="cannot tell")
    told = [
        pair_of(classes[given], classes[true], float(count), share)
        for count, given, true in pairs
        if share.verdict == "measured" and count >= 1
    ]
    return share_figures(share) | noise_figures(told, expected_precision(ranking), doubt)


def share_figures(share: Share) -> dict[str, Any]:
    """The share of wrong labels as the metadata has it: no rate where it cannot be told."""
    return {
        "verdict": share.verdict,
        "rate": None if share.verdict == "cannot tell" else share.point,
        "rate_low": share.low,
        "rate_high": share.high,
        "seen": share.seen,
        "disagreeing": share.disagreeing,
        "gain": share.gain,
        "basis": share.basis,
    }


def noise_figures(pairs: list[dict[str, Any]], expected: Precision | None, doubt: str | None) -> dict[str, Any]:
    """What the metadata has of the noise beside the share."""
    return {
        "pairs": pairs,
        "expected_precision": None if expected is None else asdict(expected),
        "doubt": doubt,
    }


def pair_of(given: str, true: str, rows: float, share: Share) -> dict[str, Any]:
    """How many rows of one class are called another: expected, and from the ends of the share and by chance."""
    least, most = (share.low / share.point, share.high / share.point) if share.point else (1.0, 1.0)
    chance = NORMAL * float(np.sqrt(rows))
    return {
        "given": given,
        "true": true,
        "rows": rows,
        "interval": [max(0.0, rows * least - chance), rows * most + chance],
    }


def probabilities_of(report: Report, audit: Audit) -> pd.DataFrame:
    """Class probabilities of each row by networks that were not trained on it, a column `p(CLASS)` for each class.

    They are calibrated on the query. NaN where every network was trained on the row, or it could not be read.
    """
    classes, rows = report.metadata["classes"], len(report)
    out_of_fold = audit.findings.signals.out_of_fold
    values = np.full((rows, len(classes)), np.nan) if out_of_fold is None else out_of_fold.copy()
    for row, probabilities in audit.unlabelled.items():
        values[row] = probabilities
    names = pd.DataFrame({name: report.table[name].to_pylist() for name in ("id", "label", "status")})
    return pd.concat([names, pd.DataFrame(values, columns=[f"p({name})" for name in classes])], axis=1)


def _suggestions(ranking: Ranking, audit: Audit) -> tuple[Labels, Floats]:
    """The suggested class of each row, and of rows without a label its probability; NaN where there is a label."""
    suggested, probability = ranking.suggested.copy(), np.full(len(ranking.suggested), np.nan)
    for row, probabilities in audit.unlabelled.items():
        suggested[row], probability[row] = probabilities.argmax(), probabilities.max()
    return suggested, probability


def _statuses(
    data: AuditData, labels: NDArray[np.int64], scored: NDArray[np.bool_]
) -> tuple[list[str], list[str | None]]:
    status: list[str] = []
    reason: list[str | None] = []
    of_class = Counter(int(labels[row]) for row in data.alone)
    for row, problem in enumerate(data.problems):
        if scored[row]:
            status.append("scored")
            reason.append(None)
        elif problem is not None:
            status.append("unreadable")
            reason.append(problem)
        elif row in data.alone:
            status.append("unscorable")
            only = of_class[labels[row]] == 1
            reason.append("the only row of its class" if only else "all rows of its class are copies or of one group")
        elif labels[row] == NO_LABEL:
            status.append("unlabelled")
            reason.append("no label given")
        else:
            status.append("query")
            reason.append("held out as the query")
    return status, reason
