"""The benchmark of what is said before a run, on next to nothing."""

from __future__ import annotations

import pytest

from benchmarks.scale import estimate
from benchmarks.scale.estimate import off_by, run


def test_too_much_and_too_little_count_alike():
    assert off_by({"said": 4.0, "took": 2.0}) == off_by({"said": 1.0, "took": 2.0}) == 2


def test_a_run_says_what_it_will_take_and_takes_it(monkeypatch, tmp_path):
    monkeypatch.setitem(estimate.RUNS, "3 classes", "120 rows of 64 numbers")
    found = run("3 classes", tmp_path)
    assert 0 < found["said"] < 60
    assert 0 < found["took"] < 60
    assert found["said"] != pytest.approx(found["took"], rel=1e-9)
