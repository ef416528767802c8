from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labelaudit.config import SelectionRule
from labelaudit.data.dataset import NO_LABEL
from labelaudit.detection.calibration import Calibration, calibrate, calibrate_to, log_softmax
from labelaudit.detection.metrics import (
    detection_metrics,
    list_metrics,
    share_metrics,
    suggestion_metrics,
    summarise,
)
from labelaudit.detection.noise import Noise, estimate_noise
from labelaudit.detection.posterior import (
    PRIOR_ROWS,
    Evidence,
    adapt_to_own_rate,
    label_posterior,
    relabel_evidence,
)
from labelaudit.detection.promises import Precision
from labelaudit.detection.ranking import rank_rows
from labelaudit.detection.share import Share
from labelaudit.detection.signals import Signals
from labelaudit.detection.similar import SHOWN, similar_rows
from labelaudit.detection.transition import shrink_transition


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


def made_labels(transition, rows=20000, seed=0, sharpness=3.0):
    """Evidence, true labels drawn from softmax(sharpness · evidence), and given labels drawn from T."""
    generator = np.random.default_rng(seed)
    evidence = generator.normal(size=(rows, len(transition)))
    likely = np.exp(log_softmax(sharpness * evidence))
    true = (likely.cumsum(1) > generator.random((rows, 1))).argmax(1)
    given = (transition[true].cumsum(1) > generator.random((rows, 1))).argmax(1)
    return evidence, true, given


CONFUSED = np.array([[0.8, 0.2, 0.0], [0.0, 0.95, 0.05], [0.05, 0.0, 0.95]])


def test_noise_is_recovered_from_labels_that_were_made_with_it():
    evidence, true, given = made_labels(CONFUSED)
    noise = estimate_noise(evidence, given)
    wrong = (true != given).mean()
    assert noise.share.low < wrong < noise.share.high  # where classes are confused, more may be wrong than one can see
    assert noise.share.seen == pytest.approx(wrong, abs=0.01)
    assert noise.transition == pytest.approx(CONFUSED, abs=0.02)  # of so many rows, nothing is left to chance
    assert noise.evidence_weight == pytest.approx(3.0, rel=0.1)  # the noise does not blunt it


def test_evenly_spread_noise_is_recovered():
    even = np.full((5, 5), 0.03) + 0.85 * np.eye(5)
    evidence, true, given = made_labels(even)
    noise = estimate_noise(evidence, given)
    assert noise.rate == pytest.approx((true != given).mean(), abs=0.015)
    assert noise.share.low < (true != given).mean() < noise.share.high


def test_learnt_confusions_are_taken_out_of_evidence_of_another_kind_too():
    """Where q = p T is predicted, p is what is left of it; evidence of half the size is calibrated anew."""
    confused = 0.8 * np.eye(3) + 0.2 * np.roll(np.eye(3), 1, axis=1)
    logits, _, given = made_labels(confused, rows=4000)
    p = np.exp(log_softmax(3.0 * logits))
    evidence = np.log(p @ confused)
    noise = Noise(Share(0.2, 0.1, 0.3), confused, 1.0, Calibration.start(3))
    carried = noise.carried_over(evidence / 2, given)
    assert carried.given_label_calibration.weight == pytest.approx(2, rel=0.05)
    for read, values in ((noise, evidence), (carried, evidence / 2)):
        assert np.abs(np.exp(log_softmax(read.true_label_evidence(values))) - p).mean() < 0.02
    wavering = replace(noise, given_label_calibration=None)
    assert wavering.carried_over(evidence / 2, given) is wavering
    np.testing.assert_array_equal(wavering.true_label_evidence(evidence), evidence)


def counted(transition, rows, seed=0):
    generator = np.random.default_rng(seed)
    return np.array([generator.multinomial(rows, chances) for chances in transition]).astype(float)


