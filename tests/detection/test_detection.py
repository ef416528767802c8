"""Noise and probabilities, on labels that were made with known noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labelaudit.detection.calibration import Calibration, calibrate, calibrate_to, log_softmax
from labelaudit.detection.metrics import detection_metrics
from labelaudit.detection.noise import MIN_CLASS_PROBABILITY, SINGULAR, Noise, estimate_noise, without_confusions
from labelaudit.detection.posterior import (
    PRIOR_ROWS,
    Evidence,
    adapt_to_own_rate,
    label_posterior,
    relabel_evidence,
)
from labelaudit.detection.share import Share
from labelaudit.detection.transition import shrink_transition


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


@pytest.mark.parametrize("classes", [5, 400])
def test_directions_that_a_transition_does_next_to_nothing_for_are_left_out(classes):
    """By NumPy's pseudo-inverse: where nearly all classes are called the first one, T hardly tells some apart."""
    transition = 0.53 * np.eye(classes)
    transition[:, 0] += 0.47
    q = np.random.default_rng(0).dirichlet(np.ones(classes), size=20)
    left = np.maximum(q @ np.linalg.pinv(transition, rcond=SINGULAR), MIN_CLASS_PROBABILITY)
    expected = np.log(left / left.sum(1, keepdims=True))
    np.testing.assert_allclose(without_confusions(q, transition), expected, atol=1e-9)
    whole = np.linalg.inv(transition)
    assert np.allclose(whole, np.linalg.pinv(transition, rcond=SINGULAR)) == (classes == 5)


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


def test_kinds_of_evidence_are_combined_by_their_weights():
    """Two views of one thing, each with errors of its own: together they know more; the heavier one counts more."""
    evidence, true, given = made_labels(CONFUSED, rows=3000)
    draw = np.random.default_rng(1)
    first, second = (evidence + draw.normal(size=evidence.shape) for _ in range(2))
    noise, rows = estimate_noise(first, given), np.arange(3000)

    def score(*others):
        return 1 - label_posterior(Evidence(first, 1.0), list(others), given, noise)[rows, given]

    alone, both = score(), score(Evidence(second, 1.0))
    found = [detection_metrics(values, true != given)["average_precision"] for values in (alone, both)]
    assert found[1] > found[0] + 0.05
    mostly, only = score(Evidence(second, 1e6)), score(Evidence(second, 1e9))
    assert mostly == pytest.approx(only, abs=1e-3)
    distances = [np.abs(values - only).mean() for values in (alone, both, score(Evidence(second, 4.0)))]
    assert distances == sorted(distances, reverse=True)


def test_the_same_evidence_twice_says_nothing_more():
    evidence, _, given = made_labels(CONFUSED, rows=2000)
    noise = estimate_noise(evidence, given)
    once = label_posterior(Evidence(evidence, 1.0), [], given, noise)
    twice = label_posterior(Evidence(evidence, 1.0), [Evidence(5 * evidence + 1, 3.0)], given, noise)
    assert np.abs(once - twice).mean() < 0.02


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


def test_a_weaker_view_says_that_it_is_one():
    evidence, _, given = made_labels(CONFUSED, rows=3000)
    assert estimate_noise(evidence, given).share.basis == "out of fold"
    assert estimate_noise(evidence, given, is_weaker=True).share.basis == "weaker view"


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
