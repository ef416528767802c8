"""What rankings, lists, suggestions and ranges are measured by."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit.data.dataset import NO_LABEL
from labelaudit.detection.metrics import (
    detection_metrics,
    list_metrics,
    share_metrics,
    suggestion_metrics,
    summarise,
)
from labelaudit.detection.promises import Precision
from labelaudit.detection.share import Share


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


def test_cuts_by_hand():
    """Of thirty rows four are wrong, at the ranks 1, 3, 4 and 7."""
    wrong = np.isin(np.arange(1, 31), [1, 3, 4, 7])
    metrics = detection_metrics(-np.arange(30.0), wrong)
    assert (metrics["precision_at_k"], metrics["recall_at_k"]) == (3 / 4, 3 / 4)
    assert (metrics["precision_at_5%"], metrics["recall_at_5%"]) == (1 / 2, 1 / 4)
    assert (metrics["precision_at_10%"], metrics["recall_at_10%"]) == (2 / 3, 2 / 4)
    assert (metrics["precision_at_20%"], metrics["recall_at_20%"]) == (3 / 6, 3 / 4)


def test_a_list_is_measured_against_what_was_said_of_it():
    suspect, wrong = np.array([True, True, True, False, False]), np.array([True, True, False, True, True])
    assert list_metrics(suspect, wrong, Precision(0.7)) == {
        "suspects": 3,
        "suspects_recall": 0.5,
        "suspects_precision_stated": 0.7,
        "suspects_precision": pytest.approx(2 / 3),
        "suspects_precision_gap": pytest.approx(0.7 - 2 / 3),
    }
    assert list_metrics(np.zeros(5, dtype=bool), wrong, None) == {"suspects": 0, "suspects_recall": 0}


@pytest.mark.parametrize(
    ("wrong", "low", "high", "held"), [(0, 0.0, 0.1, 1), (1, 0.25, 0.3, 1), (1, 0.1, 0.25, 1), (1, 0.3, 0.4, 0)]
)
def test_a_range_holds_at_its_ends(wrong, low, high, held):
    found = share_metrics(Share(0.05, low, high, "cannot tell"), np.arange(4) < wrong)
    assert (found["noise_rate_held"], found["noise_rate_cannot_tell"], found["noise_rate_measured"]) == (held, 1, 0)
    assert "noise_rate_error" not in found


def test_an_estimate_is_measured_where_there_is_one():
    measured = share_metrics(Share(0.2, 0.1, 0.3), np.arange(4) < 1)
    assert (measured["noise_rate_estimated"], measured["noise_rate_error"]) == (0.2, pytest.approx(0.05))


def test_suggestions_count_over_the_wrong_labels_that_have_one():
    suggested, true, given = np.array([1, 0, NO_LABEL, 2]), np.array([1, 2, 1, 2]), np.array([0, 1, 2, 2])
    assert suggestion_metrics(suggested, true, given) == {"suggestion_accuracy": pytest.approx(1 / 2)}
    assert suggestion_metrics(np.full(4, NO_LABEL), true, given) == {}


def test_summary_is_mean_and_sample_deviation():
    runs = [{"score": {"auroc": value}} for value in (0.5, 0.7)]
    assert summarise(runs) == {"score": {"auroc": {"mean": pytest.approx(0.6), "std": pytest.approx(0.1 * 2**0.5)}}}
    assert summarise(runs[:1]) == {"score": {"auroc": {"mean": 0.5}}}
    some = [{"score": {"suspects": 0.0}}, {"score": {"suspects": 4.0, "suspects_precision": 0.75}}]
    assert summarise(some)["score"]["suspects_precision"] == {"mean": 0.75}  # an empty list has no precision
