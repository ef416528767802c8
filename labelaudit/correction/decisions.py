"""decisions.csv: what people decided about the report's rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from labelaudit.correction.group_decisions import DROP_OTHERS, GROUP_DECISIONS, Groups, check_group_label
from labelaudit.errors import InputError
from labelaudit.report.report import Report
from labelaudit.runtime.regular_files import require_regular
from labelaudit.units import listed

Decision = Literal["accept", "keep", "unsure", "relabel"]
DECISIONS: tuple[str, ...] = get_args(Decision)
DROP = "drop"  # the row belongs to no class
FORMULA_STARTS = ("=", "+", "-", "@", "'", "\t", "\r")  # a spreadsheet would run such a cell, or hide its apostrophe
_DELIMITERS = ",;\t"  # spreadsheets of many countries write semicolons
_LONGEST_HEADER = 1 << 16  # characters, for a large file that is something else not to be read as one line
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
        note: What the reviewer wrote about it.
    """

    id: str
    row: int
    label: str | None
    content_hash: str | None
    decision: str
    new_label: str | None
    score: float | None
    note: str = ""

    @property
    def drops(self) -> bool:
        """Whether the row is to be left out: it belongs to no class, or is one copy too many."""
        return self.decision == DROP or self.decision in DROP_OTHERS

    @property
    def says_wrong(self) -> bool | None:
        """Whether the row's label is said to be wrong; None if that was left open."""
        if self.decision == "unsure" or self.decision in DROP_OTHERS:
            return None
        return self.decision == DROP or self.new_label not in (None, self.label)


def escape_formula(cell: str) -> str:
    """A cell as it may be opened in a spreadsheet: what would be run as a formula gets an apostrophe before it."""
    return "'" + cell if cell.startswith(FORMULA_STARTS) else cell


def unescape_formula(cell: str) -> str:
    """The cell that `escape_formula` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS) else cell


def write_decisions(path: Path, decided: Sequence[Decided], new_ids: Mapping[str, str]) -> None:
    """Write decisions as the page exports them, about the same rows under the ids that they have by now."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "row", "content_hash", "label", "decision", "new_label", "note"))
        for row in decided:
            if row.decision in DROP_OTHERS:  # says nothing of a label
                continue
            cells = (new_ids.get(row.id, row.id), row.row, row.content_hash, row.label, row.decision, row.new_label)
            writer.writerow(escape_formula("" if cell is None else str(cell)) for cell in (*cells, row.note))


def read_all_decisions(paths: Sequence[Path], report: Report) -> tuple[Decided, ...]:
    """Read decisions from several files, to learn from them; they may be for new classes, or to drop a row.

    Raises:
        InputError: As for `read_decisions`; there is none; or two files decide differently about a row.
    """
    found: dict[int, tuple[Path, Decided]] = {}
    for path in paths:
        for decided in read_decisions(path, report, new_classes=True, drops=True):
            before, same = found.setdefault(decided.row, (path, decided))
            if (decided.decision, decided.new_label) != (same.decision, same.new_label):
                raise InputError(
                    f"{before} and {path} decide differently about {decided.id!r} "
                    f"({same.decision}, {decided.decision}): leave one of them"
                )
    if not found:
        raise InputError(f"no decision in {listed(paths, _SHOWN)}", option="decisions")
    return tuple(found[row][1] for row in sorted(found))


