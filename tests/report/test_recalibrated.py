"""Reports recalibrated by reviewed rows: where these rows go, and what is said of the list."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from labelaudit import Report
from labelaudit.report.html import render_html
from labelaudit.report.recalibrated import Verdict, recalibrate
from labelaudit.report.schema import SCHEMA
from tests.support.reports import learnt_nothing, noise_of, report_of

RIGHT, WRONG = Verdict(wrong=False, new_label=None), Verdict(wrong=True, new_label="y")


@pytest.fixture
def report(tmp_path):
    """30 rows called x, of classes x, y and z; scores fall from .9 by .03, and the first 14 are suspects."""
    lines = ["id,text,label", *(f"r{row},some words {row},x" for row in range(28)), "r28,a,y", "r29,b,z"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    plain = report_of(tmp_path / "t.csv", {f"r{row}": "z" if row < 28 else "x" for row in range(30)})
    score = 0.9 - 0.03 * np.arange(30)
    plain.metadata["noise"] |= noise_of(float(score.mean()), 0.3, 0.6)
    plain.metadata["training"] |= {"epochs": 3, "batch_size": 32, "learning_rate": 0.01}
    table = plain.table
    for name, values in {"score": score, "suspect": score > 0.5}.items():
        table = table.set_column(table.schema.get_field_index(name), SCHEMA.field(name), pa.array(values))
    return dataclasses.replace(plain, table=table)


def test_known_wrong_come_first_and_known_right_last(report):
    new = recalibrate(report, {0: RIGHT, 20: WRONG, 25: RIGHT}, list_wrong=True)
    frame = new.to_pandas()
    assert frame["rank"][[20, 0, 25]].tolist() == [1, 29, 30]
    assert frame["score"][[20, 0, 25]].tolist() == [1, 0, 0]
    assert frame["suspect"][[20, 0, 25]].tolist() == [True, False, False]
    assert frame["suggested_label"][[20, 19]].tolist() == ["y", "z"]
    assert frame["status"][[20, 0, 1]].tolist() == ["reviewed", "reviewed", "scored"]
    assert frame["reason"][[20, 0]].tolist() == ["reviewed: the label is wrong", "reviewed: the label is right"]
    rest = frame.drop([0, 20, 25])
    assert (rest["suspect"] == (rest["score"] > 0.5)).all()
    assert new.metadata["reviewed"] == {"right": 2, "wrong": 1}
    suspects = frame[frame["suspect"]]
    assert new.metadata["noise"]["expected_precision"]["mean"] == pytest.approx(suspects["score"].mean())
    assert new.metadata["noise"]["rate"] == pytest.approx(frame["score"].mean())


def test_it_is_a_report(report, tmp_path):
    new = recalibrate(report, {0: RIGHT, 20: WRONG}, list_wrong=True)
    new.save(tmp_path / "r.parquet")
    loaded = Report.load(tmp_path / "r.parquet")
    assert loaded.metadata == new.metadata
    page = render_html(loaded, loaded.reopen())
    assert "2 labels reviewed before." in page
    assert "reviewed: the label is right" in page


def test_a_budget_counts_what_is_known_to_be_wrong(report):
    report.metadata["config"]["selection"]["budget"] = 3
    frame = recalibrate(report, {28: WRONG, 0: RIGHT}, list_wrong=True).to_pandas()
    assert frame["id"][frame["suspect"]].tolist() == ["r1", "r2", "r28"]
    frame = recalibrate(report, {28: WRONG, 0: RIGHT}, list_wrong=False).to_pandas()
    assert frame["id"][frame["suspect"]].tolist() == ["r1", "r2", "r3"]
    assert frame["rank"][[28, 0]].tolist() == [29, 30]


def test_by_influence_too(report):
    report.metadata["config"]["rank_by"] = "influence"
    influence = pa.array(np.arange(30.0))
    table = report.table.set_column(5, SCHEMA.field("influence"), influence)
    new = recalibrate(dataclasses.replace(report, table=table), {0: RIGHT, 29: WRONG, 5: RIGHT}, list_wrong=True)
    assert new.ranked()["id"].tolist() == ["r29", *(f"r{row}" for row in range(1, 29) if row != 5), "r0", "r5"]


def test_where_scores_say_nothing_only_reviewed_rows_change(report):
    report.metadata["noise"] = learnt_nothing()
    new = recalibrate(report, {0: RIGHT, 20: WRONG}, list_wrong=True)
    before, after = report.to_pandas(), new.to_pandas()
    assert after["score"].drop([0, 20]).equals(before["score"].drop([0, 20]))
    assert after["id"][after["suspect"]].tolist() == ["r20"]
    assert after["rank"][[20, 1, 0]].tolist() == [1, 2, 30]
    assert new.metadata["noise"] == report.metadata["noise"]


def test_where_it_cannot_be_told_wrong_labels_that_were_found_tell_it(report):
    """One that is right leaves the verdict; a third of the rows that are wrong make it measured, and a list."""
    report.metadata["noise"] = noise_of(None, 0.0, 0.6, "cannot tell")
    still = recalibrate(report, {0: RIGHT}, list_wrong=True)
    assert (still.metadata["noise"]["verdict"], still.metadata["noise"]["rate"]) == ("cannot tell", None)
    assert not still.to_pandas()["suspect"].any()
    told = recalibrate(report, dict.fromkeys(range(0, 20, 2), WRONG), list_wrong=True)
    assert told.metadata["noise"]["verdict"] == "measured"
    assert told.metadata["noise"]["rate_low"] > 10 / 30 - 0.01
    assert told.to_pandas()["suspect"].sum() > 10


def test_no_wrong_label_in_all_rows_is_no_trouble(report):
    report.metadata["noise"] |= noise_of(0.0, 0.0, 0.1, "none seen")
    new = recalibrate(report, {0: RIGHT, 1: WRONG}, list_wrong=True)
    assert 0 < new.metadata["noise"]["rate"] < 1
