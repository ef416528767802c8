"""The dialects of separated cells (CSV and its relatives), and which one a file has."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from labelaudit.errors import InputError
from labelaudit.units import format_count

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_SNIFFED_RECORDS = 200
_SNIFFED_VALUES = 2000  # rows whose cells are kept to recognise swallowed rows by

csv.field_size_limit(sys.maxsize)  # or a cell of 131,072 characters would be an error


@dataclass(frozen=True)
class Dialect:
    """How cells are written.

    Attributes:
        separator: Between cells.
        quote: Around cells that contain a separator or a line break; None if quotes are ordinary characters.
        escape: Before a quote inside a quoted cell; None if it is doubled instead.
        blanks: Whether blanks before a cell are no part of it, so that quotes may follow them.
        preamble: Lines before the header, such as Excel's `sep=;` or comments.
        surplus: Empty cells at the end of each row for which the header has no name.
    """

    separator: str
    quote: str | None = '"'
    escape: str | None = None
    blanks: bool = False
    preamble: int = 0
    surplus: int = 0

    def reader(self, lines: Iterator[str], *, strict: bool = False) -> Iterator[list[str]]:
        """Python's reader for this dialect."""
        return csv.reader(
            lines,
            delimiter=self.separator,
            quotechar=self.quote or '"',
            quoting=csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
            escapechar=self.escape,
            doublequote=self.escape is None,
            skipinitialspace=self.blanks,
            strict=strict,
        )


@dataclass(frozen=True)
class Record:
    """A row as the file has it.

    Attributes:
        cells: Its cells.
        raw: Its text, with the line break.
        line: The line it begins at, from 1.
    """

    cells: list[str]
    raw: str
    line: int

    @property
    def blank(self) -> bool:
        """Whether it is an empty line, which is no row."""
        return not self.raw.strip() or not self.cells


def records(content: bytes, dialect: Dialect, *, strict: bool = False) -> Iterator[Record]:
    """All records of a file, header and blank lines included.

    Raises:
        BrokenError: With `strict`, a quoted cell does not end where it should.
    """
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in io.TextIOWrapper(io.BytesIO(content), "utf-8", "surrogatepass", newline=""):
            taken.append(line)
            yield line

    source = lines()
    line = 1
    for _ in range(dialect.preamble):
        next(source, "")
        yield Record([], "".join(taken), line)
        line += 1
        taken.clear()
    try:
        for cells in dialect.reader(source, strict=strict):
            yield Record(cells, "".join(taken), line)
            line += len(taken)
            taken.clear()
    except csv.Error as error:
        raise BrokenError(line, f"a quoted cell begins here that does not end as it should ({error})") from error


class BrokenError(Exception):
    """Where a file is not as a dialect demands, and why."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line, self.reason = line, reason


def recognise(content: bytes, plain: Dialect, where: str) -> tuple[Dialect, list[str]]:
    """The first dialect in which a file is a rectangle, and what is not usual about it."""
    tried = [(plain, True)]
    if re.search(re.escape(plain.separator.encode()) + rb' +"', content):
        tried.insert(0, (replace(plain, blanks=True), True))
    if b'\\"' in content:
        tried.append((replace(plain, escape="\\"), True))
    if b'"' in content:
        tried += [(plain, False), (replace(plain, quote=None), True)]
    elif b"'" in content:
        tried.append((replace(plain, quote="'"), True))
    first: BrokenError | None = None
    for dialect, strict in tried:
        try:
            found, tall = _checked(content, dialect, strict=strict)
        except BrokenError as error:
            first = first or error
            continue
        notes = []
        if found.blanks:
            notes.append("blanks after separators are left out")
        if found.quote == "'":
            notes.append("cells are quoted with '")
        if found.escape is not None:
            notes.append('quotes inside cells are written \\"')
        if not strict and first is not None:
            notes.append(f"quotes inside quoted cells are not doubled, and some are lost (first in line {first.line})")
        if found.quote is None and first is not None:
            notes.append(
                "quotes are read as part of the texts: around cells they would swallow rows (first in line "
                f"{first.line})"
            )
        if tall:
            notes.append(
                f"{format_count(len(tall), 'row has', 'rows have')} several lines (the first begins in line {tall[0]})"
            )
        if found.surplus:
            notes.append("every row ends with a separator too many: the empty cell after it is left out")
        return found, notes
    assert first is not None
    raise InputError(
        f"{where}, line {first.line}: {first.reason}. Correct that line, save the table with quotes "
        "around its texts, or name another `separator`"
    )


def find_separator(content: bytes, usual: str, given: str | None) -> tuple[str, int]:
    """The separator that gives the header several names and most rows as many cells; and lines before the header."""
    first_line = content[:10].splitlines()[0].strip().lower() if content else b""
    if first_line.startswith(b"sep=") and len(first_line) <= 5:
        return given or (first_line[4:] or b"\t").decode(), 1
    sample = content[: 1 << 18]
    sample = sample[: sample.rfind(b"\n") + 1] or sample
    best, most, preamble = given or usual, (0.0, False, 0), 0
    for separator in SEPARATORS if given is None else (given,):
        comments = _comments(sample, separator)
        lengths = []
        for record in records(sample, Dialect(separator, preamble=comments)):
            if not record.blank:
                lengths.append(len(record.cells))
            if len(lengths) > _SNIFFED_RECORDS:
                break
        if lengths and lengths[0] > 1:
            found = (sum(length == lengths[0] for length in lengths) / len(lengths), separator == usual, lengths[0])
            if found > most:
                best, most, preamble = separator, found, comments
    return best, preamble


def _comments(content: bytes, separator: str) -> int:
    """How many lines at the beginning are comments: they start with #, and have other cells than the header below."""
    lines = content.split(b"\n", 100)[:100]
    count = next((number for number, line in enumerate(lines) if not line.startswith(b"#")), 0)
    mark = separator.encode()
    header = lines[count].count(mark) if lines else 0
    return count if header and all(line.count(mark) != header for line in lines[:count]) else 0


