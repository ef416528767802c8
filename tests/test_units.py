from __future__ import annotations

from labelaudit.units import as_time, gigabytes


def test_durations_for_people():
    assert [as_time(s) for s in (0.2, 61, 100, 5399, 9000)] == ["1 s", "61 s", "2 min", "90 min", "2.5 h"]


def test_sizes_for_people():
    assert [gigabytes(size) for size in (3e5, 9.99e7, 1e8, 2.56e9)] == ["0.3 MB", "99.9 MB", "0.1 GB", "2.6 GB"]
