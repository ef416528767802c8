"""Whole outputs for small results."""

from __future__ import annotations

import json

import pytest

from labelaudit.checking.formats import FORMATS, render
from tests.support.results import (
    ACCEPTED_ONLY,
    ALLOWED,
    CHANGED,
    FAILED,
    FAILED_RELABELLED,
    HOSTILE,
    NOTHING,
    many,
)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("result", [NOTHING, CHANGED, FAILED, ALLOWED, FAILED_RELABELLED, ACCEPTED_ONLY, HOSTILE])
def test_every_format_says_whether_it_passed(format, result):
    output = render(result, format)
    assert output.endswith("\n")
    assert output.encode()
    if format in ("text", "markdown", "github"):
        assert ("check failed" in output) == bool(result.failures)
    elif format == "junit":
        assert ("<failure" in output) == bool(result.failures)
    elif format == "sarif":
        assert ('"level": "error",' in output.split('"invocations"')[1]) == bool(result.failures)
    else:
        assert json.loads(output)["passed"] != bool(result.failures)


def test_text():
    assert render(FAILED, "text") == (
        "labelaudit check failed\n"
        "  2 new suspects, 0 allowed\n"
        "\n"
        "data/new against labelaudit-report: 604 rows, 599 unchanged, 2 added, 1 changed, 2 relabelled, 0 removed\n"
        "\n"
        "2 new suspects (score above 0.5)\n"
        "  score  given  suggested  change             row\n"
        "  0.988  7      1          added              7/a.png\n"
        "  0.750  8      –          relabelled from 3  row-4 (data/new.csv:6)\n"
        "\n"
        "1 relabelled row not suspect\n"
        "  score  before  now  row\n"
        "  0.250  3       0    row-16 (data/new.csv:18)\n"
        "\n"
        "1 row not scored\n"
        "  5/b.png could not be scored: cannot be decoded (changed)\n"
        "\n"
        "note: guessed labels: column 'label'\n"
    )
    assert render(NOTHING, "text") == (
        "labelaudit check passed\n"
        "\n"
        "data/new against labelaudit-report: 600 rows, 600 unchanged, 0 added, 0 changed, 0 relabelled, 0 removed\n"
    )
    assert render(ACCEPTED_ONLY, "text").endswith("\n\n1 row accepted before\n  2/odd.png\n")


def test_text_is_printable_and_not_endless():
    lines = render(HOSTILE, "text").split("\n")
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith("::") for line in lines)
    lines = render(many(100_000), "text").split("\n")
    assert len(lines) == 59
    assert lines[-2] == "  … and 99,950 more; the JSON has all"


def test_github():
    assert render(FAILED, "github").splitlines() == [
        "::error title=labelaudit check failed::2 new suspects, 0 allowed",
        "::error file=data/new/7/a.png,title=Suspect label 7::7/a.png: labelled 7, more probably 1 "
        "(score 0.988; added)",
        "::error file=data/new.csv,line=6,title=Suspect label 8::row-4: labelled 8 (score 0.750; relabelled from 3)",
        "::warning file=data/new.csv,line=18,title=Relabelled::row-16: relabelled from 3 to 0 (score 0.250)",
        "::warning file=data/new/5/b.png,title=Not scored::5/b.png: could not be scored: cannot be decoded (changed)",
        "::notice title=Note::guessed labels: column 'label'",
        "::notice title=labelaudit check failed::data/new against labelaudit-report: 604 rows, 599 unchanged, 2 added, "
        "1 changed, 2 relabelled, 0 removed",
    ]
    assert render(ALLOWED, "github").splitlines()[0] == (
        "::warning file=data/new/7/a.png,title=Suspect label 7::7/a.png: labelled 7, more probably 1 "
        "(score 0.988; added)"
    )
    assert render(ACCEPTED_ONLY, "github").splitlines()[0] == "::notice title=Accepted::1 row accepted before"


def test_markdown():
    assert render(FAILED, "markdown") == (
        "### ❌ labelaudit check failed\n"
        "\n"
        "- 2 new suspects, 0 allowed\n"
        "\n"
        "<code>data/new</code> against <code>labelaudit-report</code>\n"
        "\n"
        "| rows | unchanged | added | changed | relabelled | removed | new suspects |\n"
        "| --: | --: | --: | --: | --: | --: | --: |\n"
        "| 604 | 599 | 2 | 1 | 2 | 0 | 2 |\n"
        "\n"
        "#### 2 new suspects (score above 0.5)\n"
        "\n"
        "| row | label | suggested | score | change | where |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| <code>7/a.png</code> | <code>7</code> | <code>1</code> | 0.988 | added | <code>data/new/7/a.png</code> |\n"
        "| <code>row-4</code> | <code>8</code> | – | 0.750 | relabelled from 3 | <code>data/new.csv&#58;6</code> |\n"
        "\n"
        "#### 1 relabelled row not suspect\n"
        "\n"
        "| row | before | now | score | where |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| <code>row-16</code> | <code>3</code> | <code>0</code> | 0.250 | <code>data/new.csv&#58;18</code> |\n"
        "\n"
        "#### 1 row not scored\n"
        "\n"
        "| row | why | where |\n"
        "| --- | --- | --- |\n"
        "| <code>5/b.png</code> | cannot be decoded | <code>data/new/5/b.png</code> |\n"
        "\n"
        "- guessed labels&#58; column 'label'\n"
    )


