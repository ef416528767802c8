"""The benchmark of growth, on next to nothing."""

from __future__ import annotations

import pytest

from benchmarks.scale.__main__ import plot, sizes_of, slopes
from benchmarks.scale.one import main, vectors


def point(rows, classes, seconds, memory):
    return {
        "rows": rows,
        "classes": classes,
        "width": 4,
        "seconds": seconds,
        "peak_bytes_before": 100,
        "peak_bytes": 100 + memory,
    }


def test_slopes_are_exponents_of_what_grows(tmp_path):
    points = [point(10, 2, 1.0, 50), point(100, 20, 100.0, 500)]
    assert sizes_of("rows", points) == [10, 100]
    assert sizes_of("rows × classes", points) == [20, 2000]
    assert slopes("rows", points) == pytest.approx((2, 1))
    assert slopes("rows × classes", points) == pytest.approx((1, 0.5))
    plot({"rows": {"points": points}}, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_scanned_has_a_tenth_of_its_labels_wrong_and_it_is_found():
    inputs, labels, wrong = vectors(300, 3, 20)
    assert inputs.shape == (300, 20)
    assert set(labels) == {"class 0", "class 1", "class 2"}
    assert 0.03 < wrong.mean() < 0.12
    assert main(["300", "3", "20"])["average_precision"] > 0.95
