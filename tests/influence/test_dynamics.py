from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.stats import linregress

from labelaudit.influence.dynamics import PATTERNS, classify_patterns, training_stages

EPOCHS = 20
PLANTED = np.repeat([0, 1, 2, 3], [160, 10, 20, 10])  # indices into PATTERNS


def planted_influence():
    """Series on a common scale, then scaled to an influence that shrinks and shifts from epoch to epoch."""
    generator = np.random.default_rng(0)
    time = np.linspace(0, 1, EPOCHS)
    level = generator.normal(size=(len(PLANTED), 1))
    level[PLANTED > 0] = 0
    shape = np.stack([0 * time, 4 * (1 - time), 4 * time, 4 * (-1.0) ** np.arange(EPOCHS)])
    noise = generator.uniform(0, 0.2, size=(len(PLANTED), 1)) * generator.choice([-1, 1], size=(len(PLANTED), EPOCHS))
    series = level + shape[PLANTED] + noise
    return (series - 3) * 1e-5 * np.exp(-3 * time)


def test_planted_patterns_are_found():
    influence = planted_influence()
    patterns = classify_patterns(influence)
    assert patterns.names == PATTERNS == ("stable", "early", "late", "fluctuating")
    assert patterns.index.tolist() == PLANTED.tolist()
    assert patterns.share.tolist() == [80, 5, 10, 5]
    standardised = (influence - influence.mean(0)) / influence.std(0)
    assert patterns.standardised == pytest.approx(standardised)
    assert patterns.deviation == pytest.approx(standardised.std(1))
    for pattern in range(4):
        assert patterns.centroids[pattern] == pytest.approx(standardised[pattern == PLANTED].mean(0))


def test_trends_are_those_of_scipy():
    patterns = classify_patterns(np.random.default_rng(0).normal(size=(50, 7)))
    expected = [linregress(np.arange(7), series) for series in patterns.standardised]
    assert patterns.slope == pytest.approx([fit.slope for fit in expected], rel=1e-12)
    assert patterns.p_value == pytest.approx([fit.pvalue for fit in expected], rel=1e-12)


def test_growing_harm_is_early_by_value_and_late_by_magnitude():
    influence = -planted_influence()
    assert set(classify_patterns(influence).index[PLANTED == 2]) == {1}
    by_magnitude = classify_patterns(influence, trend_of="magnitude")
    assert set(by_magnitude.index[PLANTED == 2]) == {2}
    assert by_magnitude.slope[50] == pytest.approx(linregress(np.arange(EPOCHS), abs(by_magnitude.standardised[50]))[0])


def test_thresholds():
    influence = planted_influence()
    patterns = classify_patterns(influence, deviations=3)
    median = np.median(patterns.deviation)
    distance = np.median(abs(patterns.deviation - median))
    assert patterns.threshold == pytest.approx(median + 3 * 1.4826 * distance, rel=1e-5)
    assert classify_patterns(influence, deviations=100).share.tolist() == [100, 0, 0, 0]
    assert np.isnan(classify_patterns(influence, deviations=100).centroids[1:]).all()
    assert classify_patterns(influence, significance=0).share.tolist() == [80, 0, 0, 20]


def test_constant_epochs_say_nothing():
    influence = planted_influence()
    influence[:, 3] = 0.1
    assert not classify_patterns(influence).standardised[:, 3].any()
    constant = classify_patterns(np.full((7, 5), 0.1))
    assert not constant.standardised.any()
    assert constant.share[0] == 100
    assert constant.p_value.tolist() == [1] * 7


@pytest.mark.parametrize(
    ("influence", "message"),
    [
        (np.ones((4, 2)), r"epochs ≥ 3\), not \(4, 2\)"),
        (np.ones((0, 5)), r"not \(0, 5\)"),
        (np.ones(5), r"not \(5,\)"),
        (np.full((4, 5), np.nan), "influence has values that are not finite"),
    ],
)
def test_influence_that_has_no_patterns_is_refused(influence, message):
    with pytest.raises(ValueError, match=message):
        classify_patterns(influence)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_planted_change_points_are_found(scale):
    time = np.arange(21)
    losses = 2 * np.exp(-0.4 * time) + 0.3
    losses[[6, 7, 14]] += 0.2, 0.1, -0.2
    stages = training_stages(losses * scale)
    assert (stages.boundaries, stages.adaptive) == ((6, 14), True)

    def decay(time, height, rate, floor):
        return height * np.exp(-rate * time) + floor

    expected = decay(time, *curve_fit(decay, time, losses, p0=(2, 0.4, 0.3))[0])
    assert stages.fitted / scale == pytest.approx(expected, abs=1e-5)
    assert stages.residuals == pytest.approx(losses * scale - stages.fitted)


def test_of_close_peaks_only_the_highest_counts():
    losses = 2 * np.exp(-0.4 * np.arange(20)) + 0.3
    losses[[8, 10, 16]] += 0.3, 0.25, 0.2
    assert training_stages(losses).boundaries == (8, 16)


@pytest.mark.parametrize(
    ("losses", "boundaries"),
    [
        (np.exp(-0.3 * np.arange(20)), (6, 13)),  # no departure but rounding
        (1 - np.arange(9) / 9, (3, 6)),
        (np.full(4, 0.1), (1, 2)),
        (np.array([3.0, 1.0, 2.0]), (1, 2)),
    ],
)
def test_without_change_points_the_stages_are_thirds(losses, boundaries):
    stages = training_stages(losses)
    assert (stages.boundaries, stages.adaptive) == (boundaries, False)
    assert np.isfinite(stages.fitted).all()


def test_a_failed_fit_gives_thirds(monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("Optimal parameters not found")

    monkeypatch.setattr("labelaudit.influence.dynamics.curve_fit", fail)
    stages = training_stages(np.arange(12.0))
    assert (stages.boundaries, stages.adaptive) == ((4, 8), False)
    assert np.isnan(stages.fitted).all()


@pytest.mark.parametrize("seed", range(20))
def test_each_stage_has_an_epoch(seed):
    generator = np.random.default_rng(seed)
    losses = generator.normal(size=generator.integers(3, 30))
    middle, late = training_stages(losses).boundaries
    assert 0 < middle < late < len(losses)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (np.ones(2), r"epochs ≥ 3,\), not \(2,\)"),
        (np.ones((3, 3)), r"not \(3, 3\)"),
        (np.array([1, np.inf, 0]), "losses has values that are not finite"),
    ],
)
def test_losses_without_stages_are_refused(losses, message):
    with pytest.raises(ValueError, match=message):
        training_stages(losses)
