"""For terminals and logs."""

from __future__ import annotations

from labelaudit.checking.formats.wording import (
    CONTRADICTIONS,
    LEAKS,
    accepted_rows,
    change,
    contradictions,
    describe,
    leaks,
    name,
    printable,
    relabelled,
    summary,
    unscored,
    verdict,
    where,
)
from labelaudit.checking.result import ChangedRow, CheckResult
from labelaudit.units import format_count

SHOWN = 50
_WIDEST = 24  # a longer cell stands out of its column, but is whole


def render_text(result: CheckResult) -> str:
    """The verdict, why, the counts, and the rows to look at, each id whole."""
    lines = [verdict(result), *(f"  {printable(failure)}" for failure in result.failures), "", summary(result)]
    if result.suspects:
        lines += ["", f"{format_count(len(result.suspects), 'new suspect')} (score above {result.threshold:g})"]
        lines += _table(
            ("score", "given", "suggested", "change", "row"),
            [
                (_score(row), name(row.label), name(row.suggested_label), change(row), where(row))
                for row in result.suspects[:SHOWN]
            ],
            len(result.suspects),
        )
    for rows, title in ((contradictions(result), CONTRADICTIONS), (leaks(result), LEAKS)):
        if rows:
            lines += ["", f"{format_count(len(rows), 'new row')} {title}"]
            lines += [f"  {where(row)} {describe(row)}" for row in rows[:SHOWN]] + _more(len(rows))
    others = relabelled(result)
    if others:
        lines += ["", f"{format_count(len(others), 'relabelled row')} not suspect"]
        lines += _table(
            ("score", "before", "now", "row"),
            [(_score(row), name(row.old_label), name(row.label), where(row)) for row in others[:SHOWN]],
            len(others),
        )
    problems = unscored(result)
    if problems:
        lines += ["", f"{format_count(len(problems), 'row')} not scored"]
        lines += [f"  {where(row)} {describe(row)}" for row in problems[:SHOWN]] + _more(len(problems))
    accepted = accepted_rows(result)
    if accepted:
        lines += ["", f"{format_count(len(accepted), 'row')} accepted before"]
        lines += [f"  {where(row)}" for row in accepted[:SHOWN]] + _more(len(accepted))
    said = [f"warning: {printable(warning)}" for warning in result.warnings]
    said += [f"note: {printable(note)}" for note in result.notes]
    if said:
        lines += ["", *said]
    return "\n".join(lines) + "\n"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]], total: int) -> list[str]:
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(head, *rows, strict=True)]
    lines = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    return lines + _more(total)


def _more(total: int) -> list[str]:
    return [f"  … and {total - SHOWN:,} more; the JSON has all"] if total > SHOWN else []


def _score(row: ChangedRow) -> str:
    return name(None) if row.score is None else f"{row.score:.3f}"
