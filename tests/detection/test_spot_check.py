from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, betabinom, binom, binomtest

from labelaudit.detection.spot_check import Looked, allocate, share_wrong, strata_of, wrong_at_least, wrong_between


@pytest.mark.parametrize(("wrong", "checked"), [(27, 30), (1, 30), (30, 30), (5, 8)])
def test_the_bound_is_the_share_that_shows_as_many_in_one_of_twenty_draws(wrong, checked):
    share = wrong_at_least(wrong, checked)
    assert binom.sf(wrong - 1, checked, share) == pytest.approx(0.05)


def test_bounds_of_a_spot_check_by_scipy():
    assert wrong_at_least(27, 30) == pytest.approx(0.7614, abs=1e-4)
    assert wrong_at_least(0, 30) == 0
    for wrong in (0, 3, 30):
        exact = binomtest(wrong, 30).proportion_ci(0.95, method="exact")
        assert wrong_between(wrong, 30) == pytest.approx((exact.low, exact.high))


def test_strata_are_the_suspects_the_most_doubtful_others_and_the_rest():
    score = np.array([0.9, 0.2, np.nan, 0.4, 0.8, 0.1, 0.3, 0.95, 0.05, 0.6])
    suspect = np.array([1, 0, 0, 0, 1, 0, 0, 1, 0, 0], dtype=bool)
    left = np.array([1, 1, 0, 1, 1, 1, 1, 0, 1, 1], dtype=bool)  # 7 was looked at before
    suspects, doubtful, rest = strata_of(score, suspect, left)
    assert suspects.tolist() == [0, 4]
    assert doubtful.tolist() == [9, 3]  # as many as there are suspects
    assert rest.tolist() == [6, 1, 5, 8]
    none, doubtful, _ = strata_of(np.linspace(0, 0.4, 50), np.zeros(50, dtype=bool), np.ones(50, dtype=bool))
    assert (none.tolist(), doubtful.tolist()) == ([], [49, 48, 47, 46, 45])  # a tenth of the rows


def test_more_rows_are_drawn_where_more_is_unknown_and_larger_draws_hold_smaller_ones():
    score = np.r_[np.full(100, 0.5), np.full(100, 0.1), np.full(800, 0.02)]
    strata = [np.arange(100), np.arange(100, 200), np.arange(200, 1000)]
    # Size × deviation: 50, 30, 112
    assert allocate(strata, score, 96) == [25, 15, 56]
    draws = [allocate(strata, score, number) for number in range(6, 200)]
    assert all(sum(draw) == number for number, draw in zip(range(6, 200), draws, strict=True))
    assert all((np.diff(counts) >= 0).all() for counts in np.array(draws).T)
    assert allocate(strata, score, 5000) == [100, 100, 800]
    assert allocate([np.arange(0), np.arange(1), np.arange(1, 4)], score, 30) == [0, 1, 3]


def test_the_range_of_one_stratum_is_that_of_its_beta_binomial_posterior():
    share, low, high = share_wrong([Looked(1_000_000, wrong=5, right=15)])
    assert share == 0.25
    assert (low, high) == pytest.approx(beta.ppf([0.05, 0.95], 5.5, 15.5), abs=1e-4)
    mean, variance = Looked(50, wrong=5, right=15).total(0)
    assert mean == pytest.approx(5 + betabinom.mean(30, 5.5, 15.5))
    assert variance == pytest.approx(betabinom.var(30, 5.5, 15.5))


def test_the_share_is_weighted_by_strata():
    looked = [Looked(100, wrong=9, right=1), Looked(100, wrong=3, right=7), Looked(800, wrong=0, right=10)]
    assert share_wrong(looked)[0] == pytest.approx((90 + 30 + 0) / 1000)
    means, variances = zip(*(part.total(0) for part in looked), strict=True)
    drawn = np.random.default_rng(0)
    totals = sum(
        part.wrong + betabinom.rvs(part.rows - 10, part.wrong + 0.5, part.right + 0.5, size=40_000, random_state=drawn)
        for part in looked
    )
    assert (np.mean(totals), np.var(totals)) == pytest.approx((sum(means), sum(variances)), rel=0.02)
    (low, high), exact = share_wrong(looked)[1:], np.quantile(totals / 1000, [0.05, 0.95])
    assert (
        exact[0] - 0.025 < low < exact[0]
    )  # the sum is skewed, a Beta variable is less so, and its range the safer one
    assert high == pytest.approx(exact[1], abs=0.015)


def test_who_looks_at_all_rows_knows_the_share():
    looked = [Looked(10, wrong=7, right=3), Looked(20, wrong=1, right=19)]
    assert share_wrong(looked, known_wrong=2, known_right=8) == pytest.approx((0.25, 0.25, 0.25))


def test_rows_outside_of_the_draw_count_for_themselves_only():
    drawn, alone = Looked(100, wrong=5, right=5), Looked(100, wrong=5, right=5, others_wrong=50)
    assert share_wrong([drawn])[0] == 0.5
    assert share_wrong([alone])[0] == pytest.approx(0.5 + 0.5 * 0.5)  # half is known; half of the other half is wrong
    assert share_wrong([alone])[1] >= 0.55  # as many were found
    assert share_wrong([Looked(100, others_right=90, wrong=5, right=5)]) == pytest.approx((0.05, 0.05, 0.05))


def test_unsure_rows_may_be_either():
    sure, unsure = Looked(1000, wrong=5, right=15), Looked(1000, wrong=5, right=10, unsure=5)
    assert share_wrong([unsure])[1] == pytest.approx(share_wrong([sure])[1])
    assert share_wrong([unsure])[2] == pytest.approx(share_wrong([Looked(1000, wrong=10, right=10)])[2])
    assert share_wrong([unsure])[0] == pytest.approx(1 / 3)
    assert share_wrong([Looked(1000, unsure=20)])[1] < 0.01
    assert share_wrong([Looked(1000, unsure=20)])[2] > 0.99


@pytest.mark.parametrize("number", [30, 100])
@pytest.mark.parametrize("told", [1.0, 0.5, 2.0])
def test_the_range_holds_whether_the_scores_are_right_or_not(number, told):
    """P(wrong) is told as it is, half of it, and twice of it; the range is to hold in 90% of the draws."""
    random = np.random.default_rng(0)
    true = random.beta(0.15, 1.2, 5000)
    score = np.clip(told * true, 0, 1)
    wrong = random.random(5000) < true
    strata = strata_of(score, score > 0.5, np.full(5000, True))
    held = []
    for _ in range(400):
        looked = []
        for rows, count in zip(strata, allocate(strata, score, number), strict=True):
            found = int(wrong[random.choice(rows, count, replace=False)].sum())
            looked.append(Looked(len(rows), wrong=found, right=count - found))
        _, low, high = share_wrong(looked)
        held.append(low <= wrong.mean() <= high)
    assert np.mean(held) >= 0.88