def read_decisions(path: Path, report: Report, new_classes: bool, drops: bool = False) -> tuple[Decided, ...]:
    """Read decisions and check them against the report they were made with.

    Args:
        path: A CSV file with columns `id` and `decision`, and where given `row`, `content_hash`, `label`, `new_label`.
        report: The report.
        new_classes: Whether a new label may be one that no row has yet.
        drops: Whether a decision may be to drop the row.

    Returns:
        One for each row that is decided on, in the report's order; of a line that is about all copies of a row, one for
        each of these.

    Raises:
        InputError: It cannot be read, says something about rows the report does not have, says something twice, or
            contradicts itself or the report.
    """
    columns = ["id", "row", "content_hash", "label", "suggested_label", "score"]
    every_row = report.table.select(columns).to_pylist()
    rows = {row["id"]: row for row in every_row}
    groups: Groups | None = None
    found: dict[str, tuple[int, Decided]] = {}
    unknown: list[str] = []
    for line, cells in decision_lines(path):
        where, row_id = f"{path}, line {line}", cells["id"]
        row = rows.get(row_id)
        if row is None:
            unknown.append(f"{row_id!r} (line {line})")
            continue
        for column in ("row", "content_hash", "label"):
            stated, reported = cells.get(column, ""), "" if row[column] is None else str(row[column])
            if stated not in ("", reported):
                raise InputError(
                    f"{where}: {column} of {row_id!r} is {stated!r} there and {reported!r} in the "
                    "report: the decisions were made with another report"
                )
        decision = cells["decision"].strip().lower()
        stated, about = cells.get("new_label", ""), [row]
        if drops and decision in GROUP_DECISIONS:
            new_label = check_group_label(decision, stated, row_id, where)
            groups = groups or Groups(report)
            members = groups.with_row(decision, row["row"], row_id, where)
            about = [every_row[member] for member in members if new_label is not None or member != row["row"]]
        else:
            new_label = _new_label(decision, stated, row["suggested_label"], row_id, where, drops)
        if new_label is not None and new_label not in report.metadata["classes"] and not new_classes:
            classes = listed(report.metadata["classes"], 20)
            raise InputError(
                f"{where}: {new_label!r} is no class of the report ({classes}); allow it with `new_classes`"
            )
        for one in about:
            if one["id"] in found:
                before, twice = found[one["id"]][0], one["id"]
                raise InputError(
                    f"{path} decides twice about {twice!r}, in lines {before} and {line}: leave one of them"
                )
            found[one["id"]] = line, _decided(one, decision, new_label, cells.get("note", ""))
    if unknown:
        raise InputError(
            f"{path} has ids the report does not know: {listed(unknown, _SHOWN)}; was it made with another report?"
        )
    return tuple(sorted((decided for _, decided in found.values()), key=lambda decided: decided.row))


def _decided(row: Mapping[str, Any], decision: str, new_label: str | None, note: str) -> Decided:
    """A decision on a row; one label for all copies is that it keeps its own, or gets another."""
    if decision in GROUP_DECISIONS and new_label is not None:
        decision, new_label = ("keep", None) if new_label == row["label"] else ("relabel", new_label)
    facts = {name: row[name] for name in ("id", "row", "label", "content_hash", "score")}
    return Decided(**facts, decision=decision, new_label=new_label, note=note)


def _new_label(decision: str, stated: str, suggested: str | None, row_id: str, where: str, drops: bool) -> str | None:
    """The label a decision leads to, None where it is the one the row has."""
    new_label = stated_label(decision, stated, row_id, where, drops)
    if decision != "accept" or new_label is not None:
        return new_label
    if suggested is None:
        raise InputError(
            f"{where}: the report suggests no label for {row_id!r} that could be accepted: name one in new_label"
        )
    return suggested


def stated_label(decision: str, stated: str, row_id: str, where: str, drops: bool = True) -> str | None:
    """The new label that a decision's line states, None if it states none.

    Raises:
        InputError: There is no such decision, or the label contradicts it.
    """
    allowed = (*DECISIONS, DROP, *GROUP_DECISIONS) if drops else DECISIONS
    if decision not in allowed:
        raise InputError(f"{where}: the decision {decision!r} is none of {', '.join(allowed)}")
    if decision in ("keep", "unsure", DROP):
        if stated.strip():
            raise InputError(
                f"{where}: {decision} leaves {row_id!r} its label, but new_label is {stated!r}: write "
                "relabel, or leave new_label empty"
            )
        return None
    if decision == "relabel" and not stated.strip():
        raise InputError(f"{where}: {row_id!r} is to be relabelled, but new_label is empty")
    return stated if stated.strip() else None


def decision_lines(path: Path, option: str = "decisions") -> Iterator[tuple[int, dict[str, str]]]:
    """Each line's number and cells by column.

    Args:
        path: The file.
        option: The setting that names it.

    Raises:
        InputError: It is no CSV file with columns `id` and `decision`.
    """
    if path.exists():
        require_regular(path, option)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(_LONGEST_HEADER)
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
                    raise InputError(
                        f"{path}, line {reader.line_num + 1}: {len(cells)} cells, but {len(names)} columns"
                    )
                padded = [unescape_formula(cell) for cell in cells] + [""] * (len(names) - len(cells))
                if any(cell.strip() for cell in padded):
                    yield reader.line_num + 1, dict(zip(names, padded, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _names(line: str, delimiter: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
