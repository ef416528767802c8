"""decisions.csv: what people decided about the report's rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from labelaudit.errors import InputError
from labelaudit.report.report import Report

Decision = Literal["accept", "keep", "unsure", "relabel"]
DECISIONS: tuple[str, ...] = get_args(Decision)
FORMULA_STARTS = ("=", "+", "-", "@", "'", "\t", "\r")  # a spreadsheet would run such a cell, or hide its apostrophe
_DELIMITERS = ",;\t"  # spreadsheets of many countries write semicolons
_SHOWN = 3


@dataclass(frozen=True)
class Decided:
    """What was decided about a row.

    Attributes:
        id: The row's id.
        row: Its number in the report.
        label: The label it had in the report; None if it had none.
        content_hash: The hash of its content in the report; None if it could not be read.
        decision: The word.
        new_label: The label it is to have; None if it keeps its own.
        score: The report's; None if the row was not scored.
    """

    id: str
    row: int
    label: str | None
    content_hash: str | None
    decision: str
    new_label: str | None
    score: float | None


def guard(cell: str) -> str:
    """A cell as it may be opened in a spreadsheet: what would be run as a formula gets an apostrophe before it."""
    return "'" + cell if cell.startswith(FORMULA_STARTS) else cell


def unguard(cell: str) -> str:
    """The cell that `guard` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS) else cell


def read_decisions(path: Path, report: Report, new_classes: bool) -> tuple[Decided, ...]:
    """Read decisions and check them against the report they were made with.

    Args:
        path: A CSV file with columns `id` and `decision`, and where given `row`, `content_hash`, `label`, `new_label`.
        report: The report.
        new_classes: Whether a new label may be one that no row has yet.

    Returns:
        One for each line, in the report's order.

    Raises:
        InputError: It cannot be read, says something about rows the report does not have, says something twice, or
            contradicts itself or the report.
    """
    columns = ["id", "row", "content_hash", "label", "suggested_label", "score"]
    rows = {row["id"]: row for row in report.table.select(columns).to_pylist()}
    found: dict[str, tuple[int, Decided]] = {}
    unknown: list[str] = []
    for line, cells in _lines(path):
        where, row_id = f"{path}, line {line}", cells["id"]
        row = rows.get(row_id)
        if row is None:
            unknown.append(f"{row_id!r} (line {line})")
            continue
        if row_id in found:
            raise InputError(f"{path} decides twice about {row_id!r}, in lines {found[row_id][0]} and {line}: leave "
                             "one of them")  # fmt: skip
        for column in ("row", "content_hash", "label"):
            stated, reported = cells.get(column, ""), "" if row[column] is None else str(row[column])
            if stated not in ("", reported):
                raise InputError(f"{where}: {column} of {row_id!r} is {stated!r} there and {reported!r} in the "
                                 "report: the decisions were made with another report")  # fmt: skip
        decision = cells["decision"].strip().lower()
        new_label = _new_label(decision, cells.get("new_label", ""), row["suggested_label"], row_id, where)
        if new_label is not None and new_label not in report.metadata["classes"] and not new_classes:
            classes = ", ".join(report.metadata["classes"][:20])
            raise InputError(f"{where}: {new_label!r} is no class of the report ({classes}); allow it with "
                             "--new-classes")  # fmt: skip
        found[row_id] = (line, Decided(row_id, row["row"], row["label"], row["content_hash"], decision, new_label,
                                       row["score"]))  # fmt: skip
    if unknown:
        more = f" and {len(unknown) - _SHOWN} more" * (len(unknown) > _SHOWN)
        raise InputError(f"{path} has ids the report does not know: {', '.join(unknown[:_SHOWN])}{more}; was it made "
                         "with another report?")  # fmt: skip
    return tuple(sorted((decided for _, decided in found.values()), key=lambda decided: decided.row))


def _new_label(decision: str, stated: str, suggested: str | None, row_id: str, where: str) -> str | None:
    """The label a decision leads to, None where it is the one the row has."""
    if decision not in DECISIONS:
        raise InputError(f"{where}: the decision {decision!r} is none of {', '.join(DECISIONS)}")
    if decision in ("keep", "unsure"):
        if stated.strip():
            raise InputError(f"{where}: {decision} leaves {row_id!r} its label, but new_label is {stated!r}: write "
                             "relabel, or leave new_label empty")  # fmt: skip
        return None
    if stated.strip():
        return stated
    if decision == "relabel":
        raise InputError(f"{where}: {row_id!r} is to be relabelled, but new_label is empty")
    if suggested is None:
        raise InputError(f"{where}: the report suggests no label for {row_id!r} that could be accepted: name one in "
                         "new_label")  # fmt: skip
    return suggested


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line's number and cells by column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            delimiter = next((d for d in _DELIMITERS if {"id", "decision"} <= set(_names(first, d))), None)
            if delimiter is None:
                raise InputError(f"{path} has no columns id and decision; its first line is {first.strip()[:80]!r}")
            names = _names(first, delimiter)
            repeated = sorted({name for name in names if name and names.count(name) > 1})
            if repeated:
                raise InputError(f"{path} has the column {repeated[0]!r} twice")
            reader = csv.reader(file, delimiter=delimiter)
            for cells in reader:
                if len(cells) > len(names):
                    raise InputError(f"{path}, line {reader.line_num + 1}: {len(cells)} cells, but {len(names)} "
                                     "columns")  # fmt: skip
                padded = [unguard(cell) for cell in cells] + [""] * (len(names) - len(cells))
                if any(cell.strip() for cell in padded):
                    yield reader.line_num + 1, dict(zip(names, padded, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _names(line: str, delimiter: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
