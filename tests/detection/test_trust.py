"""What the audit says of itself on real digits: the noise rate, the list's precision, and when it cannot tell."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from labelaudit.audit.doubts import why_unreliable
from labelaudit.audit.judge import Findings, audit_folds
from labelaudit.audit.task import AuditTask, View
from labelaudit.config import AuditConfig, SelectionRule, TrainingConfig
from labelaudit.data.batches import Features, standardise_each
from labelaudit.data.flips import flip_rows
from labelaudit.data.splits import cross_audit
from labelaudit.detection.accuracy import Predictions
from labelaudit.detection.noise import Noise
from labelaudit.detection.ranking import rank_rows
from labelaudit.detection.share import Share
from labelaudit.models.flat import FlatModel
from labelaudit.models.paper import cnn
from labelaudit.progress import NullProgress
from tests.support.data import CPU
from tests.support.progress import Notes

ROWS, CLASSES = 2000, 10
MANY_ROWS = 4000  # with fewer, the network is weaker, doubts more right labels and believes more wrong ones


@lru_cache(maxsize=2)
def digits(file: Path, rows: int = ROWS) -> tuple[torch.Tensor, np.ndarray]:
    with np.load(file) as arrays:
        images, labels = arrays["x_train"][:rows], arrays["y_train"][:rows]
    return standardise_each(torch.from_numpy(images).float()[:, None] / 255), labels.astype(np.int64)


def audited(file: Path, labels: np.ndarray, progress: NullProgress, learning_rate: float = 0.01) -> Findings:
    def network(number: int, seed: int) -> FlatModel:
        torch.manual_seed(seed)
        return FlatModel(cnn(CLASSES, 1, 28), CPU, torch.float32)

    config = AuditConfig(training=TrainingConfig(epochs=6, batch_size=32, learning_rate=learning_rate))
    rows = len(labels)
    batches = Features(digits(file, rows)[0], torch.from_numpy(labels))
    folds = cross_audit(np.arange(rows), labels, 0)
    return audit_folds(AuditTask(View(batches, network), folds, rows, CLASSES), config, progress)


def test_clean_digits_have_next_to_no_suspects(dataset_file):
    file = dataset_file("mnist.npz")
    labels = digits(file, MANY_ROWS)[1]
    findings = audited(file, labels, NullProgress())
    assert findings.noise.rate < 0.01
    assert rank_rows(findings.signals, labels, "score", SelectionRule(), reliable=True).suspect.mean() <= 0.005


def test_flips_are_counted_found_and_corrected_as_promised(dataset_file):
    """A fifth of the digits are called the next one: the rate, the pairs, the precision, the suggestions."""
    file = dataset_file("mnist.npz")
    true = digits(file, MANY_ROWS)[1]
    given = flip_rows(true, CLASSES, MANY_ROWS // 5, "pair", 0)
    findings = audited(file, given, NullProgress())
    assert findings.noise.rate == pytest.approx(0.2, abs=0.05)
    ranking = rank_rows(findings.signals, given, "score", SelectionRule(precision=0.9), reliable=findings.doubt is None)
    chosen = ranking.suspect
    assert (given != true)[chosen].mean() > 0.85
    assert chosen.sum() > MANY_ROWS // 10  # half of the flips
    assert (ranking.suggested[chosen] == true[chosen]).mean() > 0.9
    pairs = np.zeros((CLASSES, CLASSES))
    np.add.at(pairs, given, findings.signals.posterior)
    np.fill_diagonal(pairs, 0)
    assert (pairs.argmax(1) == (np.arange(CLASSES) - 1) % CLASSES).all()


def test_labels_that_say_nothing_are_told_not_listed(dataset_file):
    file = dataset_file("mnist.npz")
    labels = np.random.default_rng(0).integers(0, CLASSES, ROWS)
    progress = Notes()
    findings = audited(file, labels, progress)
    assert findings.doubt is not None
    assert findings.doubt in progress.notes[-1]
    assert "not reliable" in progress.notes[-1]
    assert not rank_rows(findings.signals, labels, "score", SelectionRule(), reliable=False).suspect.any()


@pytest.mark.parametrize(
    ("confidence", "reliable"),
    [(0.0, False), (0.6, True)],  # of the right class, above its share
)
def test_a_network_that_only_knows_how_frequent_the_classes_are_knows_nothing(confidence, reliable):
    labels = np.arange(200) % 10 == 0
    p_true = np.where(labels, 0.1 + confidence, 0.9 + confidence / 10)
    log_p = np.log(np.stack([np.where(labels, 1 - p_true, p_true), np.where(labels, p_true, 1 - p_true)], 1))
    noise = Noise(Share(0.1, 0.1, 0.1), np.eye(2), 1.0)
    assert (why_unreliable(Predictions.of(log_p, labels.astype(np.int64)), noise) is None) == reliable


def test_more_wrong_labels_than_can_be_told_apart_are_told():
    labels = np.arange(100) % 4
    knowing = np.log(0.97 * np.eye(4)[labels] + 0.01)
    assert why_unreliable(Predictions.of(knowing, labels), Noise(Share(0.3, 0.3, 0.3), np.eye(4), 1.0)) is None
    assert "70% of the labels are wrong" in (
        why_unreliable(Predictions.of(knowing, labels), Noise(Share(0.7, 0.7, 0.7), np.eye(4), 1.0)) or ""
    )
