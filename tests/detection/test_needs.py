"""What judging takes, by a clock that is set by hand."""

from __future__ import annotations

import pytest

from labelaudit.detection import needs
from labelaudit.detection.needs import JudgingCosts, measure_judging


def test_kinds_of_evidence_add_up():
    assert JudgingCosts(reading=7.0, joining=2.0).seconds(3, 4) == 29


def timed(monkeypatch, *seconds):
    """Let what is measured take so long."""
    times = iter(seconds)
    monkeypatch.setattr(needs, "_seconds", lambda run: (run(), next(times))[1])


def test_all_rows_are_measured_where_they_are_few(monkeypatch):
    timed(monkeypatch, 0.01, 0.002)
    costs = measure_judging(1000, 10)
    assert costs.reading == pytest.approx(90 * 0.01 + 40 * 0.002)
    assert costs.joining == pytest.approx((6 + 1) * 0.01)


def test_more_rows_and_classes_are_reckoned_from_some(monkeypatch):
    """10,000 rows of 200,000 are fitted to; what 2,621 rows of 400 classes take is timed."""
    timed(monkeypatch, 0.03, 0.02)
    costs = measure_judging(200_000, 1000)
    iteration = 0.03 / 2621 / 400 * 1000
    assert costs.joining == pytest.approx((6 * 10_000 + 200_000) * iteration)
    inversion = 0.02 / 2621 * (1000 / 400) ** 2
    assert costs.reading == pytest.approx((220 * iteration + 75 * inversion) * 10_000)


def test_one_rate_for_all_classes_is_found_soon(monkeypatch):
    timed(monkeypatch, 0.03)
    costs = measure_judging(6000, 3000)
    iteration = 0.03 / 2621 / 400 * 3000
    assert costs.reading == pytest.approx(3 * 6000 * iteration)
    assert costs.joining == pytest.approx((6 * 2000 + 6000) * iteration)


def test_a_duration_is_the_median_of_three(monkeypatch):
    clock = iter([0.0, 1.0, 1.0, 10.0, 10.0, 12.0])
    monkeypatch.setattr(needs.time, "perf_counter", lambda: next(clock))
    assert needs._seconds(lambda: None) == 2
