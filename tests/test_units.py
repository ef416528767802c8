from __future__ import annotations

from labelaudit.units import as_time, counted, gigabytes, give_or_take


def test_durations_for_people():
    assert [as_time(s) for s in (0.2, 61, 100, 5399, 9000)] == ["1 s", "61 s", "2 min", "90 min", "2.5 h"]


def test_sizes_for_people():
    assert [gigabytes(size) for size in (3e5, 9.99e7, 1e8, 2.56e9)] == ["0.3 MB", "99.9 MB", "0.1 GB", "2.6 GB"]


def test_numbers_of_things_for_people():
    assert [counted(count, "epoch") for count in (0, 1, 2, 1500)] == ["0 epochs", "1 epoch", "2 epochs", "1,500 epochs"]


def test_deviations_for_people():
    assert [give_or_take(deviation) for deviation in (0.0, 0.005, 0.006, 0.123)] == ["± <1%", "± <1%", "± 1%", "± 12%"]
