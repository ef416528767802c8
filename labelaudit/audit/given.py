"""An audit by probabilities that the user's own network gave, without training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import log_softmax

from labelaudit.audit.audit import Audit
from labelaudit.audit.audit_data import AuditData, check_classes, check_readable, class_indices, rows_alone
from labelaudit.audit.collect import Networks
from labelaudit.audit.doubts import why_unreliable
from labelaudit.audit.judge import Findings
from labelaudit.config import AuditConfig, TrainingConfig
from labelaudit.data.copies import find_copies, kept_together
from labelaudit.data.dataset import NO_LABEL, Dataset
from labelaudit.data.hashing import hash_rows
from labelaudit.detection.accuracy import Predictions, held_out_accuracy
from labelaudit.detection.calibration import calibrate_to_given
from labelaudit.detection.contradictions import judge_together
from labelaudit.detection.fitted_rows import fitted_rows
from labelaudit.detection.noise import estimate_noise
from labelaudit.detection.posterior import Evidence, label_posterior
from labelaudit.detection.signals import Signals
from labelaudit.likeness.compare import compare_rows
from labelaudit.progress import Progress
from labelaudit.runtime.machine import own_threads
from labelaudit.types import Floats

SMALLEST = 1e-6  # probability that counts as none
MODEL = "given probabilities"


def read_labels_only(dataset: Dataset, config: AuditConfig, progress: Progress) -> AuditData:
    """Check labels and content of a dataset that no network gets to see.

    Raises:
        InputError: The labels cannot be audited.
    """
    classes = check_classes(dataset, None, own_order=True)
    with progress.stage("Reading rows", len(dataset)) as advance:
        hashes = hash_rows(dataset, advance)
    check_readable(dataset, dataset.problems, config.source.max_unreadable)
    labels = class_indices([dataset], classes)
    readable = np.array([problem is None for problem in dataset.problems])
    audited = np.flatnonzero(readable & (labels != NO_LABEL))
    alone = rows_alone(dataset, classes, labels, audited)
    copies = find_copies([dataset], hashes)
    likeness = compare_rows([dataset.content], None, copies, dataset.problems, config.source.near, progress)
    return AuditData(
        dataset=dataset,
        test=None,
        inputs=None,
        classes=classes,
        labels=labels,
        hashes=hashes,
        problems=dataset.problems,
        audited=np.setdiff1d(audited, alone),
        test_rows=np.zeros(0, dtype=np.int64),
        device=torch.device("cpu"),
        dtype=torch.float32,
        copies=copies,
        together=kept_together(copies, dataset.groups),
        likeness=likeness,
        alone=frozenset(alone.tolist()),
    )


@own_threads()
def audit_given(data: AuditData, views: Sequence[Floats], progress: Progress) -> Audit:
    """Judge labels by probabilities from networks that were not trained on their rows.

    Args:
        data: The rows.
        views: Probabilities of the classes, each of shape (N, C); of several their geometric mean counts.
        progress: Told if they say nothing.
    """
    rows, classes = len(data.dataset), len(data.classes)
    given, scored = data.labels, data.audited
    log_p = log_softmax(np.mean([np.log(np.maximum(view, SMALLEST)) for view in views], axis=0), axis=1)
    evidence, labels = log_p[scored], given[scored]
    noise = estimate_noise(evidence, labels)
    posterior = np.full((rows, classes), np.nan)
    found = label_posterior(Evidence(evidence, 1.0), [], labels, noise)
    noise = judge_together(found, labels, data.copies.of_one_thing[scored], noise)
    posterior[scored] = found
    some = fitted_rows(evidence, labels)
    to_given = calibrate_to_given(evidence[some], labels[some])
    doubt = why_unreliable(Predictions.of(to_given.log_probabilities(evidence), labels), noise)
    if doubt is not None:
        progress.note(f"{doubt}. The ranking is not reliable, and no row is called a suspect")
    nothing = np.full(rows, np.nan)
    findings = Findings(
        signals=Signals(nothing, posterior, np.exp(log_p), nothing, nothing),
        noise=noise,
        doubt=doubt,
        accuracy=held_out_accuracy(Predictions.of(evidence, labels)),
        advice=None,
        temperatures=(),
        parameters=0,
        tracked=0,
        networks=Networks(np.full(rows, -1), ()),
        by_epoch=np.full((rows, 0), np.nan),
        query_sketch=np.zeros((0, 0), np.float32),
        sketches=np.zeros((rows, 0), np.float32),
    )
    files = (
        "your probabilities" if len(views) == 1 else f"the geometric mean of {len(views)} sets of your probabilities"
    )
    return Audit(
        findings,
        MODEL,
        TrainingConfig(),
        f"{files}: nothing was trained",
        f"{classes} probabilities a row",
        None,
        False,
        "cpu",
        {int(row): np.exp(log_p[row]) for row in data.unlabelled},
    )
