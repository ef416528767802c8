"""Tables of separated cells (CSV and its relatives), read as text in their own dialect."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv

from labelaudit.data.dialects import SEPARATORS, Dialect, find_separator, recognise, records
from labelaudit.errors import InputError
from labelaudit.units import format_count

_BLOCK = 1 << 24  # bytes Arrow parses at a time


@dataclass(frozen=True)
class Delimited:
    """A file of separated cells, read.

    Attributes:
        dialect: How its cells are written.
        names: The header.
        table: The cells as text; columns are called by their number.
        notes: What was not as usual, in words.
    """

    dialect: Dialect
    names: list[str]
    table: pa.Table
    notes: list[str]


def read_delimited(content: bytes, where: str, usual: str, given: str | None = None) -> Delimited:
    """Read a file in the dialect in which it is a rectangle: every row has as many cells as the header has names.

    Args:
        content: UTF-8.
        where: What to call the file.
        usual: The separator its name stands for.
        given: The one the user named.

    Raises:
        InputError: There is no such dialect; the message names the line that breaks it.
    """
    separator, preamble = find_separator(content, usual, given)
    notes = []
    if separator != usual and given is None:
        notes.append(f"cells are separated by {SEPARATORS.get(separator, repr(separator))}s (`separator`)")
    if preamble > 1 or (preamble and content.startswith(b"#")):
        notes.append(f"comments before the header are left out ({format_count(preamble, 'line')})")
    plain = Dialect(separator, preamble=preamble)
    if b'"' not in content:  # then lines are rows, and Arrow's reader sees whether they are of one length
        try:
            return Delimited(plain, *_read(content, plain, where), notes)
        except pa.ArrowException:
            pass
    dialect, remarks = recognise(content, plain, where)
    try:
        return Delimited(dialect, *_read(content, dialect, where), notes + remarks)
    except pa.ArrowException as error:
        raise InputError(f"cannot read {where}: {str(error).splitlines()[0]}") from error


def _read(content: bytes, dialect: Dialect, where: str) -> tuple[list[str], pa.Table]:
    """The header's names, and the columns as text.

    Raises:
        InputError: There is no header.
        pa.ArrowException: A row has another length, or Arrow does not read the dialect as Python does.
    """
    start = 0
    names: list[str] = []
    for record in records(content, dialect):
        start += len(record.raw.encode("utf-8", "surrogatepass"))
        if not record.blank:
            names = record.cells
            break
    if not names:
        raise InputError(f"cannot read {where}: it is empty")
    numbers = [str(number) for number in range(len(names) + dialect.surplus)]
    if dialect.blanks:  # which Arrow cannot leave out
        rows = [record.cells for record in records(content, dialect) if not record.blank][1:]
        columns = zip(*rows, strict=True) if rows else [[] for _ in numbers]
        table = pa.table({number: pa.array(cells, pa.string()) for number, cells in zip(numbers, columns, strict=True)})
        return names, table.select(numbers[: len(names)])
    if not content[start:].strip():
        return names, pa.table({number: pa.array([], pa.string()) for number in numbers[: len(names)]})
    rest = pa.py_buffer(content)[start:]
    try:
        table = _parsed(rest, dialect, numbers, _BLOCK)
    except pa.ArrowException as error:
        if "straddling" not in str(error):  # a row that is longer than a block
            raise
        table = _parsed(rest, dialect, numbers, rest.size + 1)
    return names, table.select(numbers[: len(names)])


def _parsed(content: pa.Buffer, dialect: Dialect, names: list[str], block: int) -> pa.Table:
    return pa.csv.read_csv(
        pa.BufferReader(content),
        pa.csv.ReadOptions(column_names=names, block_size=block),
        pa.csv.ParseOptions(
            delimiter=dialect.separator,
            quote_char=dialect.quote or False,
            double_quote=dialect.quote is not None and dialect.escape is None,
            escape_char=dialect.escape or False,
            newlines_in_values=dialect.quote is not None,
            invalid_row_handler=lambda row: "error" if row.text.strip() else "skip",
        ),
        pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
        ),
    )
