"""Decisions on all copies of a row: what they come to, what `apply` does with them, and what later audits learn."""

from __future__ import annotations

import csv

import pandas as pd
import pyarrow as pa
import pytest

from labelaudit import Report
from labelaudit.commands.apply import apply_decisions
from labelaudit.correction.decisions import read_decisions
from labelaudit.correction.reviewed import read_reviews
from labelaudit.errors import InputError
from tests.support.reports import decisions_of, report_of

ROWS = [
    "a,same words,x",
    "b,same words,y",
    "c,same words,x",
    "d,other words,y",
    "e,other words too,x",
    "f,alone here,y",
]


@pytest.fixture
def report(tmp_path) -> Report:
    """Rows a, b and c are copies; d and e near copies, and so is a of f."""
    (tmp_path / "t.csv").write_text("\n".join(["id,text,label", *ROWS]) + "\n")
    report = report_of(tmp_path / "t.csv")
    columns = {
        "duplicate_group": pa.array([0, 0, 0, None, None, None], pa.int64()),
        "near_duplicate_of": pa.array([5, 5, 5, 4, 3, 0], pa.int64()),
        "contradicts": pa.array([True, True, True, False, False, False]),
    }
    table = report.table
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), values)
    return Report(table, report.metadata, report.dataset)


def decided(report, tmp_path, *lines):
    found = read_decisions(decisions_of(tmp_path / "d.csv", *lines), report, new_classes=False, drops=True)
    return {one.id: (one.decision, one.new_label, one.says_wrong, one.drops) for one in found}


def test_one_is_kept_and_its_copies_are_dropped_which_says_nothing_of_labels(report, tmp_path):
    dropped = ("drop-copies", None, None, True)
    assert decided(report, tmp_path, ("b", "drop-copies", "")) == {"a": dropped, "c": dropped}
    near = ("drop-near-copies", None, None, True)
    assert decided(report, tmp_path, ("d", "Drop-near-copies ", "")) == {"e": near}
    assert set(decided(report, tmp_path, ("f", "drop-near-copies", ""))) == {"a", "b", "c"}


def test_one_label_for_all_keeps_some_and_changes_others(report, tmp_path):
    assert decided(report, tmp_path, ("a", "label-copies", "x")) == {
        "a": ("keep", None, False, False),
        "b": ("relabel", "x", True, False),
        "c": ("keep", None, False, False),
    }
    found = decided(report, tmp_path, ("e", "label-near-copies", "y"))
    assert found == {"d": ("keep", None, False, False), "e": ("relabel", "y", True, False)}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([("f", "drop-copies", "")], "line 2: 'f' has no copies in the report, and drop-copies says nothing of it"),
        ([("a", "drop-copies", "x")], "drop-copies of 'a' names the label 'x': leave new_label empty"),
        ([("a", "label-copies", " ")], "label-copies of 'a' needs a label for all: new_label is empty"),
        ([("a", "label-copies", "z")], "'z' is no class of the report"),
        ([("b", "keep", ""), ("a", "drop-copies", "")], "decides twice about 'b', in lines 2 and 3"),
        ([("a", "label-copies", "x"), ("b", "label-copies", "y")], "decides twice about 'a', in lines 2 and 3"),
    ],
)
def test_what_cannot_be_is_refused(report, tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        decided(report, tmp_path, *lines)


def test_where_rows_cannot_be_dropped_groups_cannot_be_decided_on(report, tmp_path):
    path = decisions_of(tmp_path / "d.csv", ("a", "drop-copies", ""))
    with pytest.raises(InputError, match="'drop-copies' is none of accept, keep, unsure, relabel"):
        read_decisions(path, report, new_classes=False)


def test_apply_drops_and_relabels_copies(report, tmp_path):
    path = decisions_of(tmp_path / "d.csv", ("b", "drop-copies", ""), ("d", "label-near-copies", "x"))
    applied = apply_decisions(report, path, tmp_path / "out.csv")
    copy = pd.read_csv(tmp_path / "out.csv").set_index("id")["label"]
    assert copy.to_dict() == {"b": "y", "d": "x", "e": "x", "f": "y"}
    assert applied.rows == 4
    assert applied.decisions == {"drop-copies": 2, "relabel": 1, "keep": 1}
    with (tmp_path / "out.changes.csv").open(newline="") as file:
        changes = {row["id"]: (row["decision"], row["new_label"]) for row in csv.DictReader(file)}
    assert changes == {"a": ("drop-copies", ""), "c": ("drop-copies", ""), "d": ("relabel", "x")}
    with (tmp_path / "out.decisions.csv").open(newline="") as file:
        later = {row["id"]: row["decision"] for row in csv.DictReader(file)}
    assert later == {"d": "relabel", "e": "keep"}  # of labels; which copy was kept says nothing of them


def test_later_audits_learn_from_labels_alone(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("id,decision,label,new_label\na,label-copies,x,y\nb,drop-copies,x,\nc,label-near-copies,y,y\n")
    assert [(one.id, one.decision, one.new_label) for one in read_reviews([path])] == [
        ("a", "relabel", "y"),
        ("c", "relabel", "y"),
    ]
