"""The share of wrong labels by hand, and on real and made labels: what it covers, and where it stays silent."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import StandardScaler

from labelaudit.detection.calibration import log_softmax
from labelaudit.detection.noise import MIN_FREE_GAIN, STARTS, estimate_noise
from labelaudit.detection.share import (
    BLIND,
    BLIND_WEAKER,
    CLEAR,
    CLEAR_GAIN,
    EVEN_SPREAD,
    FEW,
    HIDDEN,
    HIDDEN_BY_HARDNESS,
    MIN_GAIN,
    MISFIT,
    NORMAL,
    Signs,
    estimate_share,
    evenness,
    hidden_ratio,
    not_told,
    widened_by_rules,
    without_upper_end,
)
from labelaudit.detection.transition import spread_strength


def deviation(share, rows):
    return np.sqrt(share * (1 - share) / rows)


def test_the_constants_are_those_the_benchmark_was_run_with():
    assert (MIN_GAIN, CLEAR_GAIN, BLIND, MISFIT, CLEAR, FEW) == (4, 30, 0.15, 0.12, 0.2, 0.1)
    assert (EVEN_SPREAD, HIDDEN, HIDDEN_BY_HARDNESS, NORMAL) == (25, 0.7, 1.6, 1.645)
    assert (MIN_FREE_GAIN, STARTS) == (6, ((1, 0.05), (2, 0.1), (4, 0.25)))


def test_a_measured_share_by_hand():
    """Seen .1 of .2 that disagree: the low end is .1 − .12 · .2, the high end 1.5 · .1, each by 1.645 deviations."""
    share = estimate_share([Signs(0.1, 0.2, 50.0, 0.5)], 1000)
    assert (share.verdict, share.point) == ("measured", 0.1)
    assert share.low == pytest.approx(0.1 - 0.12 * 0.2 - 1.645 * deviation(0.1, 1000))
    assert share.high == pytest.approx(0.15 + 1.645 * deviation(0.15, 1000))


def test_of_few_rows_the_low_end_is_none():
    share = estimate_share([Signs(0.03, 0.1, 50.0, 0.5)], 40)
    assert (share.verdict, share.low) == ("measured", 0)


def test_where_nothing_disagrees_none_are_seen():
    share = estimate_share([Signs(0.0, 0.0, 0.0, 0.5)], 1000)
    assert (share.verdict, share.point, share.low) == ("none seen", 0, 0)
    assert share.high == pytest.approx(1.645 * deviation(0.001, 1000), rel=1e-3)  # as if one row did


def test_a_weaker_view_has_to_show_more():
    """Seen .034 of .2 that disagree are .17 of them."""
    assert estimate_share([Signs(0.034, 0.2, 10.0, 0.5)], 1000).verdict == "measured"
    assert estimate_share([Signs(0.034, 0.2, 10.0, 0.5, BLIND_WEAKER)], 1000).verdict == "cannot tell"
    assert estimate_share([Signs(0.041, 0.2, 10.0, 0.5, BLIND_WEAKER)], 1000).verdict == "measured"
    assert BLIND_WEAKER == 0.2


def test_a_range_says_what_it_rests_on():
    share = estimate_share([Signs(0.05, 0.75, 1.0, 0.5)], 8)
    assert (share.high, share.basis) == (1.0, "out of fold")  # of eight rows all may be wrong
    assert (without_upper_end(share).high, without_upper_end(share).basis) == (1.0, "in sample")


def test_the_high_end_is_no_more_than_what_disagrees():
    share = estimate_share([Signs(0.1, 0.12, 50.0, 5.0)], 1000)
    assert share.high == pytest.approx(0.12 + 1.645 * deviation(0.12, 1000))


@pytest.mark.parametrize(
    ("signs", "verdict"),
    [
        (Signs(0.10, 0.20, 3.9, 0.5), "cannot tell"),  # noise explains the labels no better than none
        (Signs(0.04, 0.09, 3.9, 0.5), "cannot tell"),  # .09 + 1.645 · .009 is more than one in ten
        (Signs(0.012, 0.08, 3.9, 0.5), "none seen"),
        (Signs(0.013, 0.08, 3.9, 0.5), "cannot tell"),  # more than .15 of what disagrees contradicts confident ones
        (Signs(0.03, 0.20, 20.0, 0.5), "cannot tell"),  # seven times as much disagrees: the network's own errors
        (Signs(0.029, 0.20, 40.0, 0.0), "cannot tell"),  # however many nats, if what a misfit may be explains it
        (Signs(0.13, 0.90, 40.0, 0.0), "measured"),  # tens of nats, and more than a misfit
        (Signs(0.03, 0.19, 4.0, 0.5), "measured"),
    ],
)
def test_the_verdict(signs, verdict):
    assert estimate_share([signs], 1000 if signs.seen < 0.12 else 10**6).verdict == verdict


def test_without_a_measured_share_the_range_is_all_that_disagrees():
    share = estimate_share([Signs(0.1, 0.2, 1.0, 0.5)], 400)
    assert share.low == 0
    assert share.high == pytest.approx(0.2 + 1.645 * deviation(0.2, 400))


def test_what_is_seen_beside_a_misfit_counts_in_part():
    """At .16 of what disagrees half of it is believed: (.16 − .12) / (.20 − .12)."""
    assert estimate_share([Signs(0.032, 0.2, 50.0, 1.0)], 10**6).point == pytest.approx(0.016)


def test_that_there_is_noise_is_believed_of_any_evidence_and_how_much_of_the_best():
    best, other = Signs(0.05, 0.10, 2.0, 0.5), Signs(0.15, 0.25, 20.0, 0.5)
    share = estimate_share([best, other], 1000)
    assert (share.verdict, share.seen, share.gain) == ("measured", 0.05, 20.0)
    blind = Signs(0.0, 0.10, 0.0, 0.5)
    assert estimate_share([blind, other], 1000).seen == 0.15
    assert estimate_share([blind, Signs(0.15, 0.25, 2.0, 0.5)], 1000).seen == 0.0


def test_hidden_labels_are_those_of_people():
    assert hidden_ratio(0.0, 1.0) == 0.7
    assert hidden_ratio(0.0, 0.5) == pytest.approx(0.7 + 1.6 * 0.5)
    assert hidden_ratio(25.0, 1.0) == pytest.approx(0.35)
    assert hidden_ratio(500.0, 0.3) < 1e-4


def test_where_the_true_labels_are_certain_evenness_is_counted():
    """Of 400 rows 40 labels are wrong, 4 of them among the hundred that are predicted most confidently."""
    true, rows = np.arange(400) % 3, np.arange(400)
    wrong = (rows < 300) & (rows % 300 < 36) | (rows >= 396)
    given = np.where(wrong, (true + 1) % 3, true)
    confidence = np.linspace(0.4, 0.99, 400)[:, None]
    predicted = np.where(np.eye(3, dtype=bool)[true], confidence, (1 - confidence) / 2)
    transition = np.array([[0.9, 0.07, 0.03], [0.02, 0.9, 0.08], [0.06, 0.04, 0.9]])
    assert evenness(np.eye(3)[true], predicted, transition, given) == pytest.approx(0.04 / 0.1)


def test_evenness_is_the_rate_of_the_surest_quarter_by_the_mean():
    """Four kinds of rows, of which a network is ever surer; labels are wrong in all of them, or in the first two."""
    rows, classes = 4000, 3
    sure = np.repeat([0.5, 0.7, 0.9, 0.97], rows // 4)
    true = np.arange(rows) % classes
    p = np.where(np.eye(classes, dtype=bool)[true], sure[:, None], (1 - sure[:, None]) / 2)
    transition = np.full((3, 3), 0.05) + 0.85 * np.eye(3)
    generator = np.random.default_rng(0)
    drawn = (p.cumsum(1) > generator.random((rows, 1))).argmax(1)
    everywhere = np.where(generator.random(rows) < 0.2, (drawn + 1 + generator.integers(0, 2, rows)) % 3, drawn)
    in_hard_rows = np.where(sure < 0.8, everywhere, drawn)
    assert evenness(p, p, transition, everywhere) == pytest.approx(1, abs=0.15)
    assert evenness(p, p, transition, in_hard_rows) < 0.4
    in_sure_rows = np.where(sure > 0.95, everywhere, drawn)
    assert evenness(p, p, transition, in_sure_rows) == 1  # no mean is exceeded


def test_spread_by_draws_from_dirichlets():
    generator = np.random.default_rng(0)
    for strength in (2.0, 50.0):
        chances = generator.dirichlet(np.full(9, strength / 9), size=10)
        counts = np.zeros((10, 10))
        counts[~np.eye(10, dtype=bool)] = np.concatenate([generator.multinomial(2000, row) for row in chances])
        assert spread_strength(counts) == pytest.approx(strength, rel=0.5)
    assert spread_strength(np.array([[90.0, 10.0], [5.0, 95.0]])) == 0


def made(rates, rows=3000, seed=0, sharpness=4.0):
    """Evidence of two classes, and labels of which such shares of each class are wrong."""
    generator = np.random.default_rng(seed)
    evidence = generator.normal(size=(rows, 2))
    true = (np.exp(log_softmax(sharpness * evidence)).cumsum(1) > generator.random((rows, 1))).argmax(1)
    given = np.where(generator.random(rows) < np.array(rates)[true], 1 - true, true)
    return evidence, true, given


@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.3, 0.3), (0.3, 0.0), (0.0, 0.2)])
def test_two_classes_of_one_rate_or_two(rates):
    evidence, true, given = made(rates)
    noise = estimate_noise(evidence, given)
    assert 1 - np.diag(noise.transition) == pytest.approx(rates, abs=0.04)
    assert noise.share.low < (true != given).mean() < noise.share.high
    assert noise.share.point == pytest.approx((true != given).mean(), abs=0.03)


def test_nothing_depends_on_the_order_of_the_rows():
    evidence, _, given = made((0.2, 0.1), rows=9000)
    order = np.random.default_rng(1).permutation(len(given))
    here, there = estimate_noise(evidence, given), estimate_noise(evidence[order], given[order])
    assert here.share.point == pytest.approx(there.share.point, rel=1e-6)
    assert here.transition == pytest.approx(there.transition, rel=1e-6)


@pytest.mark.parametrize("load", [load_iris, load_wine])
@pytest.mark.parametrize("flips", [0, 10])
def test_clean_tables_stay_silent_and_flips_are_covered(load, flips):
    features, true = load(return_X_y=True)
    given = true.copy()
    rows = np.random.default_rng(0).permutation(len(true))[:flips]
    given[rows] = (given[rows] + 1) % 3
    model, features = LogisticRegression(C=1.0), StandardScaler().fit_transform(features)
    p = cross_val_predict(model, features, given, cv=5, method="predict_proba")
    share = estimate_noise(np.log(p), given).share
    assert share.low <= flips / len(true) <= share.high
    assert (share.low > 0) == (share.verdict == "measured") == (flips > 0)


def test_what_a_weak_network_measures_is_not_told():
    measured = estimate_share([Signs(0.1, 0.2, 50.0, 0.0)], 1000)
    untold = not_told(measured)
    assert (untold.verdict, untold.low, untold.high) == ("cannot tell", 0.0, 0.2)
    assert not_told(untold) is untold
    assert not_told(estimate_share([Signs(0.1, 0.2, 50.0, 5.0)], 1000)).high > 0.2  # as far as the range went


@pytest.mark.parametrize(
    ("stronger", "high"),
    [
        (0.07, None),  # not clearly fewer than .1
        (0.05, 0.4),  # half of it: .1 · 2²
        (0.04, 0.625),
        (0.0, 1.0),  # .1 · 4² is more than all
    ],
)
def test_where_a_stronger_network_sees_fewer_wrong_labels_more_may_be_wrong(stronger, high):
    share = estimate_share([Signs(0.1, 0.3, 50.0, 0.5)], 1000)
    widened = widened_by_rules(share, estimate_share([Signs(stronger, 0.3, 50.0, 0.5)], 1000))
    if high is None:
        assert widened is share
    else:
        assert (widened.high, widened.basis) == (pytest.approx(high), "learnt rules")
        assert (widened.low, widened.point) == (share.low, share.point)


def test_what_is_seen_is_at_most_four_times_as_little_as_it_is():
    share = estimate_share([Signs(0.03, 0.1, 50.0, 0.5)], 1000)
    widened = widened_by_rules(share, estimate_share([Signs(0.0, 0.1, 50.0, 0.5)], 1000))
    assert widened.high == pytest.approx(0.03 * 4**2)


def test_nothing_is_widened_that_was_not_measured():
    unmeasured = estimate_share([Signs(0.1, 0.3, 1.0, 0.5)], 1000)
    assert widened_by_rules(unmeasured, estimate_share([Signs(0.0, 0.3, 1.0, 0.5)], 1000)) is unmeasured