def _checked(content: bytes, dialect: Dialect, *, strict: bool) -> tuple[Dialect, list[int]]:
    """Make sure that a file is a rectangle in this dialect, where it has quotes or rows of other lengths.

    Args:
        content: UTF-8.
        dialect: How cells are written.
        strict: Whether a cell must end where its quotes do; if not, only one of several lines must.

    Returns:
        The dialect, with what is to be left out, and the lines at which rows of several lines begin.

    Raises:
        BrokenError: It is not.
    """
    width, lengths, surplus_empty = 0, set(), True
    first_odd: Record | None = None
    suspects: list[list[list[str]]] = []  # records of several lines that each look like a row: their lines' cells
    suspect_line = 0
    values: list[set[str]] = []
    tall: list[int] = []
    rows = 0
    for record in records(content, dialect, strict=strict):
        if record.blank:
            continue
        if not width:
            width = len(record.cells)
            values = [set() for _ in range(width)]
            if _lines_like_rows(record, dialect, width):
                raise BrokenError(record.line, "a quote in the header swallows the rows after it")
            continue
        rows += 1
        lengths.add(len(record.cells))
        surplus_empty = surplus_empty and not any(record.cells[width:])
        if first_odd is None and len(record.cells) != width:
            first_odd = record
        several_lines = "\n" in record.raw.strip("\r\n")
        if several_lines:
            tall.append(record.line)
        if several_lines and not strict:
            list(records(record.raw.encode("utf-8", "surrogatepass"), dialect, strict=True))
        if lines := _lines_like_rows(record, dialect, width):
            suspect_line = suspect_line or record.line
            suspects.append([[cell.strip(" \"'") for cell in line.split(dialect.separator)] for line in lines[:-1]])
        elif not several_lines and rows <= _SNIFFED_VALUES:
            for known, cell in zip(values, record.cells, strict=False):
                known.add(cell.strip())
    if suspects and _are_rows(suspects, values, rows):
        raise BrokenError(suspect_line, "a quote that begins here swallows the rows after it")
    if first_odd is None:
        return dialect, tall
    if len(lengths) == 1 and surplus_empty and max(lengths) > width:
        return replace(dialect, surplus=max(lengths) - width), tall
    cells = len(first_odd.cells)
    what = f"{cells} cell{'s' if cells > 1 else ''}, where the header has {width} names"
    if cells > width and not any(first_odd.cells[width:]):
        what += ": it ends with a separator too many"
    elif lengths == {width + 1}:
        what += ": does the header lack a name, such as that of row numbers?"
    raise BrokenError(first_odd.line, what)


def _lines_like_rows(record: Record, dialect: Dialect, width: int) -> list[str]:
    """The lines of a record that has several, if each of them has as many separators as a row; else none."""
    if dialect.quote is None or dialect.quote not in record.raw:
        return []
    lines = record.raw.strip("\r\n").splitlines()
    return lines if len(lines) > 1 and all(line.count(dialect.separator) == width - 1 for line in lines) else []


def _are_rows(suspects: list[list[list[str]]], values: list[set[str]], rows: int) -> bool:
    """Whether lines inside quoted cells are rows: some column has the same few values in them as in all other rows."""
    return any(
        0 < len(known) <= max(2, min(rows, _SNIFFED_VALUES) / 4)
        and all(line[column] in known for lines in suspects for line in lines)
        for column, known in enumerate(values)
    )
