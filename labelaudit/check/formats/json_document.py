"""For scripts: everything, under keys that stay."""

from __future__ import annotations

import dataclasses
import json

from labelaudit.check.formats.wording import counts
from labelaudit.check.result import CheckResult

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
        "threshold": result.threshold,
        "seconds": result.seconds,
        "failures": list(result.failures),
        "notes": list(result.notes),
        "changes": [dataclasses.asdict(row) for row in result.changes],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
