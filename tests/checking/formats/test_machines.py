"""What machines make of the formats: schemas, GitHub's runner, a Markdown renderer."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
import xmlschema
from markdown_it import MarkdownIt

from labelaudit.checking.formats import render
from labelaudit.checking.formats.github import SUMMARY_BYTES, write_step_summary
from labelaudit.checking.formats.json_document import read_json
from labelaudit.checking.formats.sarif import MAX_RESULTS
from labelaudit.checking.formats.wording import printable
from labelaudit.errors import InputError
from tests.support.results import (
    ACCEPTED_ONLY,
    ALLOWED,
    CHANGED,
    COPIES,
    FAILED,
    FAILED_RELABELLED,
    HOSTILE,
    NAMES,
    NOTHING,
    SUSPECT,
    many,
)

SCHEMAS = Path(__file__).parent.parent / "schemas"
RESULTS = [NOTHING, CHANGED, FAILED, ALLOWED, FAILED_RELABELLED, ACCEPTED_ONLY, HOSTILE, COPIES]


@pytest.fixture(scope="module")
def sarif_validator():
    return jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-schema-2.1.0.json").read_text()))


@pytest.fixture(scope="module")
def junit_schema():
    return xmlschema.XMLSchema(SCHEMAS / "jenkins-junit.xsd")


@pytest.mark.parametrize("result", RESULTS)
def test_sarif_is_valid(sarif_validator, result):
    sarif_validator.validate(json.loads(render(result, "sarif")))


def sarif(result):
    (run,) = json.loads(render(result, "sarif"))["runs"]
    return run


def test_sarif_results():
    run = sarif(FAILED)
    first, second, third = run["results"]
    assert (first["ruleId"], first["level"], first["rank"]) == ("labelaudit/suspect-label", "error", 98.75)
    assert first["message"] == {"text": "7/a.png: labelled 7, more probably 1 (score 0.988; added)"}
    assert first["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "data/new/7/a.png"}, "region": {"startLine": 1}}}
    ]
    assert second["locations"][0]["physicalLocation"]["region"] == {"startLine": 6}
    assert (third["ruleId"], third["level"]) == ("labelaudit/relabelled", "warning")
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert [
        (note["level"], note["message"]["text"]) for note in run["invocations"][0]["toolExecutionNotifications"]
    ] == [
        ("error", "2 new suspects, 0 allowed"),
        ("warning", "5/b.png could not be scored: cannot be decoded (changed)"),
        ("note", "guessed labels: column 'label'"),
    ]
    assert [result["level"] for result in sarif(ALLOWED)["results"]] == ["warning"] * 3
    assert sarif(ACCEPTED_ONLY)["results"] == []


def test_sarif_fingerprints_go_by_id_and_label():
    def fingerprints(**changes):
        row = replace(SUSPECT, **changes)
        return sarif(replace(FAILED, changes=(row,)))["results"][0]["partialFingerprints"]

    assert set(fingerprints()) == {"labelauditRow/v1", "primaryLocationLineHash"}
    assert fingerprints(score=0.6, row=1, line=7, path="x", suggested_label="9") == fingerprints()
    assert fingerprints(label="8") != fingerprints()
    assert fingerprints(id="7/b.png") != fingerprints()


def test_sarif_paths_are_uris_and_come_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def uri(path):
        result = sarif(replace(FAILED, changes=(replace(SUSPECT, path=path),)))["results"][0]
        return result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]

    assert uri(f"{tmp_path}/a/b.png") == uri("./a//b.png") == "a/b.png"
    assert uri("../up/b c.png") == "../up/b%20c.png"
    assert uri("c:d#e?f%20.png") == "c%3Ad%23e%3Ff%2520.png"
    assert uri("/elsewhere/ü.png") == "file:///elsewhere/%C3%BC.png"
    for name in NAMES:
        if "/" not in name:
            assert urlsplit(uri(name)).scheme == ""
            assert unquote(uri(name)) == name


def test_sarif_messages_hold_no_links_and_placeholders():
    text = sarif(HOSTILE)["results"][3]["message"]["text"]
    assert r"\[link\](http://evil.example)" in text
    assert "{{0}} {{{{1}}}}" in sarif(HOSTILE)["results"][4]["message"]["text"]


def test_sarif_is_cut_where_github_refuses_it(sarif_validator):
    run = sarif(many(MAX_RESULTS + 5))
    assert len(run["results"]) == MAX_RESULTS
    assert {
        "level": "warning",
        "message": {"text": "5 more results left out: a run may have 25,000; the JSON has all"},
    } in run["invocations"][0]["toolExecutionNotifications"]


@pytest.mark.parametrize("result", RESULTS)
def test_junit_is_valid_and_counts_right(junit_schema, result):
    output = render(result, "junit")
    junit_schema.validate(output)
    (suite,) = ET.fromstring(output)
    cases = suite.findall("testcase")
    assert int(suite.get("tests")) == len(cases)
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
    assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))
    assert (cases[0].find("failure") is None) != bool(result.failures)


def test_junit_keeps_names_readable():
    (suite,) = ET.fromstring(render(HOSTILE, "junit"))
    names = [case.get("name") for case in suite.findall("testcase[@classname='labelaudit.check.suspect']")]
    assert names == [printable(row.id) for row in HOSTILE.suspects]


def test_junit_has_one_case_for_all_that_is_fine():
    (suite,) = ET.fromstring(render(many(5, fine_count=100_000), "junit"))
    assert suite.get("tests") == "7"
    assert suite.find("testcase[@name='other new or changed rows']/system-out").text == "100,000 rows, no suspects"


def runner_reads(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as actions/runner takes it apart."""
    found = re.fullmatch("::([a-z]+) (.*?)::(.*)", line, re.DOTALL)
    assert found, line
    unescape = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}

    def undo(text: str) -> str:
        return re.sub("%(?:0D|0A|3A|2C|25)", lambda code: unescape[code[0]], text)

    properties = dict(part.split("=", 1) for part in found[2].split(","))
    return found[1], {key: undo(value) for key, value in properties.items()}, undo(found[3])


