from __future__ import annotations

from labelaudit.units import format_bytes, format_count, format_duration, listed


def test_durations_for_people():
    assert [format_duration(s) for s in (0.2, 61, 100, 5399, 9000)] == ["1 s", "61 s", "2 min", "90 min", "2.5 h"]


def test_sizes_for_people():
    assert [format_bytes(size) for size in (3e5, 9.99e7, 1e8, 2.56e9)] == ["0.3 MB", "99.9 MB", "0.1 GB", "2.6 GB"]


def test_numbers_of_things_for_people():
    assert [format_count(count, "epoch") for count in (0, 1, 2, 1500)] == [
        "0 epochs",
        "1 epoch",
        "2 epochs",
        "1,500 epochs",
    ]


def test_plurals_that_are_not_regular():
    assert [format_count(count, "class", "classes") for count in (1, 2)] == ["1 class", "2 classes"]


def test_long_lists_for_people():
    assert [listed("abcdefg"[:length], 3) for length in (0, 1, 3, 4, 7)] == [
        "",
        "a",
        "a, b, c",
        "a, b, c and 1 more",
        "a, b, c and 4 more",
    ]
    assert listed(range(5000), 2) == "0, 1 and 4,998 more"
