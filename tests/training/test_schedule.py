from __future__ import annotations

import math

import pytest

from labelaudit.training.schedule import learning_rate


def test_schedules():
    assert [learning_rate("constant", 2.0, t, 4) for t in range(3)] == [2, 2, 2]
    assert [learning_rate("linear", 2.0, t, 4) for t in range(5)] == [2, 1.5, 1, 0.5, 0]
    assert [learning_rate("inverse-sqrt", 2.0, t, 4) for t in (0, 3)] == [2, 1]
    assert learning_rate("cosine", 2.0, 2, 4) == pytest.approx(1)
    assert learning_rate("cosine", 2.0, 1, 4) == pytest.approx(1 + math.sqrt(0.5))


def test_warm_up_rises_to_what_the_schedule_says():
    assert [learning_rate("constant", 2.0, t, 9, warmup_steps=3) for t in range(5)] == [0.5, 1, 1.5, 2, 2]
    assert learning_rate("inverse-sqrt", 2.0, 3, 9, warmup_steps=1) == 1
