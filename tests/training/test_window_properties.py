"""Windows of any run, and the segments they are scored in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelaudit.errors import InputError
from labelaudit.influence.scoring import Scoring
from labelaudit.training.window import Window, parse_windows

EPOCHS, STEPS = st.integers(1, 60), st.integers(1, 40)


@st.composite
def windows(draw) -> Window:
    start = draw(st.integers(0, 50))
    return Window("w", start, start + draw(st.integers(1, 50)), draw(st.sampled_from(["window", "start"])))


@given(EPOCHS, STEPS)
def test_the_epochs_windows_are_the_run_one_after_the_other(epochs, per_epoch):
    each = parse_windows("each", epochs, per_epoch)
    steps = [step for window in each for step in range(window.start, window.stop)]
    assert steps == list(range(epochs * per_epoch))
    assert {window.stop - window.start for window in each} == {per_epoch}
    for name, number in (("first", 0), ("last", -1), ("middle", (epochs - 1) // 2)):
        (window,) = parse_windows(name, epochs, per_epoch)
        assert (window.start, window.stop) == (each[number].start, each[number].stop)


@given(EPOCHS, STEPS, st.data())
def test_epochs_and_steps_name_the_same_windows(epochs, per_epoch, data):
    first = data.draw(st.integers(1, epochs))
    last = data.draw(st.integers(first, epochs))
    (by_epochs,) = parse_windows(f"{first}-{last}", epochs, per_epoch)
    (by_steps,) = parse_windows(f"steps:{(first - 1) * per_epoch + 1}-{last * per_epoch}", epochs, per_epoch)
    assert (by_epochs.start, by_epochs.stop) == (by_steps.start, by_steps.stop)
    assert by_epochs.stop - by_epochs.start == (last - first + 1) * per_epoch


NUMBERS = st.sampled_from(["", "0", "1", "2", "17", "007", "60", "61", "999"])
NEARLY = st.tuples(st.sampled_from(["", "steps:", "step:"]), NUMBERS, st.sampled_from(["", "-", ":"]), NUMBERS)


@given(NEARLY.map("".join) | st.text(max_size=8), EPOCHS, STEPS)
def test_any_text_names_a_window_of_the_run_or_is_refused(text, epochs, per_epoch):
    try:
        (window,) = parse_windows(text, epochs, per_epoch)
    except InputError:
        return
    assert 0 <= window.start < window.stop <= epochs * per_epoch
    assert window.name == text


@given(windows(), st.integers(1, 60))
def test_segments_cover_every_step_once_and_are_scored_within_themselves(window, count):
    segments = Scoring("expected", count).segments(window)
    covered = [step for segment in segments for step in range(segment.start, segment.stop)]
    assert sorted(covered) == list(range(window.first_step, window.stop))
    for segment in segments:
        assert segment.start <= segment.at <= segment.stop
        assert (segment.start < window.start) == (segment.stop <= window.start)  # none lies across the jump at t1
    lengths = [segment.stop - segment.start for segment in segments if segment.start >= window.start]
    assert len(lengths) == min(count, window.stop - window.start)
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("removal", ["window", "start"])
def test_visited_steps_need_no_segments(removal):
    assert Scoring("visited", 3).segments(Window("w", 2, 8, removal)) == []
