"""What is left, by a clock that is set by hand."""

from __future__ import annotations

import pytest

from labelaudit.audit import forecast
from labelaudit.audit.forecast import Forecast, Part
from labelaudit.progress import NullProgress, ShowsTimeLeft
from tests.support.progress import Notes

PARTS = [
    Part("fine-tuning", "networks", 0, 30.0, 2),
    Part("sweeping back", "networks", 0, 10.0, 2),
    Part("judging labels", "labels", 1, 15.0),
    Part("fine-tuning without suspects", "networks", 2, 30.0, 2),
    Part("judging labels", "labels", 3, 5.0),
]


class Shown(Notes):
    def __init__(self):
        super().__init__()
        self.left = []

    def time_left(self, seconds):
        self.left.append(seconds)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 7.0

        def perf_counter(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(forecast, "time", clock)
    return clock


def test_what_is_left_follows_what_was_done(clock):
    shown = Shown()
    assert isinstance(shown, ShowsTimeLeft)
    told = Forecast(shown)
    assert not told.planned
    told.plan(PARTS)
    assert told.planned
    assert shown.left == [80 + 15 + 60 + 5]

    def do(name, seconds):
        with told.stage(name, 10) as advance:
            advance(10)
            clock.now += seconds
        return shown.left[-1]

    assert do("Fold 1 of 2: fine-tuning", 30) == 130
    assert do("Fold 1 of 2: sweeping back", 30) == 1.5 * (40 + 60) + 20  # 60 seconds for 40
    do("Fold 1 of 2: losses", 20)  # not planned: it counts to what comes next
    assert do("Fold 2 of 2: fine-tuning", 25) == 1.5 * (10 + 60) + 20  # 105 seconds for 70
    assert do("Fold 2 of 2: sweeping back", 55) == 2 * 60 + 20
    assert do("Judging labels", 7.5) == 2 * 60 + 0.5 * 5
    assert shown.notes == ["this takes longer than it seemed to: about 2 min are left"]  # 282 seconds for 160
    assert do("Judging labels", 3) == 0  # nobody was suspected, and nothing was fine-tuned again


def test_a_phase_that_was_not_needed_is_left_out_when_the_next_one_begins(clock):
    shown = Shown()
    told = Forecast(shown)
    told.plan(PARTS[2:])
    for _ in range(2):
        with told.stage("Judging labels", 1):
            before = shown.left[-1]
    assert before == 0  # the first stage took no time at all, and so will the second


def test_short_runs_and_failing_stages_are_not_talked_about(clock):
    notes = Notes()
    told = Forecast(notes)
    told.plan([Part("fine-tuning", "networks", 0, 1.0, 3)])
    with told.stage("Fold 1 of 3: fine-tuning", 1):
        clock.now += 9  # 18 seconds are left
    with pytest.raises(KeyError), told.stage("Fold 2 of 3: fine-tuning", 1):
        raise KeyError
    assert notes.notes == []
    assert not isinstance(NullProgress(), ShowsTimeLeft)
    told.note("said")
    assert notes.notes == ["said"]
