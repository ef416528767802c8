from __future__ import annotations

import pytest

from labelaudit.errors import InputError
from labelaudit.training.window import Window, parse_windows


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("last", (8, 10)),
        ("first", (0, 2)),
        ("middle", (4, 6)),
        ("full", (0, 10)),
        ("3", (4, 6)),
        ("2-4", (2, 8)),
        ("steps:1-1", (0, 1)),
        ("steps:4-10", (3, 10)),
    ],
)
def test_a_text_names_a_window_of_five_epochs_of_two_steps(text, steps):
    assert parse_windows(text, 5, 2) == [Window(text, *steps)]


def test_each_names_one_window_an_epoch():
    assert parse_windows("each", 2, 3, "start", "final") == [
        Window("epoch 1", 0, 3, "start", "final"),
        Window("epoch 2", 3, 6, "start", "final"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("6", "`window` 6 is outside the run, which has epochs 1 to 5"),
        ("0-2", "`window` 0-2 is outside the run, which has epochs 1 to 5"),
        ("steps:3-11", "`window` steps:3-11 is outside the run, which has steps 1 to 10"),
        ("4-2", "`window` 4-2 ends before it begins; did you mean 2-4?"),
        ("", "`window` '' is no window; give last, first, middle"),
        ("-1", "`window` '-1' is no window"),
        ("2:4", "`window` '2:4' is no window"),
    ],
)
def test_what_is_no_window_is_refused(text, message):
    with pytest.raises(InputError) as error:
        parse_windows(text, 5, 2)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("steps", [(3, 3), (4, 3), (-1, 3)])
def test_an_empty_or_reversed_window_cannot_be_made(steps):
    with pytest.raises(ValueError, match="is no window"):
        Window("w", *steps)


def test_steps_are_whole_numbers():
    with pytest.raises(InputError, match="`start`: give a whole number"):
        Window("w", 0.5, 3)


def test_removal_from_the_start_begins_there():
    assert Window("w", 4, 6).first_step == 4
    assert Window("w", 4, 6, "start").first_step == 0