def test_few_or_evenly_spread_mistakes_make_an_even_transition_and_confusions_that_stand_out_stay():
    even = np.full((10, 10), 0.1 / 9) + np.eye(10) * (0.9 - 0.1 / 9)
    raw = counted(even, 60)  # some six mistakes in each class
    fitted = shrink_transition(raw)
    assert np.abs(raw / 60 - even).max() > 0.05
    assert fitted == pytest.approx(even, abs=0.03)
    assert fitted.sum(1) == pytest.approx(np.ones(10))
    next_one = np.roll(np.eye(10), 1, axis=1) * 0.2 + np.eye(10) * 0.8
    raw = counted(next_one, 60)
    assert np.abs(shrink_transition(raw) - next_one).max() < 0.6 * np.abs(raw / 60 - next_one).max()
    assert shrink_transition(counted(next_one, 6000)) == pytest.approx(next_one, abs=0.02)


def test_classes_that_are_mistaken_more_often_than_others_stay_so():
    rates = np.linspace(0.05, 0.45, 10)[:, None]
    transition = np.where(np.eye(10, dtype=bool), 1 - rates, rates / 9)
    assert 1 - np.diag(shrink_transition(counted(transition, 2000))) == pytest.approx(rates[:, 0], abs=0.04)


def test_two_classes_have_one_rate():
    assert shrink_transition(np.array([[90.0, 10.0], [40.0, 60.0]])) == pytest.approx(
        np.array([[0.75, 0.25], [0.25, 0.75]])
    )


def test_nothing_wrong_leaves_next_to_no_chance_of_it():
    assert shrink_transition(np.eye(3) * 50) == pytest.approx(np.eye(3), abs=1e-6)
    assert (shrink_transition(np.eye(3) * 50) > 0).all()


def test_clean_labels_of_which_many_are_hard_are_not_taken_for_noise():
    evidence, true, _ = made_labels(np.eye(3))
    wrong_by_evidence = (evidence.argmax(1) != true).mean()
    assert wrong_by_evidence > 0.15
    noise = estimate_noise(evidence, true)
    assert noise.rate < 0.02
    assert 1e-5 < 1 - np.diag(noise.transition).mean() < 0.02  # some wrong labels stay possible


def test_evidence_that_contradicts_the_labels_gets_no_weight():
    generator = np.random.default_rng(0)
    labels = np.arange(300) % 3
    against = -np.eye(3)[labels] + 0.1 * generator.normal(size=(300, 3))
    assert calibrate(against, labels, np.eye(3) * 0.97 + 0.01).weight == 0


def test_posterior_is_bayes_rule_and_its_mean_the_rate():
    """With the true sharpness and T, P(true c | evidence, given g) ∝ p(c) T[c, g]: compared with the draws."""
    evidence, true, given = made_labels(CONFUSED, rows=40000)
    even_less = Noise(Share(float((true != given).mean()), 0.0, 1.0), np.clip(CONFUSED, 1e-9, 1), 1.0)
    posterior = label_posterior(Evidence(evidence, 1.0), [], given, even_less)
    assert posterior.sum(1) == pytest.approx(np.ones(len(given)))
    score = 1 - posterior[np.arange(len(given)), given]
    assert score.mean() == pytest.approx(even_less.rate)
    exact = np.exp(log_softmax(3.0 * evidence)) * even_less.transition[:, given].T
    exact /= exact.sum(1, keepdims=True)
    assert np.abs(posterior - exact).mean() < 0.01
    for low, high in ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0)):
        rows = (score > low) & (score <= high)
        assert (true != given)[rows].mean() == pytest.approx(score[rows].mean(), abs=0.03)


