"""For Jenkins, GitLab and other CI servers: JUnit XML, as Jenkins' own schema has it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from labelaudit.checking.formats.wording import (
    accepted_rows,
    counts,
    describe,
    findings,
    printable,
    relabelled,
    summary,
    unscored,
    verdict,
    where,
)
from labelaudit.checking.result import CheckResult
from labelaudit.units import format_count

SHOWN = 50
_CLASS = "labelaudit.check"
_TYPES = {kind: f"labelaudit.{kind}" for kind in ("contradiction", "leak")} | {"suspect": "labelaudit.suspect-label"}


def render_junit(result: CheckResult) -> str:
    """One suite: a case for the verdict, one for each finding, one for each unscored row, one for all the rest.

    The verdict's case fails if and only if the check does, and says why; findings fail only then, for a CI server fails
    the build for any failing case. The many other rows are one passing case.
    """
    found, problems, others = findings(result), unscored(result), relabelled(result)
    rest = len(result.changes) - len(found) - len(problems)
    tests = 1 + len(found) + len(problems) + (rest > 0)
    failures = 1 + len(found) if result.failures else 0
    seconds = f"{result.seconds:.3f}"
    suites = ET.Element("testsuites")
    suite = ET.SubElement(
        suites,
        "testsuite",
        name="labelaudit check",
        tests=str(tests),
        failures=str(failures),
        errors="0",
        skipped=str(len(problems)),
        time=seconds,
    )
    properties = ET.SubElement(suite, "properties")
    for key, value in {
        "source": printable(result.source),
        "baseline": printable(result.baseline),
        **counts(result),
        "threshold": f"{result.threshold:g}",
    }.items():
        ET.SubElement(properties, "property", name=key, value=str(value))

    case = ET.SubElement(suite, "testcase", classname=_CLASS, name="verdict", time=seconds)
    reasons = [printable(failure) for failure in result.failures]
    listed = [f"{where(row)}: {describe(row)}" for row in others[:SHOWN]]
    if len(others) > SHOWN:
        listed.append(f"… and {format_count(len(others) - SHOWN, 'more relabelled row')}")
    if reasons:
        failure = ET.SubElement(case, "failure", type="labelaudit.check", message="; ".join(reasons))
        failure.text = "\n".join([verdict(result), *reasons, summary(result), *listed])
    accepted = accepted_rows(result)
    said = [] if reasons else [summary(result), *listed]
    if accepted:
        said.append(f"{format_count(len(accepted), 'row')} accepted before")
    said += [f"warning: {printable(warning)}" for warning in result.warnings]
    said += [f"note: {printable(note)}" for note in result.notes]
    if said:
        ET.SubElement(case, "system-out").text = "\n".join(said)

    for kind, row in found:
        case = ET.SubElement(suite, "testcase", classname=f"{_CLASS}.{kind}", name=printable(row.id), time="0")
        if result.failures:
            failure = ET.SubElement(case, "failure", type=_TYPES[kind], message=describe(row))
            failure.text = f"{where(row)}: {describe(row)}"
        else:
            ET.SubElement(case, "system-out").text = f"{where(row)}: {describe(row)}"
    for row in problems:
        case = ET.SubElement(suite, "testcase", classname=f"{_CLASS}.unscored", name=printable(row.id), time="0")
        ET.SubElement(case, "skipped").text = describe(row)
    if rest:
        case = ET.SubElement(suite, "testcase", classname=_CLASS, name="other new or changed rows", time="0")
        ET.SubElement(case, "system-out").text = f"{format_count(rest, 'row')}, no suspects"
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'
