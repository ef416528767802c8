"""For scripts: everything, under keys that stay."""

from __future__ import annotations

import dataclasses
import json

from labelaudit.checking.formats.wording import counts
from labelaudit.checking.result import ChangedRow, CheckResult
from labelaudit.data.class_names import Twins
from labelaudit.errors import InputError

VERSION = 1


def render_json(result: CheckResult) -> str:
    """All that is known, as one JSON object in ASCII."""
    document = {
        "version": VERSION,
        "passed": not result.failures,
        "source": result.source,
        "baseline": result.baseline,
        **counts(result),
        "suspects": len(result.suspects),
        "contradictions": sum(row.contradiction for row in result.changes),
        "leaks": sum(row.leak for row in result.changes),
        "threshold": result.threshold,
        "seconds": result.seconds,
        "failures": list(result.failures),
        "notes": list(result.notes),
        "warnings": list(result.warnings),
        "noise": result.noise,
        "class_name_twins": [dataclasses.asdict(twins) for twins in result.class_name_twins],
        "changes": [dataclasses.asdict(row) for row in result.changes],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def read_json(text: str) -> CheckResult:
    """The result that `render_json` was given.

    Raises:
        InputError: It is no such document.
    """
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise InputError(f"a check's result has version {document['version']}, this labelaudit reads {VERSION}")
        values = {field.name: document[field.name] for field in dataclasses.fields(CheckResult) if field.compare}
        for name in ("failures", "notes", "warnings"):
            values[name] = tuple(values[name])
        changes = tuple(ChangedRow(**row) for row in values["changes"])
        twins = tuple(
            Twins(tuple(pair["names"]), tuple(pair["rows"]), pair["reason"]) for pair in values["class_name_twins"]
        )
        return CheckResult(**values | {"changes": changes, "class_name_twins": twins})
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"this is no JSON of labelaudit check ({error})") from error
