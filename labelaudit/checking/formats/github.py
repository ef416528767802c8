"""For GitHub Actions: workflow commands, which become annotations, and the step's summary."""

from __future__ import annotations

import re
from pathlib import Path

from labelaudit.checking.formats.locations import relative_path
from labelaudit.checking.formats.markdown import render_markdown
from labelaudit.checking.formats.wording import (
    accepted_rows,
    describe,
    findings,
    name,
    printable,
    relabelled,
    summary,
    unscored,
    verdict,
)
from labelaudit.checking.result import ChangedRow, CheckResult
from labelaudit.units import format_count, listed

SHOWN = 10  # GitHub's own limit: this many annotations of each level a step
NAMED = 100  # of the rest, so that the command stays below GitHub's 64 KiB
SUMMARY_BYTES = 1 << 20  # a longer step summary is refused as a whole
_CONTROLS = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters but line ends, which a command has an escape for."""
_TITLES = {"suspect": "Suspect label {}", "contradiction": "Contradicting label {}", "leak": "In the test set"}
_CUT = "\n\n*The rest was cut: a step summary may be 1 MiB long.*\n"


def render_github(result: CheckResult) -> str:
    """One command a line and nothing else, so that no name can make a command of its own.

    The rows GitHub would not show as annotations are named in a notice.
    """
    level = "error" if result.failures else "warning"
    lines = [_command(level, verdict(result), printable(failure)) for failure in result.failures[:SHOWN]]
    room = SHOWN - len(lines)
    worst = [(row, _TITLES[kind].format(name(row.label))) for kind, row in findings(result)]
    lines += [_annotation(level, title, row) for row, title in worst[:room]]
    warnings = [(row, "Relabelled") for row in relabelled(result)] + [(row, "Not scored") for row in unscored(result)]
    warnings_room = SHOWN if result.failures else max(SHOWN - len(worst[:room]), 0)
    lines += [_annotation("warning", title, row) for row, title in warnings[:warnings_room]]
    left = [row for row, _ in worst[room:]]
    lines += [_rest("suspect" if all(row.suspect for row in left) else "finding", left)]
    lines += [_rest("row to look at", [row for row, _ in warnings[warnings_room:]], "rows to look at")]
    accepted = accepted_rows(result)
    if accepted:
        lines.append(_command("notice", "Accepted", f"{format_count(len(accepted), 'row')} accepted before"))
    lines += [_command("warning", "Cannot be relied on", printable(warning)) for warning in result.warnings]
    lines += [_command("notice", "Note", printable(note)) for note in result.notes]
    lines.append(_command("notice", verdict(result), summary(result)))
    return "\n".join(map(disarm, filter(None, lines))) + "\n"


def disarm(line: str) -> str:
    """A line without commands of the runner's older form, `##[name]`, which it finds anywhere in a line."""
    return line.replace("##[", "##\\[")


def write_step_summary(result: CheckResult, path: Path) -> None:
    """Append the Markdown to the file `$GITHUB_STEP_SUMMARY` names, cut where GitHub would refuse it.

    Raises:
        OSError: It cannot be written.
    """
    before = path.stat().st_size if path.exists() else 0
    text = render_markdown(result).encode()
    room = SUMMARY_BYTES - before
    if len(text) > room:
        kept = text[: max(room - len(_CUT.encode()), 0)]
        text = kept[: kept.rfind(b"\n") + 1] + _CUT.encode() if room >= len(_CUT.encode()) else b""
    with path.open("ab") as file:
        file.write(text)


def _rest(what: str, rows: list[ChangedRow] | tuple[ChangedRow, ...], many: str | None = None) -> str:
    if not rows:
        return ""
    named = listed([printable(row.id) for row in rows], NAMED)
    noun = what + "s" if many is None else many
    return _command("notice", "More", f"{len(rows):,} more {what if len(rows) == 1 else noun}: {named}")


def _annotation(level: str, title: str, row: ChangedRow) -> str:
    place = {"file": _CONTROLS.sub(lambda found: printable(found[0]), relative_path(row.path))} | (
        {} if row.line is None else {"line": str(row.line)}
    )
    return _command(level, title, f"{printable(row.id)}: {describe(row)}", place)


def _command(level: str, title: str, message: str, place: dict[str, str] | None = None) -> str:
    properties = ",".join(f"{key}={_property(value)}" for key, value in {**(place or {}), "title": title}.items())
    return f"::{level} {properties}::{_data(message)}"


def _data(text: str) -> str:
    """The escapes of actions/toolkit, which the runner undoes."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