def test_evidence_that_knows_the_given_labels_by_heart_counts_for_little():
    """Fitted to the labels it would count for everything, and no label would be wrong."""
    evidence, true, given = made_labels(CONFUSED, rows=5000)
    noise = estimate_noise(evidence, given)
    by_heart = 9.0 * np.eye(3)[given] + np.random.default_rng(1).normal(size=(5000, 3))
    beside = label_posterior(Evidence(evidence, 1.0), [Evidence(by_heart, 2.0)], given, noise)
    score = 1 - beside[np.arange(5000), given]
    to_labels = calibrate(by_heart, given, noise.transition).log_probabilities(by_heart)
    reference = calibrate(evidence, given, noise.transition).log_probabilities(evidence)
    fitted = log_softmax((reference + 2 * to_labels) / 3 + np.log(noise.likelihood(given)))
    as_fitted = 1 - np.exp(fitted[np.arange(5000), given])
    ranked = [detection_metrics(values, true != given)["average_precision"] for values in (score, as_fitted)]
    assert ranked[0] > ranked[1] + 0.2
    assert score.mean() == pytest.approx(noise.rate)


def test_a_mean_of_blunt_evidence_is_as_sharp_as_what_is_said_of_the_labels():
    """Nine kinds that say nothing, and so are flattened, do not blunt the one that does."""
    evidence, _, given = made_labels(CONFUSED, rows=2000)
    noise = estimate_noise(evidence, given)
    nothing = [Evidence(np.random.default_rng(seed).normal(size=(2000, 3)), 1.0) for seed in range(9)]
    alone, among = (label_posterior(Evidence(evidence, 1.0), others, given, noise) for others in ([], nothing))
    assert np.abs(alone - among).mean() < 0.02


def test_calibration_to_probabilities_finds_the_weight_that_made_them():
    evidence = np.random.default_rng(0).normal(size=(500, 3))
    found = calibrate_to(evidence, np.exp(log_softmax(1.7 * evidence + np.array([0.3, 0.0, -0.3]))))
    assert found.weight == pytest.approx(1.7, abs=0.01)
    assert found.bias == pytest.approx([0.3, 0, -0.3], abs=0.01)


def test_knowing_which_class_is_mistaken_for_which_helps_the_ranking():
    evidence, true, given = made_labels(np.roll(np.eye(10), 1, axis=1) * 0.2 + np.eye(10) * 0.8, rows=3000)
    noise = estimate_noise(evidence, given)
    score = 1 - label_posterior(Evidence(evidence, 1.0), [], given, noise)[np.arange(3000), given]
    loss = -log_softmax(evidence)[np.arange(3000), given]
    better, plain = (detection_metrics(s, true != given)["average_precision"] for s in (score, loss))
    assert better > plain + 0.05


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


def test_rows_with_their_own_share_of_wrong_labels():
    """Found with 2% wrong. At the fixed point, own rate = (Σ wrong + 50 · 2%) / (N + 50), by Bayes' rule."""
    wrong = np.array([0.3] * 20 + [0.001] * 80)
    posterior = np.stack([1 - wrong, 0.75 * wrong, 0.25 * wrong], axis=1)
    labels = np.zeros(100, dtype=np.int64)
    adapted = adapt_to_own_rate(posterior, labels, 0.02)
    found = 1 - adapted[:, 0]
    own = (found.sum() + PRIOR_ROWS * 0.02) / (100 + PRIOR_ROWS)
    factor = (own / (1 - own)) / (0.02 / 0.98)
    odds = wrong / (1 - wrong) * factor
    assert found == pytest.approx(odds / (1 + odds), abs=1e-6)
    assert own > 0.1
    assert adapted[:, 1] / adapted[:, 2] == pytest.approx(np.full(100, 3))
    assert adapted.sum(1) == pytest.approx(np.ones(100))
    assert posterior[0, 0] == 0.7  # left as it was


def test_rows_that_are_no_worse_stay_as_they_are():
    wrong = np.full(50, 0.02)
    posterior = np.stack([1 - wrong, wrong], axis=1)
    assert adapt_to_own_rate(posterior, np.zeros(50, dtype=np.int64), 0.02) == pytest.approx(posterior, abs=1e-9)
    assert adapt_to_own_rate(posterior[:0], np.zeros(0, dtype=np.int64), 0.02).shape == (0, 2)


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