def test_junit():
    assert render(FAILED, "junit") == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<testsuites>\n"
        '  <testsuite name="labelaudit check" tests="5" failures="3" errors="0" skipped="1" time="1.250">\n'
        "    <properties>\n"
        '      <property name="source" value="data/new" />\n'
        '      <property name="baseline" value="labelaudit-report" />\n'
        '      <property name="rows" value="604" />\n'
        '      <property name="unchanged" value="599" />\n'
        '      <property name="added" value="2" />\n'
        '      <property name="changed" value="1" />\n'
        '      <property name="relabelled" value="2" />\n'
        '      <property name="removed" value="0" />\n'
        '      <property name="threshold" value="0.5" />\n'
        "    </properties>\n"
        '    <testcase classname="labelaudit.check" name="verdict" time="1.250">\n'
        '      <failure type="labelaudit.check" message="2 new suspects, 0 allowed">labelaudit check failed\n'
        "2 new suspects, 0 allowed\n"
        "data/new against labelaudit-report: 604 rows, 599 unchanged, 2 added, 1 changed, 2 relabelled, 0 removed\n"
        "row-16 (data/new.csv:18): relabelled from 3 to 0 (score 0.250)</failure>\n"
        "      <system-out>note: guessed labels: column 'label'</system-out>\n"
        "    </testcase>\n"
        '    <testcase classname="labelaudit.check.suspect" name="7/a.png" time="0">\n'
        '      <failure type="labelaudit.suspect-label" message="labelled 7, more probably 1 (score 0.988; added)">'
        "7/a.png: labelled 7, more probably 1 (score 0.988; added)</failure>\n"
        "    </testcase>\n"
        '    <testcase classname="labelaudit.check.suspect" name="row-4" time="0">\n'
        '      <failure type="labelaudit.suspect-label" message="labelled 8 (score 0.750; relabelled from 3)">'
        "row-4 (data/new.csv:6): labelled 8 (score 0.750; relabelled from 3)</failure>\n"
        "    </testcase>\n"
        '    <testcase classname="labelaudit.check.unscored" name="5/b.png" time="0">\n'
        "      <skipped>could not be scored: cannot be decoded (changed)</skipped>\n"
        "    </testcase>\n"
        '    <testcase classname="labelaudit.check" name="other new or changed rows" time="0">\n'
        "      <system-out>2 rows, no suspects</system-out>\n"
        "    </testcase>\n"
        "  </testsuite>\n"
        "</testsuites>\n"
    )


def test_json_has_everything():
    document = json.loads(render(FAILED, "json"))
    changes = document.pop("changes")
    assert document == {
        "version": 1,
        "passed": False,
        "source": "data/new",
        "baseline": "labelaudit-report",
        "rows": 604,
        "unchanged": 599,
        "added": 2,
        "changed": 1,
        "relabelled": 2,
        "removed": 0,
        "suspects": 2,
        "contradictions": 0,
        "leaks": 0,
        "threshold": 0.5,
        "seconds": 1.25,
        "failures": ["2 new suspects, 0 allowed"],
        "notes": ["guessed labels: column 'label'"],
        "warnings": [],
        "noise": None,
        "class_name_twins": [],
    }
    assert [row["id"] for row in changes] == ["7/a.png", "row-4", "row-16", "0/fine.png", "5/b.png"]
    assert changes[0] == {
        "id": "7/a.png",
        "row": 600,
        "change": "added",
        "label": "7",
        "old_label": None,
        "suggested_label": "1",
        "score": 0.9875,
        "influence": -0.003,
        "suspect": True,
        "accepted": False,
        "path": "data/new/7/a.png",
        "line": None,
        "problem": None,
        "contradicts": None,
        "contradicts_label": None,
        "in_test": False,
    }
    assert [row["label"] for row in json.loads(render(HOSTILE, "json"))["changes"]][::4] == list(
        dict.fromkeys(row.label for row in HOSTILE.changes)
    )
