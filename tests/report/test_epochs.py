from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelaudit.report.epochs import LINES, influence_over_epochs, spark
from labelaudit.report.figures import HEIGHT, LEFT, PLOT_HEIGHT, PLOT_WIDTH, TOP
from labelaudit.report.html import render_html
from tests.support.made_up import Page, make_report, texts_dataset


def frame_of(*by_epoch: list[float] | None) -> pd.DataFrame:
    rows = len(by_epoch)
    return pd.DataFrame(
        {
            "row": range(rows),
            "id": [f"id {row}" for row in range(rows)],
            "rank": np.arange(rows, 0, -1.0),
            "influence_by_epoch": list(by_epoch),
        }
    )


def test_all_rows_and_the_first_by_rank_are_drawn():
    drawn = influence_over_epochs(frame_of([0.0, 0.0], [0.002, 0.002], [0.004, -0.004]))
    x, y = (LEFT, LEFT + PLOT_WIDTH), (TOP, TOP + PLOT_HEIGHT / 2, TOP + PLOT_HEIGHT)
    assert [line.row for line in drawn.lines] == [2, 1, 0]
    assert drawn.lines[0].points == f"{x[0]:.1f},{y[0]:.1f} {x[1]:.1f},{y[2]:.1f}"
    assert drawn.median == f"{x[0]:.1f},{TOP + PLOT_HEIGHT / 4:.1f} {x[1]:.1f},{y[1]:.1f}"
    assert drawn.lines[2].id == "id 0"
    assert drawn.y_ticks == ((y[2], "−4.0"), (y[1], "0"), (y[0], "4.0"))
    assert drawn.x_ticks == ((x[0], 1), (x[1], 2))
    assert (drawn.unit, drawn.zero) == ("1e−3", y[1])
    assert len(drawn.band.split()) == 4


def test_many_epochs_have_few_numbers_and_many_rows_few_lines():
    drawn = influence_over_epochs(frame_of(*[[float(row)] * 21 for row in range(9)]))
    assert [number for _, number in drawn.x_ticks] == [1, 4, 7, 10, 13, 16, 19]
    assert [line.row for line in drawn.lines] == list(range(8, 8 - LINES, -1))
    assert all(0 <= y <= HEIGHT for y, _ in drawn.y_ticks)


@pytest.mark.parametrize("by_epoch", [[None, None], [[1.0], [2.0]], []])
def test_nothing_is_drawn_where_there_is_nothing(by_epoch):
    assert influence_over_epochs(frame_of(*by_epoch)) is None


def test_influence_that_is_always_zero_or_not_finite_is_no_obstacle():
    flat = influence_over_epochs(frame_of([0.0, 0.0], [0.0, 0.0]))
    assert (flat.unit, flat.y_ticks) == ("1", ((TOP, "0"),))
    broken = influence_over_epochs(frame_of([1.0, 2.0], [float("inf"), 1.0]))
    assert [line.row for line in broken.lines] == [0]
    assert influence_over_epochs(frame_of([float("nan"), 2.0])) is None


def test_a_line_for_a_card():
    assert spark([1.0, -1.0]) == ("2.0,2.0 82.0,20.0", 11.0)
    assert spark([-1.0, -3.0, 0.0]) == ("2.0,8.0 42.0,20.0 82.0,2.0", 2.0)
    assert spark([0.0, 0.0]) == ("2.0,2.0 82.0,2.0", 2.0)
    assert spark(None) is spark([1.0]) is spark([1.0, float("nan")]) is None


def test_cards_have_it_and_say_it():
    dataset = texts_dataset([*"abcabc"])
    page = Page(render_html(make_report(dataset, 2, influence_by_epoch=[[0.001, -0.002]] * 6), dataset))
    sparks = page.all("svg", class_="spark")
    assert len(sparks) == 6
    assert {spark["aria-label"] for spark in sparks} == {"Influence by epoch: 1.0e−3 −2.0e−3"}
    assert "Influence over the epochs" in page.texts
    without = Page(render_html(make_report(dataset, 2), dataset))
    assert without.all("svg", class_="spark") == []
    assert "Influence over the epochs" not in without.texts
