"""Recalibration by decisions: beside a posterior in one dimension by hand, and over data drawn from the prior."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import binom

from labelaudit.detection import refine
from labelaudit.detection.refine import Rows, refine_scores
from labelaudit.detection.share import Share


def rows_of(score, evidence=None, given=None, suggested=None):
    rows = len(score)
    return Rows(
        score=np.asarray(score, dtype=np.float64),
        evidence=np.zeros((rows, 1)) if evidence is None else evidence,
        given=np.zeros(rows, dtype=np.int64) if given is None else np.asarray(given),
        suggested=np.full(rows, -1) if suggested is None else np.asarray(suggested),
    )


def found(s):
    """P(found wrong) at log odds s, where one decision in a hundred is a slip, and its derivative."""
    return 0.01 + 0.98 * expit(s), 0.98 * expit(s) * expit(-s)


HALF = Share(0.5, 0.5, 0.5)  # its interval asks for no more than the least level


def test_equal_rows_have_the_posterior_of_one_number():
    """All log odds are 0, so β is but a shift s with prior variance ½² (level) + ½² (bend) + ¼² (class)."""
    wrong = np.array([True] * 8 + [False] * 2)
    refined = refine_scores(rows_of([0.5] * 20), HALF, np.arange(10), wrong)
    mode = brentq(lambda s: found(s)[1] * (8 / found(s)[0] - 2 / (1 - found(s)[0])) - s / 0.5625, -5, 5)
    assert refined.log_odds[10:] == pytest.approx([mode] * 10, abs=1e-4)
    assert refined.score.tolist()[:10] == [1] * 8 + [0] * 2
    assert refined.share.point == pytest.approx((8 + 10 * expit(mode)) / 20, abs=1e-5)

    grid = np.linspace(-4, 6, 2001)
    weight = found(grid)[0] ** 8 * (1 - found(grid)[0]) ** 2 * np.exp(-(grid**2) / 1.125)
    chances = (binom.cdf(np.arange(11)[:, None], 10, expit(grid)) * weight).sum(1) / weight.sum()
    ends = [np.searchsorted(chances, level) for level in (0.025, 0.975)]  # of how many of the other ten are wrong
    assert refined.share.basis == "decisions"
    assert [refined.share.low, refined.share.high] == pytest.approx([(8 + end) / 20 for end in ends], abs=0.06)
    precision = refined.precision(np.arange(10, 20))
    assert precision.mean == pytest.approx(expit(mode), abs=1e-5)
    assert [precision.low, precision.high] == pytest.approx([end / 10 for end in ends], abs=0.12)


def test_the_level_is_as_unsure_as_the_range_of_the_share():
    """Four deviations of it take the share from one end to the other, here from log odds −2.8 to 2.8."""
    share = Share(0.5, expit(-2.8), expit(2.8))
    refined = refine_scores(rows_of([0.5] * 20), share, np.arange(10), np.array([True] * 8 + [False] * 2))
    variance = 1.4**2 + 0.25 + 0.0625
    mode = brentq(lambda s: found(s)[1] * (8 / found(s)[0] - 2 / (1 - found(s)[0])) - s / variance, -5, 5)
    assert refined.log_odds[10:] == pytest.approx([mode] * 10, abs=1e-4)


def test_other_pairs_and_classes_follow_by_what_they_have_in_common():
    """Prior covariances: ½² (level) + ½² (bend) with any row, and ¼² with one class, and ½² with one pair."""
    rows = rows_of([0.5] * 40, given=[0] * 30 + [2] * 10, suggested=[1] * 20 + [3] * 10 + [1] * 10)
    refined = refine_scores(rows, HALF, np.arange(10), np.array([True] * 8 + [False] * 2))
    same_pair, same_class, neither = (refined.log_odds[place] for place in (10, 20, 30))
    assert same_pair == pytest.approx(
        brentq(lambda s: found(s)[1] * (8 / found(s)[0] - 2 / (1 - found(s)[0])) - s / 0.8125, -5, 5), abs=1e-4
    )
    assert same_class / same_pair == pytest.approx(0.5625 / 0.8125, abs=1e-4)
    assert neither / same_pair == pytest.approx(0.5 / 0.8125, abs=1e-4)


def test_all_of_one_kind_pull_and_do_not_tear():
    for sign in (1, -1):
        refined = refine_scores(rows_of([0.5] * 50), HALF, np.arange(30), np.full(30, sign > 0))
        mode = sign * brentq(lambda s: 30 * found(s)[1] / found(s)[0] - s / 0.5625, 0, 9)
        assert refined.log_odds[40] == pytest.approx(mode, abs=1e-4)


@pytest.mark.parametrize(("found_wrong", "verdict"), [(0, "cannot tell"), (6, "measured")])
def test_a_share_is_measured_by_those_who_found_wrong_labels(found_wrong, verdict):
    share = Share(0.1, 0.0, 0.3, "cannot tell")
    wrong = np.arange(30) < found_wrong
    refined = refine_scores(rows_of(np.full(300, 0.1)), share, np.arange(30), wrong)
    assert refined.share.verdict == verdict
    assert refined.share.low > 0


def test_nothing_is_left_when_all_is_decided():
    refined = refine_scores(rows_of([0.9, 0.1]), HALF, np.array([0, 1]), np.array([True, False]))
    assert (refined.share.low, refined.share.point, refined.share.high) == (0.5, 0.5, 0.5)
    assert refined.precision(np.array([], dtype=np.int64)) is None


def drawn(seed, rows=400, decided=100, top=False):
    """Scores, and labels drawn from a model with a level and a slope that the prior finds ordinary."""
    generator = np.random.default_rng(seed)
    log_odds = generator.normal(-2, 3, rows)
    level, slope = generator.normal(0, 0.5), generator.normal(0, 0.15)
    wrong = generator.random(rows) < expit(log_odds * (1 + slope) + level)
    chosen = np.argsort(-log_odds)[:decided] if top else generator.choice(rows, decided, replace=False)
    return rows_of(expit(log_odds)), wrong, chosen


@pytest.mark.parametrize("top", [False, True])
def test_intervals_hold_wherever_the_decisions_were_made(top):
    held, closer = 0, []
    for seed in range(60):
        rows, wrong, chosen = drawn(seed, top=top)
        said = Share(rows.score.mean(), rows.score.mean(), rows.score.mean())
        refined = refine_scores(rows, said, chosen, wrong[chosen])
        held += refined.share.low <= wrong.mean() <= refined.share.high
        closer.append(abs(said.point - wrong.mean()) - abs(refined.share.point - wrong.mean()))
    assert held >= 54  # 57 of 60 are expected
    assert np.mean(closer) > 0.01


def test_scores_that_are_too_sure_become_calibrated():
    generator = np.random.default_rng(0)
    true_log_odds = generator.normal(-1, 2, 4000)
    wrong = generator.random(4000) < expit(true_log_odds)
    chosen = generator.choice(4000, 400, replace=False)
    rows = rows_of(expit(2 * true_log_odds))
    refined = refine_scores(rows, HALF, chosen, wrong[chosen])
    rest = np.setdiff1d(np.arange(4000), chosen)
    off = [np.abs(score[rest] - expit(true_log_odds[rest])).mean() for score in (rows.score, refined.score)]
    assert off[1] < 0.6 * off[0]


def test_a_class_pair_found_right_falls_behind_equal_scores():
    given, suggested = np.repeat([0, 0, 1], 20), np.repeat([1, 2, 2], 20)
    decided, wrong = np.r_[0:10, 20:30], np.r_[np.full(10, False), np.full(10, True)]
    refined = refine_scores(rows_of([0.7] * 60, given=given, suggested=suggested), HALF, decided, wrong)
    pair, other, unseen = refined.score[15], refined.score[35], refined.score[50]
    assert pair < unseen < other
    assert pair < 0.5 < other


def test_evidence_learns_its_weight_and_missing_evidence_says_nothing():
    generator = np.random.default_rng(0)
    evidence = generator.normal(size=(1000, 2))
    wrong = generator.random(1000) < expit(2 * evidence[:, 0])
    refined = refine_scores(rows_of([0.5] * 1000, evidence), HALF, np.arange(300), wrong[:300])
    assert np.corrcoef(refined.log_odds[300:], evidence[300:, 0])[0, 1] > 0.95
    unknown = np.where(np.arange(1000)[:, None] < 400, np.nan, evidence)
    partly = refine_scores(rows_of([0.5] * 1000, unknown), HALF, np.arange(300, 700), wrong[300:700])
    assert np.ptp(partly.log_odds[:300]) == pytest.approx(0, abs=1e-9)
    assert np.corrcoef(partly.log_odds[700:], evidence[700:, 0])[0, 1] > 0.95
    none = refine_scores(rows_of([0.5] * 1000, np.full((1000, 2), np.nan)), HALF, np.arange(300), wrong[:300])
    assert np.isfinite(none.log_odds[300:]).all()


def test_blocks_of_rows_make_no_difference(monkeypatch):
    rows, wrong, chosen = drawn(0)
    whole = refine_scores(rows, HALF, chosen, wrong[chosen])
    monkeypatch.setattr(refine, "BLOCK", 7)
    split = refine_scores(rows, HALF, chosen, wrong[chosen])
    assert split.log_odds == pytest.approx(whole.log_odds)
    assert (split.share.low, split.share.high) == pytest.approx((whole.share.low, whole.share.high))


def test_certain_scores_can_be_wrong():
    """Log odds are bounded, so that a score of 0 or 1 is not beyond learning from."""
    score = np.r_[np.zeros(50), np.ones(50)]
    wrong = np.full(60, False)
    wrong[:30] = True
    refined = refine_scores(rows_of(score), HALF, np.r_[0:30, 50:80], wrong)
    assert np.isfinite(refined.log_odds[30:50]).all()
    assert refined.score[40] > 0.01
    assert refined.score[90] < 0.99
    assert logit(refined.score[40]) == pytest.approx(refined.log_odds[40], abs=1e-6)


def test_one_slip_on_a_certain_row_moves_the_others_little():
    """Thirty rows at .99999 are found wrong; that another is found right is a slip, or nearly so."""
    rows = rows_of([0.99999] * 31 + [0.9] * 100)
    decided = np.arange(31)
    all_wrong, slipped = (refine_scores(rows, HALF, decided, decided < found) for found in (31, 30))
    assert all_wrong.log_odds[31:].min() - slipped.log_odds[31:].min() < 0.5
    assert slipped.score[31:].min() > 0.85
    assert refine.SLIP == 0.01


@pytest.mark.parametrize("bulk", [1e-3, 1e-8])
def test_suspects_that_are_right_say_nothing_of_mistakes_that_no_score_shows(bulk):
    score = np.r_[np.full(4, 0.9), np.full(596, bulk)]
    before = Share(float(score.mean()), 0.003, 0.05)
    after = refine_scores(rows_of(score), before, np.arange(4), np.full(4, False)).share
    assert after.point < 0.001
    assert after.high == pytest.approx((0.05 - before.point) * 596 / 600)
    in_sample = refine_scores(rows_of(score), Share(before.point, 0.003, 1), np.arange(4), np.full(4, False)).share
    assert in_sample.high == pytest.approx((0.5 - before.point) * 596 / 600)  # half of the labels is reckoned with