def test_github_lines_are_commands_and_nothing_else():
    lines = re.split("\r\n|\r|\n", render(HOSTILE, "github"))
    assert lines.pop() == ""
    commands = [runner_reads(line) for line in lines]
    assert [level for level, _, _ in commands].count("error") == 10
    assert [level for level, _, _ in commands].count("warning") == 10
    files = [properties["file"] for _, properties, _ in commands if "file" in properties]
    assert files[0] == f"dir/{NAMES[0]}"
    assert f"dir/{NAMES[6]}" in files
    messages = [message for _, _, message in commands]
    assert messages[0] == r"a\nb\r\n::error::x"
    assert messages[6] == NAMES[6]


def test_github_names_what_it_cannot_show():
    commands = [runner_reads(line) for line in render(many(12), "github").splitlines()]
    assert [level for level, _, _ in commands] == ["error"] * 10 + ["notice"] * 2
    assert commands[10] == ("notice", {"title": "More"}, "3 more suspects: 7/9.png, 7/10.png, 7/11.png")
    assert len(render(many(100_000), "github")) < 10_000


def test_step_summary_is_appended_and_cut(tmp_path):
    path = tmp_path / "summary.md"
    write_step_summary(NOTHING, path)
    write_step_summary(FAILED, path)
    assert path.read_text() == render(NOTHING, "markdown") + render(FAILED, "markdown")
    long = replace(FAILED, changes=tuple(replace(SUSPECT, id=f"{'ü' * 20_000}{row}") for row in range(60)))
    write_step_summary(long, path)
    assert SUMMARY_BYTES - 50_000 < path.stat().st_size <= SUMMARY_BYTES
    assert path.read_text().endswith("*The rest was cut: a step summary may be 1 MiB long.*\n")
    write_step_summary(long, path)
    write_step_summary(long, path)
    assert path.stat().st_size <= SUMMARY_BYTES


def test_markdown_holds_no_markup_but_its_own():
    page = MarkdownIt("commonmark").enable("table").render(render(HOSTILE, "markdown"))
    assert set(re.findall("</?([a-z0-9]+)", page)) == {
        "h3",
        "h4",
        "p",
        "ul",
        "li",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    cells = re.findall("<td[^>]*>(.*?)</td>", page)[7:]
    columns = 6
    labels = [html.unescape(re.sub("</?code>", "", cell)) for cell in cells[: len(NAMES) * columns]]
    assert [" ".join(label.split()) for label in labels[1::columns]] == [
        " ".join(printable(name).split()) for name in NAMES
    ]
    assert "@octocat" not in html.unescape(re.sub("<code>.*?</code>", "", page))
    assert len(render(many(100_000), "markdown").splitlines()) < 70
    assert "\nand 99,950 more" in render(many(100_000), "markdown")


@pytest.mark.parametrize("result", RESULTS)
def test_json_is_read_back(result):
    assert read_json(render(result, "json")) == result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON of labelaudit check"),
        ("[]", "no JSON of labelaudit check"),
        ('{"version": 1}', "no JSON of labelaudit check"),
        ('{"version": 99}', "a check's result has version 99, this labelaudit reads 1"),
    ],
)
def test_json_of_something_else_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        read_json(text)


def test_accepted_relabelled_rows_are_no_warnings():
    accepted = replace(FAILED_RELABELLED, failures=(), changes=(replace(FAILED_RELABELLED.changes[0], accepted=True),))
    lines = render(accepted, "github").splitlines()
    assert lines[0] == "::notice title=Accepted::1 row accepted before"
    assert len(lines) == 2
    assert sarif(accepted)["results"] == []


@pytest.mark.parametrize("form", ["text", "github", "junit", "sarif", "markdown", "json"])
def test_no_format_lets_a_control_character_through(form):
    text = render(HOSTILE, form)
    assert {character for character in text if ord(character) < 32 or 127 <= ord(character) < 160} <= {"\n"}
