"""Decisions of earlier reviews, matched with the rows as they are now; every case is said or refused."""

from __future__ import annotations

import dataclasses
import re

import pytest

from labelaudit.correction.reviewed import ReviewableRows, match_reviews, read_reviews, reviews_in
from labelaudit.errors import InputError
from labelaudit.report.recalibrated import Verdict, recalibrate
from tests.support.reports import decisions_of, report_of

HEAD = ("id", "label", "content_hash", "decision", "new_label")
ROWS = ReviewableRows("t.csv", ("a", "b", "c", "d"), ("x", "y", "x", None), ("1", "2", "3", "3"), {})
RIGHT = Verdict(wrong=False, new_label=None)


def wrong(new_label=None):
    return Verdict(wrong=True, new_label=new_label)


def match(tmp_path, *lines, head=HEAD, rows=ROWS, stored=(), truth=None):
    reviews = read_reviews([decisions_of(tmp_path / "d.csv", *lines, head=head)])
    return match_reviews(stored, reviews, rows, truth)


@pytest.mark.parametrize(
    ("line", "row", "verdict"),
    [
        (("a", "x", "1", "keep", ""), 0, RIGHT),
        (("a", "x", "", "keep", ""), 0, RIGHT),
        (("a", "x", "1", "relabel", "y"), 0, wrong("y")),  # not corrected yet
        (("b", "x", "2", "accept", "y"), 1, RIGHT),  # corrected
        (("b", "y", "2", "drop", ""), 1, wrong()),
        (("a", "x", "1", "accept", ""), 0, wrong()),
        (("moved/b", "x", "2", "relabel", "y"), 1, RIGHT),  # found by its content
        (("c", "y", "2", "keep", ""), 1, RIGHT),  # row numbers as ids, and a row before it is gone
        (("a", "", "", "relabel", "z"), 0, wrong("z")),
    ],
)
def test_what_a_decision_says_of_a_label_as_it_is_now(tmp_path, line, row, verdict):
    assert match(tmp_path, line)[0] == {row: verdict}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("a", "y", "1", "keep", ""), "about labels that have changed since, which are judged anew: for example 'a' "
         "(was 'y', is 'x')"),
        (("a", "x", "9", "keep", ""), "about rows that have other content now, which are judged anew: for example 'a'"),
        (("q", "x", "", "keep", ""), "about rows that are not in t.csv: for example 'q' ("),
        (("q", "x", "3", "keep", ""), "about rows that are not in t.csv"),  # two rows have this content
        (("a", "x", "1", "unsure", ""), "unsure, which leaves the label to be judged: for example 'a'"),
    ],
)  # fmt: skip  # data, read as a table
def test_what_says_nothing_is_told(tmp_path, line, said):
    verdicts, notes = match(tmp_path, line, ("b", "y", "2", "keep", ""))
    assert verdicts == {1: RIGHT}
    (note,) = notes
    assert note.startswith("1 decision is ")
    assert said in note


def test_decisions_without_labels_count_for_the_labels_now(tmp_path):
    verdicts, notes = match(tmp_path, ("a", "keep"), ("b", "drop"), head=("id", "decision"))
    assert verdicts == {0: RIGHT, 1: wrong()}
    assert notes == [
        "2 decisions are without the label they are about, and count for the one that the row has now: for example 'a'"
    ]


def test_classes_may_have_got_another_name(tmp_path):
    rows = dataclasses.replace(ROWS, renamed={"new x": "x"})
    assert match(tmp_path, ("a", "new x", "", "keep", ""), ("b", "y", "", "relabel", "new x"), rows=rows)[0] == {
        0: RIGHT,
        1: wrong("x"),
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "d.csv holds no decision"),
        ([("q", "x", "", "keep", "")], "none of the 1 decision is about a row of t.csv, the first is about 'q'"),
        ([("a", "x", "", "keep", ""), ("a", "x", "", "keep", "")], "decides twice about 'a', in lines 2 and 3"),
        ([("a", "x", "1", "keep", ""), ("moved", "x", "1", "drop", "")], "line 2 and .*line 3 contradict each other"),
        ([("a", "x", "", "yes", "")], "line 2: the decision 'yes' is none of accept, keep, unsure, relabel, drop"),
        ([("a", "", "", "accept", "")], "neither label nor new_label says what was accepted for 'a'"),
        ([("a", "x", "", "relabel", "")], "'a' is to be relabelled, but new_label is empty"),
        ([("a", "x", "", "keep", "y")], "keep leaves 'a' its label, but new_label is 'y'"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        match(tmp_path, *lines)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01\xff\xfe" * 500, b"a" * 300_000, b"id,label\na,x\n", b"id,decision\n" + b"\xff" * 9]
)
def test_what_is_no_such_file_is_refused(tmp_path, content):
    (tmp_path / "d.csv").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "d.csv"))):
        read_reviews([tmp_path / "d.csv"])


@pytest.mark.parametrize(
    ("line", "contradicts"),
    [
        (("a", "x", "", "keep", ""), False),
        (("a", "x", "", "drop", ""), True),
        (("b", "y", "", "keep", ""), True),
        (("b", "y", "", "relabel", "x"), False),
        (("b", "y", "", "relabel", "z"), True),
        (("c", "x", "", "drop", ""), False),  # nobody knows
    ],
)
def test_known_truths_may_not_be_contradicted(tmp_path, line, contradicts):
    truth = ["x", "x", None, None]
    if contradicts:
        with pytest.raises(
            InputError, match=f"{line[3]} contradicts the label of '{line[0]}' that is known to be true"
        ):
            match(tmp_path, line, truth=truth)
    else:
        assert len(match(tmp_path, line, truth=truth)[0]) == 1


def test_two_files_that_agree_on_the_label_now_are_one_verdict(tmp_path):
    first = decisions_of(tmp_path / "1.csv", ("b", "x", "accept", "y"), head=("id", "label", "decision", "new_label"))
    second = decisions_of(tmp_path / "2.csv", ("b", "y", "keep"), head=("id", "label", "decision"))
    assert match_reviews([], read_reviews([first, second]), ROWS) == ({1: RIGHT}, [])


def test_a_report_keeps_its_reviews_and_newer_ones_count(tmp_path):
    (tmp_path / "t.csv").write_text("id,text,label\na,one two,x\nb,three four,y\nc,five six,x\n")
    report = recalibrate(report_of(tmp_path / "t.csv"), {0: RIGHT, 1: wrong("x")}, list_wrong=True)
    stored = reviews_in(report)
    hashes = tuple(report.table["content_hash"].to_pylist())
    rows = ReviewableRows("t.csv", ("a", "b", "c"), ("x", "y", "x"), hashes, {})
    assert match_reviews(stored, [], rows) == ({0: RIGHT, 1: wrong()}, [])
    corrected = dataclasses.replace(rows, labels=("x", "x", "x"))
    assert match_reviews(stored, [], corrected)[0] == {0: RIGHT}
    newer = read_reviews([decisions_of(tmp_path / "d.csv", ("a", "drop"), head=("id", "decision"))])
    assert match_reviews(stored, newer, rows)[0] == {0: wrong(), 1: wrong()}


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match=r"^`reviewed`: .* is a folder"):
        read_reviews([tmp_path])
