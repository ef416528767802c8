from __future__ import annotations

import numpy as np
import pytest

from labelaudit.data.dataset import NO_LABEL
from labelaudit.detection.metrics import detection_metrics, suggestion_accuracy, summarise
from labelaudit.detection.posterior import label_posterior, relabel_evidence
from labelaudit.detection.ranking import rank_rows
from labelaudit.detection.signals import Signals


def test_metrics_by_hand():
    """Order of suspicion: wrong, right, wrong, right × 7."""
    suspicion = np.array([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0])
    wrong = np.array([True, False, True] + [False] * 7)
    metrics = detection_metrics(suspicion, wrong)
    assert metrics["average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert metrics["auroc"] == pytest.approx(15 / 16)  # one of the 2·8 pairs is in the wrong order
    assert (metrics["precision_at_k"], metrics["recall_at_k"]) == (0.5, 0.5)
    assert (metrics["precision_at_20%"], metrics["recall_at_20%"]) == (0.5, 0.5)
    assert (metrics["precision_at_1%"], metrics["recall_at_1%"]) == (1.0, 0.5)  # at least one row


def test_suggestions_count_over_the_wrong_labels_only():
    suggested, true, given = np.array([1, 0, NO_LABEL, 2]), np.array([1, 2, 1, 2]), np.array([0, 1, 2, 2])
    assert suggestion_accuracy(suggested, true, given) == pytest.approx(1 / 3)


def test_summary_is_mean_and_sample_deviation():
    runs = [{"score": {"auroc": value}} for value in (0.5, 0.7)]
    assert summarise(runs) == {"score": {"auroc": {"mean": pytest.approx(0.6), "std": pytest.approx(0.1 * 2**0.5)}}}
    assert summarise(runs[:1])["score"]["auroc"]["std"] == 0


def test_posterior_recovers_the_model_that_made_the_labels():
    generator = np.random.default_rng(0)
    telling, noise = generator.normal(size=(2, 20000, 3))
    bias = np.array([1.0, 0.0, -1.0])
    logits = 2 * telling + bias
    truth = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (truth.cumsum(1) > generator.random((20000, 1))).argmax(1)
    posterior = label_posterior([telling, noise], labels)
    assert np.abs(posterior - truth).mean() < 0.01
    assert posterior.sum(1) == pytest.approx(np.ones(20000))


def test_evidence_that_contradicts_the_labels_gets_no_weight():
    generator = np.random.default_rng(0)
    labels = np.arange(300) % 3
    against = -np.eye(3)[labels] + 0.1 * generator.normal(size=(300, 3))
    assert label_posterior([against], labels) == pytest.approx(np.full((300, 3), 1 / 3), abs=1e-3)


def test_relabel_evidence_is_centred_in_rows_and_scaled():
    influence = np.array([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]]) * 1e-9
    evidence = relabel_evidence(influence)
    assert evidence.mean(1) == pytest.approx(np.zeros(2))
    assert evidence.std() == pytest.approx(1)
    assert evidence[0, 2] / evidence[0, 1] == pytest.approx(-3)
    assert not relabel_evidence(np.ones((2, 3))).any()


def signals() -> Signals:
    posterior = np.array([[0.05, 0.95], [0.9, 0.1], [np.nan, np.nan], [0.4, 0.6], [0.5, 0.5]])
    return Signals(
        influence=np.array([1.0, -1.0, np.nan, -3.0, 0.0]),
        posterior=posterior,
        out_of_fold=None,
        loss=posterior[:, 0],
        margin=posterior[:, 0],
    )


def test_a_network_that_knows_nothing_of_many_classes_has_no_suspects():
    guessing = np.full((4, 100), 0.01)
    guessing[:, 1] = 0.011
    known = Signals(np.zeros(4), guessing, None, np.zeros(4), np.zeros(4))
    ranking = rank_rows(known, np.zeros(4, dtype=np.int64), "score", threshold=0.9)
    assert (ranking.score > 0.9).all()
    assert not ranking.suspect.any()


def test_ranking_by_hand():
    labels = np.array([0, 0, 0, 0, 1])
    ranking = rank_rows(signals(), labels, "score", threshold=0.6)
    assert ranking.rank.tolist() == [1, 4, 0, 2, 3]
    assert ranking.score[[0, 1, 3, 4]] == pytest.approx([0.95, 0.1, 0.6, 0.5])
    assert ranking.suggested.tolist() == [1, NO_LABEL, NO_LABEL, 1, 0]
    assert ranking.suspect.tolist() == [True, False, False, True, False]
    assert not rank_rows(signals(), labels, "score", threshold=0.96).suspect.any()
    assert rank_rows(signals(), labels, "influence", 0.6).rank.tolist() == [4, 2, 0, 1, 3]
