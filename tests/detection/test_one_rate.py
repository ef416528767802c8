"""The noise of classes with few rows, against the full model with one rate in its T."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit.detection.calibration import calibrate, calibrate_to, log_softmax
from labelaudit.detection.fitted_rows import FEW_A_CLASS, few_a_class
from labelaudit.detection.noise import estimate_noise
from labelaudit.detection.one_rate import fit_one_rate
from labelaudit.detection.transition import EvenTransition, likelihood_by

CLASSES = 150


def drawn(wrong, strength=4.0):
    """Two rows of each class, noisy evidence, and so many labels drawn anew."""
    draw = np.random.default_rng(0)
    true = np.repeat(np.arange(CLASSES), 2)
    evidence = strength * np.eye(CLASSES)[true] + draw.normal(size=(len(true), CLASSES))
    given = true.copy()
    rows = draw.choice(len(true), wrong, replace=False)
    given[rows] = (given[rows] + draw.integers(1, CLASSES, wrong)) % CLASSES
    return evidence, given, given != true


def log_likelihood(evidence, given, weight, rate):
    """By the whole T."""
    transition = EvenTransition.of_rate(CLASSES, rate).dense()
    joint = log_softmax(weight * evidence) + np.log(np.maximum(transition, 1e-300))[:, given].T
    return np.logaddexp.reduce(joint, axis=1).sum()


def test_it_is_the_likeliest_weight_and_rate():
    evidence, given, wrong = drawn(30)
    found = fit_one_rate(evidence, given)
    assert found.log_likelihood == pytest.approx(log_likelihood(evidence, given, found.weight, found.rate), abs=1e-2)
    for weight, rate in ((1.03, 1), (0.97, 1), (1, 1.05), (1, 0.95)):
        beside = log_likelihood(evidence, given, weight * found.weight, rate * found.rate)
        assert beside < found.log_likelihood
    assert found.rate == pytest.approx(0.1, abs=0.01)
    assert found.wrong.mean() == pytest.approx(0.1, abs=0.01)
    right = np.exp(log_softmax(found.weight * evidence))[np.arange(len(given)), given]
    by_mistake = found.rate * (1 - right) / (CLASSES - 1)
    assert found.right == pytest.approx(right)
    assert found.wrong == pytest.approx(by_mistake / (by_mistake + (1 - found.rate) * right))
    assert found.wrong[wrong].min() > 0.5 > np.quantile(found.wrong[~wrong], 0.99)


def test_other_evidence_may_tell_that_there_is_noise():
    """The first says next to nothing of the labels' mistakes; the second contradicts thirty with confidence."""
    evidence, given, _ = drawn(30)
    blunt = 0.1 * evidence + np.random.default_rng(1).normal(size=evidence.shape)
    alone = estimate_noise(blunt, given).share
    beside = estimate_noise(blunt, given, [evidence]).share
    assert alone.verdict != "measured"
    assert beside.verdict == "measured"
    assert beside.gain > alone.gain + 20


def test_of_few_classes_it_is_the_likeliest_too():
    """By the derivatives of the likelihood at what was found, from differences."""
    draw = np.random.default_rng(0)
    true = np.arange(400) % 3
    evidence = 2 * np.eye(3)[true] + draw.normal(size=(400, 3))
    given = np.where(np.arange(400) < 60, (true + 1 + np.arange(400) % 2) % 3, true)
    fit = fit_one_rate(evidence, given)

    def likelihood(weight, rate):
        right = np.exp(log_softmax(weight * evidence))[np.arange(400), given]
        return np.log((1 - rate) * right + rate * (1 - right) / 2).sum()

    assert fit.log_likelihood == pytest.approx(likelihood(fit.weight, fit.rate))
    for step in (0.01, -0.01):
        assert likelihood(fit.weight + step, fit.rate) < fit.log_likelihood
        assert likelihood(fit.weight, fit.rate + step / 10) < fit.log_likelihood


def test_what_it_gains_is_over_the_best_weight_without_noise():
    evidence, given, _ = drawn(30)
    found = fit_one_rate(evidence, given)
    weights = np.linspace(0.2, 3, 57)
    without = max(log_likelihood(evidence, given, weight, 0) for weight in weights)
    assert found.without == pytest.approx(without, abs=0.5)
    clean = fit_one_rate(*drawn(0)[:2])
    assert (clean.rate, clean.log_likelihood - clean.without) == (0, 0)


def test_an_even_transition_is_the_matrix_it_stands_for():
    even = EvenTransition.of_rate(4, 0.3)
    dense = np.full((4, 4), 0.1) + 0.6 * np.eye(4)
    labels = np.array([2, 0, 2])
    np.testing.assert_allclose(even.dense(), dense)
    for transition in (even, dense):
        np.testing.assert_allclose(likelihood_by(transition)(labels), dense.T[labels])


def test_with_few_rows_a_class_noise_has_one_rate_and_evidence_one_weight():
    evidence, given, wrong = drawn(30)
    noise = estimate_noise(evidence, given)
    assert few_a_class(len(given), CLASSES)
    expected = EvenTransition.of_rate(CLASSES, fit_one_rate(evidence, given).rate)
    assert (noise.transition.classes, noise.transition.right) == (CLASSES, pytest.approx(expected.right))
    assert noise.share.verdict == "measured"
    assert noise.share.low < wrong.mean() < noise.share.high
    assert estimate_noise(*drawn(0)[:2]).share.verdict != "measured"


def test_classes_of_few_rows_have_no_bias_of_their_own():
    """9 rows a class are few, 10 are not."""
    assert FEW_A_CLASS == 10
    draw = np.random.default_rng(1)
    for rows, without in ((27, True), (30, False)):
        labels = np.arange(rows) % 3
        evidence = np.eye(3)[labels] + draw.normal(size=(rows, 3)) + [0.0, 1.0, 0.0]
        for found in (
            calibrate(evidence, labels, EvenTransition.of_rate(3, 0.1)),
            calibrate_to(evidence, np.eye(3)[labels]),
        ):
            assert bool((found.bias == 0).all()) is without
            assert found.weight > 0
