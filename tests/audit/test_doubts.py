"""When what the networks of single folds say is not to be relied on; of all folds, see test_judge.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelaudit.audit.collect import Collected
from labelaudit.audit.doubts import (
    advice_on_weak,
    beats_guessing,
    doubt_of_trees,
    not_called_wrong,
    rows_of_failed_folds,
)
from labelaudit.audit.task import AuditTask, View
from labelaudit.data.batches import Features
from labelaudit.data.images import ImageSummary
from labelaudit.data.splits import Fold
from labelaudit.detection.accuracy import Predictions
from labelaudit.detection.noise import Noise
from labelaudit.detection.share import Share
from labelaudit.models.registry import SMALL_MODELS
from tests.support.progress import Notes

CNN = SMALL_MODELS["cnn"][1]


def log_p_of(labels, right, sure=0.9):
    """Two classes, predicted as surely as that, rightly for the first `right` rows."""
    favourite = np.where(np.arange(len(labels)) < right, labels, 1 - labels)
    return np.log(np.where(np.eye(2)[favourite] == 1, sure, 1 - sure))


@pytest.mark.parametrize(
    ("right", "sure", "expected"),
    [
        (15, 0.9, False),  # P(15 or more of 20 at 1/2) = .0207
        (16, 0.9, True),  # .0059
        (14, 0.9, False),  # .058
        (10, 0.9, False),
    ],
)
def test_a_fold_beats_guessing_in_accuracy_or_in_nats(right, sure, expected):
    labels = np.arange(20) % 2
    log_p = log_p_of(labels, right, sure)
    gain = log_p[np.arange(20), labels] - np.log(0.5)
    in_nats = gain.mean() > 2 * gain.std() / np.sqrt(20)
    assert beats_guessing(Predictions.of(log_p, labels)) is expected
    assert in_nats is np.bool_(False)  # fifteen sure right and five as sure wrong gain .04 ± .21


def test_nats_tell_where_accuracy_cannot():
    """Nine in ten are of one class, which is always the favourite; it is so least where it is not the label."""
    labels = (np.arange(100) < 10).astype(int)
    p = np.where(labels == 1, 0.4, 0.05)
    assert beats_guessing(Predictions.of(np.log(np.stack([1 - p, p], axis=1)), labels))
    assert not beats_guessing(Predictions.of(np.log(np.tile([0.9, 0.1], (100, 1))), labels))


def audit_of(rights):
    """Folds of 20 rows each, of which so many are predicted rightly."""
    rows = 20 * len(rights)
    labels = np.arange(rows) % 2
    parts = np.split(np.arange(rows), len(rights))
    folds = [Fold(np.setdiff1d(np.arange(rows), part), part) for part in parts]
    collected = Collected(rows, 2, labels, several_folds=len(rights) > 1)
    collected.queries = [
        Predictions.of(log_p_of(labels[part], right), labels[part]) for part, right in zip(parts, rights, strict=True)
    ]
    view = View(Features(torch.zeros(rows, 1), torch.from_numpy(labels)), lambda number, seed: None)
    return AuditTask(view, folds, rows, 2), collected


@pytest.mark.parametrize(
    ("rights", "failed"), [((20, 20, 11), [2]), ((20, 20, 20), []), ((20, 11, 11), []), ((11, 20), [0]), ((11,), [])]
)
def test_rows_of_a_fold_that_learnt_nothing_are_named_where_most_did_learn(rights, failed):
    notes = Notes()
    rows = rows_of_failed_folds(*audit_of(rights), notes)
    assert rows.tolist() == [row for fold in failed for row in range(20 * fold, 20 * fold + 20)]
    assert notes.notes == [
        f"1 of the {len(rights)} networks learnt nothing: none of the 20 rows that only such a one was asked about is "
        "called a suspect by its score"
        for _ in failed
    ]


def test_trees_judge_the_rows_of_a_fold_that_failed():
    task, collected = audit_of((20, 20, 11))
    collected.by_trees = np.zeros((60, 2))
    assert len(rows_of_failed_folds(task, collected, Notes())) == 0


def test_none_of_these_rows_is_more_probably_wrong_than_right():
    posterior = np.array([[0.2, 0.6, 0.2], [0.1, 0.6, 0.3], [0.7, 0.2, 0.1], [np.nan] * 3, [0.0, 1.0, 0.0]])
    before = posterior.copy()
    not_called_wrong(posterior, np.zeros(5, np.int64), np.array([0, 2, 3, 4]))
    np.testing.assert_allclose(posterior[0], [0.5, 0.375, 0.125])  # the others keep their shares
    np.testing.assert_array_equal(posterior[[1, 2, 3]], before[[1, 2, 3]])
    np.testing.assert_allclose(posterior[4], [0.5, 0.5, 0])


@pytest.mark.parametrize(("right", "told"), [(175, True), (174, False)])
def test_trees_alone_have_to_predict_three_quarters_of_what_there_is_to_gain(right, told):
    """Of two classes as frequent, 87.5% of the labels are three quarters of what is above one half."""
    labels = np.arange(200) % 2
    doubt = doubt_of_trees(Predictions.of(log_p_of(labels, right), labels), Noise(Share(0.1, 0.1, 0.1), np.eye(2), 1.0))
    assert (doubt is None) == told
    assert told or "boosted trees predict 87% of the labels they were not fitted on, too few" in str(doubt)


@pytest.mark.parametrize(
    ("summary", "accuracy", "advised"),
    [
        (ImageSummary(grayscale=False, side=32), 0.8, True),
        (ImageSummary(grayscale=False, side=32), 0.875, False),  # three quarters of what is above the most frequent
        (ImageSummary(grayscale=True, side=64), 0.5, False),
        (ImageSummary(grayscale=False, side=28), 0.5, False),
        (None, 0.5, False),
    ],
)
def test_a_weak_network_says_what_to_do(summary, accuracy, advised):
    advice = advice_on_weak(summary, CNN, accuracy, most_frequent=0.5)
    assert (advice is not None) == advised
    if advised:
        assert "photographs of this size need a pretrained network: `model` resnet18 with `pretrained`" in advice
