"""The report's figures, by scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from labelaudit.report.figures import (
    CURVE_POINTS,
    class_summaries,
    confusion_matrix,
    confusion_pairs,
    precision_recall,
    score_histogram,
)


def test_precision_and_recall_are_scikit_learns():
    draw = np.random.default_rng(1)
    wrong = draw.random(5000) < 0.1
    score = np.round(wrong * 0.3 + draw.random(5000) * 0.7, 3)
    frame = pd.DataFrame(
        {
            "is_flipped": wrong.astype(object),
            "rank": np.argsort(np.argsort(-score)) + 1,
            "score": score,
            "influence": -score / 3,
            "suspect": score > 0.6,
        }
    )
    for rank_by in ("score", "influence"):
        curve = precision_recall(frame, rank_by)
        precision, recall, _ = precision_recall_curve(wrong, score, drop_intermediate=True)
        np.testing.assert_array_equal(curve.precision, precision[::-1])
        np.testing.assert_array_equal(curve.recall, recall[::-1])
        assert curve.average == pytest.approx(average_precision_score(wrong, score), abs=1e-12)
    assert curve.chance == wrong.mean()
    caught = (wrong & (score > 0.6)).sum()
    assert curve.suspects == (caught / wrong.sum(), caught / (score > 0.6).sum())
    points = [tuple(map(float, point.split(","))) for point in curve.path.split()]
    assert len(points) <= CURVE_POINTS
    assert points[0] == (44, 12)  # recall 0, precision 1
    assert points[-1][0] == 448  # recall 1
    frame["is_flipped"] = None
    assert precision_recall(frame, "score") is None
    frame["is_flipped"] = False
    assert precision_recall(frame, "score") is None


def test_the_histogram_counts_every_scored_row():
    frame = pd.DataFrame(
        {"score": [0.0, 0.01, 0.049, 0.05, 0.97, 1.0, None], "suspect": [False] * 4 + [True] * 2 + [False]}
    )
    histogram = score_histogram(frame)
    assert [bar.rows for bar in histogram.bars] == [3, 1] + [0] * 17 + [2]
    assert [bar.suspects for bar in histogram.bars] == [0] * 19 + [2]
    assert histogram.bars[0].height > histogram.bars[19].height > histogram.bars[1].height > 0
    assert histogram.bars[2].height == 0
    assert [text for _, text in histogram.ticks] == ["1", "10"]
    assert score_histogram(frame[frame["score"].isna()]) is None


def test_suspects_by_given_and_suggested_class():
    frame = pd.DataFrame(
        {
            "suspect": [True] * 6 + [False],
            "label": ["a", "a", "b", "a", "a", "c", "a"],
            "suggested_label": ["b", "b", "a", "c", "b", None, "b"],
        }
    )
    pairs = confusion_pairs(frame)
    assert [(pair.given, pair.suggested, pair.rows, pair.heat) for pair in pairs] == [
        ("a", "b", 3, 5),
        ("a", "c", 1, 2),
        ("b", "a", 1, 2),
    ]
    assert [[cell.rows for cell in line] for line in confusion_matrix(pairs, ["a", "b", "c"])] == [
        [0, 3, 1],
        [1, 0, 0],
        [0, 0, 0],
    ]
    assert confusion_matrix(pairs, [str(number) for number in range(16)]) is None


def test_classes_are_summed_up():
    frame = pd.DataFrame(
        {
            "row": range(6),
            "id": list("uvwxyz"),
            "label": ["a", "a", "a", "b", "b", None],
            "score": [0.9, 0.2, 0.1, 0.5, None, None],
            "rank": [1, 3, 4, 2, None, None],
            "suspect": [True, False, False, False, False, False],
            "is_flipped": [True, None, False, False, None, None],
        }
    )
    first, second = class_summaries(frame, {"a": 0.75, "b": None}, reliable=True)
    assert (first.name, first.rows, first.suspects, first.known_wrong) == ("a", 3, 1, 1)
    assert first.wrong_share == pytest.approx(0.4)
    assert first.worst == ((0, "u"), (1, "v"), (2, "w"))
    assert (second.name, second.rows, second.wrong_share, second.worst) == ("b", 2, 0.5, ((3, "x"),))
    assert [summary.wrong_share for summary in class_summaries(frame, {}, reliable=False)] == [None, None]
    frame["is_flipped"] = None
    assert class_summaries(frame, {}, reliable=True)[0].known_wrong is None
