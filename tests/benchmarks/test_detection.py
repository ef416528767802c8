"""What the package says of the detection benchmark is what the benchmark found."""

from __future__ import annotations

import json

import pytest

from benchmarks.detection.table import RESULTS, precision_gap
from labelaudit.report.wording import PRECISION_GAP


def test_how_far_a_lists_precision_is_off_is_what_was_measured():
    tasks = json.loads(RESULTS.read_text(encoding="utf-8"))["tasks"]
    without_trusted = {name: task for name, task in tasks.items() if not name.endswith(" trusted")}
    assert pytest.approx(precision_gap(without_trusted), abs=0.005) == PRECISION_GAP
