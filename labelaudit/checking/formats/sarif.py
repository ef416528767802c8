"""For code scanning: SARIF 2.1.0, with what GitHub asks for beyond the standard."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

from labelaudit.checking.formats.locations import uri
from labelaudit.checking.formats.wording import (
    accepted_rows,
    describe,
    findings,
    printable,
    relabelled,
    unscored,
)
from labelaudit.checking.result import ChangedRow, CheckResult
from labelaudit.data.class_names import Twins
from labelaudit.units import format_count

MAX_RESULTS = 25_000  # GitHub refuses files with more, and shows the first 5,000
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def _rule(kind: str, name: str, short: str, full: str, advice: str, level: str = "error") -> dict[str, Any]:
    return {
        "id": f"labelaudit/{kind}",
        "name": name,
        "shortDescription": {"text": short},
        "fullDescription": {"text": full},
        "help": {"text": advice, "markdown": advice},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["data-quality"]},
    }


RELABELLED, CLASS_NAME = 1, 2  # places in the list of rules
_RULE_OF = {"suspect": 0, "contradiction": 3, "leak": 4}
_RULES = [
    _rule(
        "suspect-label",
        "SuspectLabel",
        "The label of this row is probably wrong.",
        "The row is new or changed, and its label is more probably wrong than the check's threshold allows.",
        "Look at the row. If the label is wrong, correct it; if it is right, add the row's id to the list of accepted "
        "rows. The rank is 100 times the probability that the label is wrong.",
    ),
    _rule(
        "relabelled",
        "Relabelled",
        "This row has another label than in the baseline.",
        "The row's content is what it was, its label is not. The label is no suspect.",
        "Make sure that the change was meant.",
        "warning",
    ),
    _rule(
        "class-name",
        "ClassName",
        "A new class name looks like another one.",
        "The names differ in blanks, capitals, how characters are encoded, as numbers, or in one letter.",
        "If they are one class, correct the label of these rows; else make a new baseline.",
    ),
    _rule(
        "contradiction",
        "Contradiction",
        "A copy of this row has another label.",
        "Both rows hold the same. At least one of their labels is wrong.",
        "Look at both, correct the wrong label, and drop one row; or accept this one by its id.",
    ),
    _rule(
        "leak",
        "Leak",
        "The test set has this row, too.",
        "What is trained on is not fit to be tested on: figures would be too good.",
        "Drop the row here or in the test set; or accept it by its id.",
    ),
]


def render_sarif(result: CheckResult) -> str:
    """Suspects and relabelled rows as results, the most suspect first; failures and notes as notifications.

    Suspects are errors if the check fails, else warnings. Accepted ones are left out: GitHub knows no suppressions and
    would show them as open.
    """
    level = "error" if result.failures else "warning"
    found = [(row, _RULE_OF[kind], level) for kind, row in findings(result)]
    found += [(row, RELABELLED, "warning") for row in relabelled(result)]
    accepted, problems = accepted_rows(result), unscored(result)
    notifications = [("error", failure) for failure in result.failures]
    if len(found) > MAX_RESULTS:
        left_out = format_count(len(found) - MAX_RESULTS, "more result")
        notifications.append(("warning", f"{left_out} left out: a run may have {MAX_RESULTS:,}; the JSON has all"))
    notifications += [("warning", f"{printable(row.id)} {describe(row)}") for row in problems[:MAX_RESULTS]]
    if accepted:
        notifications.append(("note", f"{format_count(len(accepted), 'row')} accepted before"))
    notifications += [("warning", warning) for warning in result.warnings]
    notifications += [("note", note) for note in result.notes]
    run = {
        "tool": {"driver": {"name": "labelaudit", "version": version("labelaudit"), "rules": _RULES}},
        "invocations": [
            {
                "executionSuccessful": True,  # a check that fails has done its work
                "toolExecutionNotifications": [
                    {"level": level, "message": _message(text)} for level, text in notifications
                ],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": [
            *(_twins_result(twins, result.source) for twins in result.class_name_twins),
            *(_result(row, rule, level) for row, rule, level in found[:MAX_RESULTS]),
        ],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, allow_nan=False) + "\n"


def _result(row: ChangedRow, rule: int, level: str) -> dict[str, Any]:
    # neither place nor score, which change from run to run; nor the old label, which the next baseline has not
    fingerprint = hashlib.sha256(json.dumps([row.id, row.label]).encode()).hexdigest()
    return {
        "ruleId": _RULES[rule]["id"],
        "ruleIndex": rule,
        "level": level,
        "message": _message(f"{printable(row.id)}: {describe(row)}"),
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri(row.path)},
                    "region": {"startLine": row.line or 1},  # GitHub asks for one even where the row is a whole file
                }
            }
        ],
        "partialFingerprints": {
            "labelauditRow/v1": fingerprint,
            "primaryLocationLineHash": f"{fingerprint[:16]}:1",  # the one that GitHub goes by
        },
        **({} if row.score is None else {"rank": 100 * row.score}),
        "properties": {
            "id": row.id,
            "row": row.row,
            "change": row.change,
            "label": row.label,
            "oldLabel": row.old_label,
            "suggestedLabel": row.suggested_label,
            "influence": row.influence,
        },
    }


def _twins_result(twins: Twins, source: str) -> dict[str, Any]:
    fingerprint = hashlib.sha256(json.dumps(twins.names).encode()).hexdigest()
    place = {"artifactLocation": {"uri": uri(source)}, "region": {"startLine": 1}}
    return {
        "ruleId": _RULES[CLASS_NAME]["id"],
        "ruleIndex": CLASS_NAME,
        "level": "error",
        "message": _message(printable(f"class names that look like one: {twins}")),
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {
            "labelauditClassName/v1": fingerprint,
            "primaryLocationLineHash": f"{fingerprint[:16]}:1",
        },
    }


def _message(text: str) -> dict[str, str]:
    """Plain text, with what SARIF takes for links and placeholders escaped."""
    for character in "\\[]":
        text = text.replace(character, "\\" + character)
    return {"text": text.replace("{", "{{").replace("}", "}}")}
