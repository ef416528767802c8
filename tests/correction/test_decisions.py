from __future__ import annotations

import re

import pytest

from labelaudit.correction.decisions import escape_formula, read_decisions, unescape_formula
from labelaudit.errors import InputError
from tests.support.reports import decisions_of, report_of


@pytest.fixture
def report(tmp_path):
    lines = ["id,text,label", "a,one two,x", "b,three four,y", "=c,five six,x", "'d,seven,y", "e,eight,"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    return report_of(tmp_path / "t.csv", {"a": "y", "=c": "y"})


def test_every_decision(report, tmp_path):
    path = decisions_of(
        tmp_path / "d.csv",
        ("b", "relabel", "x"),
        ("a", "accept", ""),
        ("'=c", " KEEP ", ""),
        ("''d", "unsure", ""),
        (),
        ("e", "accept", "y"),
    )
    decided = read_decisions(path, report, new_classes=False)
    assert [(one.id, one.row, one.label, one.decision, one.new_label) for one in decided] == [
        ("a", 0, "x", "accept", "y"),
        ("b", 1, "y", "relabel", "x"),
        ("=c", 2, "x", "keep", None),
        ("'d", 3, "y", "unsure", None),
        ("e", 4, None, "accept", "y"),
    ]
    assert decided[0].score == 0.75
    assert decided[0].content_hash == report.table["content_hash"][0].as_py()


def test_as_the_html_report_exports_it(report, tmp_path):
    path = tmp_path / "d.csv"
    hashes = report.table["content_hash"].to_pylist()
    path.write_bytes(
        "id,row,content_hash,label,decision,new_label\r\n"
        f"a,0,{hashes[0]},x,accept,y\r\n'=c,2,{hashes[2]},x,unsure,\r\ne,4,{hashes[4]},,relabel,x\r\n".encode()
    )
    assert [one.new_label for one in read_decisions(path, report, new_classes=False)] == ["y", None, "x"]


@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_as_spreadsheets_save_it(report, tmp_path, delimiter):
    path = tmp_path / "d.csv"
    lines = ["decision,remark,id,new_label", "accept,why not,a,", ",,,", "relabel,,b,x"]
    path.write_bytes(("\ufeff" + "\r\n".join(lines).replace(",", delimiter)).encode())
    assert [one.new_label for one in read_decisions(path, report, new_classes=False)] == ["y", "x"]


def test_guarding_is_undone_exactly():
    for text in ("=1", "+1", "-1", "@x", "'x", "''x", "\tx", "\rx", "'", "", "x'", "'tis"):
        assert unescape_formula(escape_formula(text)) == text
        assert not escape_formula(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unescape_formula("'tis written by hand") == "'tis written by hand"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([("a", "accept", "")] * 2, "decides twice about 'a', in lines 2 and 3"),
        ([("q", "keep", ""), ("r", "keep", ""), ("s", "keep", ""), ("t", "keep", "")], "'q' (line 2), 'r' (line 3), "
         "'s' (line 4) and 1 more"),
        ([("a", "yes", "")], "line 2: the decision 'yes' is none of accept, keep, unsure, relabel"),
        ([("b", "accept", "")], "suggests no label for 'b'"),
        ([("a", "relabel", " ")], "'a' is to be relabelled, but new_label is empty"),
        ([("a", "relabel", "z")], "'z' is no class of the report (x, y); allow it with `new_classes`"),
        ([("a", "keep", "y")], "keep leaves 'a' its label, but new_label is 'y'"),
        ([("a", "keep", "", "?")], "line 2: 4 cells, but 3 columns"),
    ],
)  # fmt: skip  # data, read as a table
def test_what_cannot_be_meant(report, tmp_path, lines, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_decisions(decisions_of(tmp_path / "d.csv", *lines), report, new_classes=False)


@pytest.mark.parametrize(("column", "cell"), [("row", "1"), ("content_hash", "0" * 64), ("label", "y")])
def test_decisions_of_another_report(report, tmp_path, column, cell):
    path = decisions_of(tmp_path / "d.csv", ("a", "accept", cell), head=("id", "decision", column))
    with pytest.raises(InputError, match=f"{column} of 'a' is '{cell}' there and .* made with another report"):
        read_decisions(path, report, new_classes=False)


def test_new_classes_are_allowed_when_asked_for(report, tmp_path):
    path = decisions_of(tmp_path / "d.csv", ("a", "relabel", "z"))
    assert read_decisions(path, report, new_classes=True)[0].new_label == "z"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no columns id and decision"),
        (b"id,new_label\na,x\n", "has no columns id and decision; its first line is 'id,new_label'"),
        (b"id,decision,id\na,x\n", "has the column 'id' twice"),
        (b"id,decision\n\xff,keep\n", "cannot read"),
    ],
)
def test_what_is_no_such_file(report, tmp_path, content, message):
    (tmp_path / "d.csv").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)):
        read_decisions(tmp_path / "d.csv", report, new_classes=False)
    with pytest.raises(InputError, match=r"cannot read .*: No such file or directory"):
        read_decisions(tmp_path / "none.csv", report, new_classes=False)
