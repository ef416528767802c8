"""Ranks, suspects, what is promised of them, and rows like them."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit.config import SelectionRule
from labelaudit.data.dataset import NO_LABEL
from labelaudit.detection.promises import Precision, expected_precision
from labelaudit.detection.ranking import rank_rows
from labelaudit.detection.signals import Signals
from labelaudit.detection.similar import MOST_ROWS, SHOWN, similar_rows


def signals() -> Signals:
    posterior = np.array([[0.05, 0.95], [0.9, 0.1], [np.nan, np.nan], [0.4, 0.6], [0.5, 0.5]])
    return Signals(
        influence=np.array([1.0, -1.0, np.nan, -3.0, 0.0]),
        posterior=posterior,
        out_of_fold=None,
        loss=posterior[:, 0],
        margin=posterior[:, 0],
    )


def test_unreliable_scores_have_no_suspects_unless_a_number_is_asked_for():
    labels = np.array([0, 0, 0, 0, 1])
    assert not rank_rows(signals(), labels, "score", SelectionRule(), reliable=False).suspect.any()
    assert not rank_rows(signals(), labels, "score", SelectionRule(precision=0.1), reliable=False).suspect.any()
    assert rank_rows(signals(), labels, "score", SelectionRule(budget=2), reliable=False).suspect.sum() == 2


def test_ranking_by_hand():
    labels = np.array([0, 0, 0, 0, 1])
    ranking = rank_rows(signals(), labels, "score", SelectionRule(), reliable=True)
    assert ranking.rank.tolist() == [1, 4, 0, 2, 3]
    assert ranking.score[[0, 1, 3, 4]] == pytest.approx([0.95, 0.1, 0.6, 0.5])
    assert ranking.suggested.tolist() == [1, 1, NO_LABEL, 1, 0]
    assert ranking.suspect.tolist() == [True, False, False, True, False]
    assert rank_rows(signals(), labels, "influence", SelectionRule(), reliable=True).rank.tolist() == [4, 2, 0, 1, 3]


@pytest.mark.parametrize(
    ("selection", "suspects"),
    [
        (SelectionRule(precision=0.95), [0]),
        (SelectionRule(precision=0.7), [0, 3]),  # (.95 + .6) / 2 = .775, (.95 + .6 + .5) / 3 = .683
        (SelectionRule(precision=0.6), [0, 3, 4]),
        (SelectionRule(precision=1.0), []),
        (SelectionRule(budget=3), [0, 3, 4]),
        (SelectionRule(budget=99), [0, 1, 3, 4]),
    ],
)
def test_suspects_follow_from_the_aim(selection, suspects):
    ranking = rank_rows(signals(), np.array([0, 0, 0, 0, 1]), "score", selection, reliable=True)
    assert np.flatnonzero(ranking.suspect).tolist() == suspects
    assert (ranking.suggested[suspects] != NO_LABEL).all()


def test_of_a_budget_by_influence_the_first_by_influence_are_suspects():
    ranking = rank_rows(signals(), np.array([0, 0, 0, 0, 1]), "influence", SelectionRule(budget=2), reliable=True)
    assert np.flatnonzero(ranking.suspect).tolist() == [1, 3]


def test_similar_rows_are_the_nearest_of_the_suggested_class_in_the_same_fold():
    labels = np.array([0, 1, 1, 1, 1, 1, 1, 0])
    posterior = np.where(labels[:, None] == np.arange(2), 0.9, 0.1)
    posterior[0] = [0.1, 0.9]  # row 0 looks like a 1
    posterior[1] = [0.8, 0.2]  # so does row 1 like a 0: a suspect is no example
    fine = np.zeros(8)
    ranking = rank_rows(Signals(fine, posterior, None, fine, fine), labels, "score", SelectionRule(), reliable=True)
    sketches = np.array([[0.0], [0.1], [5], [1], [2], [0.2], [3], [9]], dtype=np.float32)
    fold_of = np.array([0, 0, 0, 0, 0, 1, 0, 0])
    similar = similar_rows(sketches, fold_of, labels, ranking)
    assert SHOWN == 3
    assert similar[0] == [3, 4, 6]  # row 5 is nearer, but of the other fold
    assert similar[1] == [7]
    assert similar[7] == [2, 6, 4]  # a row that is no suspect: the best alternative
    of_given = similar_rows(sketches, fold_of, labels, ranking, labels)
    assert of_given[:2] == [[7], [3, 4, 6]]
    assert of_given[7] == []  # no other row of its class is free of suspicion


def test_only_the_first_rows_get_similar_ones():
    rows = MOST_ROWS + 2
    labels, fine = np.zeros(rows, dtype=np.int64), np.zeros(rows)
    wrong = np.linspace(0.4, 0.1, rows)
    posterior = np.column_stack([1 - wrong, wrong])
    ranking = rank_rows(Signals(fine, posterior, None, fine, fine), labels, "score", SelectionRule(), reliable=True)
    sketches = np.arange(rows, dtype=np.float32)[:, None]
    similar = similar_rows(sketches, np.zeros(rows, dtype=np.int64), labels, ranking, labels)
    assert similar[0] == [1, 2, 3]
    assert sorted(similar[MOST_ROWS - 1]) == [997, 998, 1000]
    assert similar[MOST_ROWS:] == [None, None]


def test_the_expected_precision_is_the_mean_score_of_the_suspects():
    labels = np.array([0, 0, 0, 0, 1])
    ranking = rank_rows(signals(), labels, "score", SelectionRule(), reliable=True)
    assert expected_precision(ranking) == Precision(pytest.approx((0.95 + 0.6) / 2))
    none = rank_rows(signals(), labels, "score", SelectionRule(precision=1.0), reliable=True)
    assert expected_precision(none) is None
