from __future__ import annotations

import numpy as np
import pytest

from labelaudit.detection.query_shift import ROWS, describe_query_shift, sample_rows


def rows(count, shift=0.0, seed=0):
    generator = np.random.default_rng(seed)
    return (generator.normal(size=(count, 5)) + shift).astype(np.float32)


THREE = np.arange(300) % 3


def test_rows_of_one_kind_do_not_differ():
    assert describe_query_shift(rows(300), rows(300, seed=1), THREE, THREE) is None


def test_rows_that_can_be_told_apart_are_told_with_how_well():
    text = describe_query_shift(rows(300), rows(300, shift=np.array([3.0, 0, 0, 0, 0]), seed=1), THREE, THREE)
    assert "in 98% of all pairs (50% if alike)" in (text or "")  # Φ(3 / √2) = 0.983


def test_other_class_shares_are_told_with_how_many_rows_it_takes():
    other = np.array([0] * 200 + [1] * 50 + [2] * 50)  # shares ⅔, ⅙, ⅙ instead of ⅓ each
    text = describe_query_shift(rows(300), rows(300, seed=1), THREE, other)
    assert "33% of them would need another class" in (text or "")
    assert "linear classifier" not in (text or "")


def test_a_certain_but_small_difference_of_class_shares_is_not_worth_a_word():
    """Of 6,000 rows a tenth is of another class than expected: certainly no chance, but less than a fifth."""
    half, other = np.arange(6000) % 2, np.array([0] * 3600 + [1] * 2400)
    assert describe_query_shift(rows(300), rows(300, seed=1), half, other) is None
    more = np.array([0] * 4260 + [1] * 1740)  # .71 and .29 instead of .5 each
    assert "21% of them" in (describe_query_shift(rows(300), rows(300, seed=1), half, more) or "")


@pytest.mark.parametrize("few", [10, 49])
def test_of_a_few_rows_nothing_is_said(few):
    assert describe_query_shift(rows(300), rows(few, shift=9.0), THREE, THREE[:few]) is None


def test_some_rows_are_a_part_in_order():
    some = sample_rows(np.arange(5, 5000))
    assert len(some) == ROWS
    assert (np.diff(some) > 0).all()
    assert sample_rows(np.array([4, 7])).tolist() == [4, 7]
