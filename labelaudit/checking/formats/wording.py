"""What all formats say alike."""

from __future__ import annotations

from typing import Literal

from labelaudit.checking.result import ChangedRow, CheckResult
from labelaudit.units import format_count

Finding = Literal["suspect", "contradiction", "leak"]

NONE = "–"
CONTRADICTIONS, LEAKS = "with a copy that has another label", "that the test set has, too"


def printable(text: str) -> str:
    """Text on one line, without anything that could move a cursor, colour a terminal or break XML."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def verdict(result: CheckResult) -> str:
    """The headline."""
    return f"labelaudit check {'failed' if result.failures else 'passed'}"


def counts(result: CheckResult) -> dict[str, int]:
    """How many rows there are of each kind."""
    return {
        "rows": result.rows,
        "unchanged": result.unchanged,
        "added": result.count("added"),
        "changed": result.count("changed"),
        "relabelled": result.count("relabelled"),
        "removed": result.removed,
    }


def summary(result: CheckResult) -> str:
    """The comparison in one sentence."""
    numbers = counts(result)
    others = ", ".join(f"{count:,} {name}" for name, count in numbers.items() if name != "rows")
    return (
        f"{printable(result.source)} against {printable(result.baseline)}: {format_count(numbers['rows'], 'row')}, "
        f"{others}"
    )


def relabelled(result: CheckResult) -> tuple[ChangedRow, ...]:
    """The rows that have another label than before and are otherwise fine, unless somebody has accepted them."""
    return tuple(
        row
        for row in result.changes
        if row.change == "relabelled"
        and not (row.suspect or row.contradiction or row.leak or row.accepted)
        and row.problem is None
    )


def contradictions(result: CheckResult) -> tuple[ChangedRow, ...]:
    """The rows that have a copy with another label, suspects among them."""
    return tuple(row for row in result.changes if row.contradiction and row.problem is None)


def leaks(result: CheckResult) -> tuple[ChangedRow, ...]:
    """The rows that the test set has, too, suspects and contradictions among them."""
    return tuple(row for row in result.changes if row.leak and row.problem is None)


def findings(result: CheckResult) -> list[tuple[Finding, ChangedRow]]:
    """The rows with which something is wrong, each once with the worst of it: suspects first, by their scores."""
    kinds: tuple[tuple[Finding, tuple[ChangedRow, ...]], ...] = (
        ("suspect", result.suspects),
        ("contradiction", contradictions(result)),
        ("leak", leaks(result)),
    )
    found: dict[str, tuple[Finding, ChangedRow]] = {}
    for kind, rows in kinds:
        for row in rows:
            found.setdefault(row.id, (kind, row))
    return list(found.values())


def unscored(result: CheckResult) -> tuple[ChangedRow, ...]:
    """The new or changed rows nothing can be said of."""
    return tuple(row for row in result.changes if row.problem is not None)


def accepted_rows(result: CheckResult) -> tuple[ChangedRow, ...]:
    """The rows that would be suspects, contradictions, leaks or relabelled, had nobody accepted them."""
    return tuple(
        row
        for row in result.changes
        if row.accepted
        and (
            row.change == "relabelled"
            or row.contradicts is not None
            or row.in_test
            or (row.score is not None and row.score > result.threshold)
        )
    )


def describe(row: ChangedRow) -> str:
    """What is the matter with a row, without its id."""
    if row.problem is not None:
        return f"could not be scored: {printable(row.problem)} ({change(row)})"
    score = "" if row.score is None else f"score {row.score:.3f}; "
    copies = "" if not row.contradiction else f"; its copy {name(row.contradicts)} is {name(row.contradicts_label)}"
    copies += "; in the test set, too" if row.leak else ""
    if copies and not row.suspect:
        return f"labelled {name(row.label)}{copies} ({score}{change(row)})"
    if not row.suspect:
        return f"relabelled from {name(row.old_label)} to {name(row.label)} ({score.removesuffix('; ') or 'no score'})"
    suggested = "" if row.suggested_label is None else f", more probably {name(row.suggested_label)}"
    return f"labelled {name(row.label)}{suggested} ({score}{change(row)}){copies}"


def change(row: ChangedRow) -> str:
    """What happened to a row, with the label it had before if that is another."""
    before = row.old_label is not None and row.old_label != row.label
    return f"{row.change} from {name(row.old_label)}" if before else row.change


def name(label: str | None) -> str:
    """A label to be read."""
    return NONE if label is None else printable(label)


def where(row: ChangedRow) -> str:
    """The row's id, and the place where it is found if the id does not say so."""
    place = printable(row.path) + (f":{row.line}" if row.line is not None else "")
    row_id = printable(row.id)
    return row_id if place == row_id or place.endswith("/" + row_id) else f"{row_id} ({place})"
