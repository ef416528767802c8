"""The spot check of a report: which rows are drawn, and which of them count."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from labelaudit import InputError
from labelaudit.detection.spot_check import Looked
from labelaudit.report.spot_check import Stratum, draw, drawn_in, for_page, found_in
from tests.support.made_up import make_report, texts_dataset


@pytest.fixture(scope="module")
def frame():
    return make_report(texts_dataset([str(row % 3) for row in range(900)]), suspects=300).to_pandas()


def test_rows_are_drawn_from_all_and_the_same_for_everyone(frame):
    found = draw(frame, "0123456789abcdef" * 4)
    assert [part["name"] for part in found] == ["suspects", "doubtful", "rest"]
    assert [part["rows"] for part in found] == [300, 300, 300]
    assert sum(part["first"] for part in found) == 30
    assert sum(len(part["drawn"]) for part in found) == 300
    assert set(found[0]["drawn"]) <= set(frame.loc[frame["suspect"], "row"])
    assert draw(frame, "0123456789abcdef" * 4) == found
    assert draw(frame, "1123456789abcdef" * 4) != found


def test_every_row_of_a_stratum_is_drawn_as_often_as_any_other(frame):
    counts, first = np.zeros(900), 0
    for seed in range(400):
        part = draw(frame, f"{seed:016x}")[0]
        first = part["first"]
        counts[part["drawn"][:first]] += 1
    expected = 400 * first / 300
    suspects = frame.loc[frame["suspect"], "row"]
    assert ((counts[suspects] - expected) ** 2 / expected).sum() < 400  # χ², 299 degrees of freedom


def test_all_of_few_rows_are_drawn():
    few = make_report(texts_dataset(list("ababab")), suspects=2).to_pandas()
    parts = draw(few, "f" * 64)
    assert sorted(row for part in parts for row in part["drawn"]) == list(range(6))
    assert sum(part["first"] for part in parts) == 6


def test_rows_that_were_reviewed_before_belong_to_no_stratum(frame):
    reviewed = frame.assign(status=np.where(frame["rank"] <= 10, "reviewed", frame["status"]))
    parts = draw(reviewed, "f" * 64)
    assert [part["rows"] for part in parts] == [290, 290, 310]


def test_more_rows_may_be_looked_at_and_these_begin_with_the_same(frame):
    metadata = {"spot_check": draw(frame, "f" * 64)}
    thirty, hundred = drawn_in(metadata, frame), drawn_in(metadata, frame, 100)
    assert (sum(part.first for part in thirty), sum(part.first for part in hundred)) == (30, 100)
    assert [part.drawn for part in thirty] == [part.drawn for part in hundred]
    page = for_page(hundred, {5: True}, "f" * 64)
    assert len(page["rows"]) == 100
    assert page["rows"] != sorted(page["rows"])
    assert (page["reviewedWrong"], page["reviewedRight"]) == (1, 0)
    assert for_page([], {}, "f" * 64) is None
    assert for_page([Stratum("rest", frozenset(), (), 0)], {3: True}, "f" * 64) is None


def test_only_what_is_drawn_speaks_for_others():
    stratum = Stratum("suspects", frozenset(range(20)), (3, 7, 1, 9), 2)
    found = {3: True, 7: None, 9: True, 12: False, 30: True}
    # 1 is open: 9 is beyond it, and as 12 chosen by its looks; 30 is none of the rows
    assert stratum.looked(found) == Looked(20, wrong=1, unsure=1, others_wrong=1, others_right=1)
    assert found_in([stratum], found, {}).checked == 2
    assert found_in([dataclasses.replace(stratum, first=3)], found, {}) is None
    assert found_in([], found, {}) is None


def test_a_draw_from_other_rows_is_refused(frame):
    parts = draw(frame, "f" * 64)
    for changed in (
        {"rows": 299},
        {"drawn": [899_999]},
        {"drawn": [*parts[0]["drawn"], parts[0]["drawn"][0]]},
        {"first": 301},
    ):
        with pytest.raises(InputError, match="not that of its rows"):
            drawn_in({"spot_check": [parts[0] | changed, *parts[1:]]}, frame)
    with pytest.raises(InputError, match="not that of its rows"):
        drawn_in({"spot_check": parts[:2]}, frame)
