"""Contradictions and leaks in every format; what was accepted in none of them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

from labelaudit.checking.formats import render
from labelaudit.checking.formats.json_document import read_json
from tests.support.results import COPIES, SUSPECT

CONTRADICTION = "labelled 1; its copy 0/first.png is 0 (score 0.375; added)"
LEAK = "labelled 0; in the test set, too (score 0.125; added)"


def test_text():
    text = render(COPIES, "text")
    assert f"1 new row with a copy that has another label\n  1/twin.png {CONTRADICTION}\n" in text
    assert f"1 new row that the test set has, too\n  0/leak.png {LEAK}\n" in text
    assert "2 rows accepted before\n  1/ok.png (data/new/1/twin.png)\n  0/ok.png " in text


def test_github():
    lines = render(COPIES, "github").splitlines()
    assert f"::error file=data/new/1/twin.png,title=Contradicting label 1::1/twin.png: {CONTRADICTION}" in lines
    assert f"::error file=data/new/0/leak.png,title=In the test set::0/leak.png: {LEAK}" in lines
    allowed = render(replace(COPIES, failures=()), "github").splitlines()
    assert sum(line.startswith("::warning file=") for line in allowed) == 2
    many = replace(COPIES, changes=tuple(replace(COPIES.changes[0], id=f"1/{row}.png") for row in range(20)))
    assert "::notice title=More::12 more findings: 1/8.png, " in render(many, "github")


def test_junit():
    suite = ET.fromstring(render(COPIES, "junit").partition("\n")[2])[0]
    assert (suite.get("tests"), suite.get("failures")) == ("4", "3")
    cases = {case.get("classname"): case for case in suite.iter("testcase")}
    failure = cases["labelaudit.check.contradiction"].find("failure")
    assert (failure.get("type"), failure.get("message")) == ("labelaudit.contradiction", CONTRADICTION)
    assert cases["labelaudit.check.leak"].find("failure").get("message") == LEAK


def test_sarif():
    run = json.loads(render(COPIES, "sarif"))["runs"][0]
    found = [(result["ruleId"], result["level"], result["message"]["text"]) for result in run["results"]]
    assert found == [
        ("labelaudit/contradiction", "error", f"1/twin.png: {CONTRADICTION}"),
        ("labelaudit/leak", "error", f"0/leak.png: {LEAK}"),
    ]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [rule for rule, *_ in found]


def test_markdown():
    text = render(COPIES, "markdown")
    assert "#### 1 new row with a copy that has another label" in text
    assert "#### 1 new row that the test set has, too" in text
    assert "<code>1/twin.png</code>" in text


def test_json_counts_them_and_is_read_back():
    document = json.loads(render(COPIES, "json"))
    assert (document["contradictions"], document["leaks"]) == (1, 1)
    assert document["changes"][0]["contradicts"] == "0/first.png"
    assert read_json(render(COPIES, "json")) == COPIES


def test_a_suspect_says_both_and_is_named_once():
    both = replace(SUSPECT, contradicts="1/a.png", contradicts_label="1", in_test=True)
    text = render(replace(COPIES, changes=(both,)), "github")
    said = "labelled 7, more probably 1 (score 0.988; added); its copy 1/a.png is 1; in the test set, too"
    assert said in text
    assert f"1 new row with a copy that has another label\n  7/a.png {said}\n" in render(
        replace(COPIES, changes=(both,)), "text"
    )
    assert text.count("7/a.png: ") == 1
