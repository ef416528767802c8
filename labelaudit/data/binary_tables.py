"""Tables that are no text: Parquet, Arrow and Feather, Excel workbooks."""

from __future__ import annotations

import zipfile
from itertools import zip_longest
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from labelaudit.data.json_files import table_of_records
from labelaudit.errors import InputError
from labelaudit.units import format_count

PARQUET = frozenset({".parquet", ".pq"})
ARROW = frozenset({".feather", ".arrow", ".ipc"})
EXCEL = frozenset({".xlsx"})
BINARY = PARQUET | ARROW | EXCEL
MOST_UNPACKED = 1 << 30  # bytes of a workbook


def read_binary(path: Path) -> tuple[pa.Table, list[str]]:
    """Read a table by its ending, and say what is not as usual.

    Raises:
        InputError: It cannot be read, or there is nothing to read it with.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in PARQUET:
            # not pq.read_table: it would add columns for folders such as split=train above the file
            return pq.ParquetFile(path).read(), []
        return (_read_arrow(path), []) if suffix in ARROW else _read_workbook(path)
    except InputError:
        raise
    except Exception as error:  # a damaged workbook makes the parsers below openpyxl raise anything
        raise InputError(
            f"cannot read {path}: {(str(error).strip() or type(error).__name__).splitlines()[0]}"
        ) from error


def _read_arrow(path: Path) -> pa.Table:
    """A file of either of Arrow's formats, or of Feather's first version."""
    try:
        table = pa.feather.read_table(path, memory_map=False)
    except pa.ArrowInvalid:
        with path.open("rb") as file, pa.ipc.open_stream(file) as stream:
            table = stream.read_all()
    table.validate(full=True)  # damaged offsets would lead anywhere in memory
    return table


def _read_workbook(path: Path) -> tuple[pa.Table, list[str]]:
    """The first sheet of an Excel workbook, its first row the header."""
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(
            f"{path} is an Excel workbook, for which openpyxl is missing: pip install 'labelaudit[excel]', or save it "
            "as CSV"
        ) from error
    with zipfile.ZipFile(path) as archive:
        if sum(part.file_size for part in archive.infolist()) > MOST_UNPACKED:
            raise InputError(f"{path} is more than 1 GiB unpacked: save it as CSV")
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        sheets, sheet = book.sheetnames, book.worksheets[0]
        rows = [row for row in sheet.iter_rows(values_only=True) if any(cell is not None for cell in row)]
    finally:
        book.close()
    if not rows:
        raise InputError(f"{path}: its sheet {sheets[0]!r} is empty")
    header, *records = rows
    width = max((number for row in rows for number, cell in enumerate(row, start=1) if cell is not None), default=0)
    names = ["" if name is None else " ".join(str(name).split()) for name in (*header, *[None] * width)][:width]
    unnamed = [number for number, name in enumerate(names) if not name]
    if unnamed and any(number < len(row) and row[number] is not None for row in records for number in unnamed):
        raise InputError(f"{path}, sheet {sheets[0]!r}: column {unnamed[0] + 1} has cells and no name in the first row")
    named = [name for name in names if name]
    if repeated := [name for number, name in enumerate(named) if name in named[:number]]:
        raise InputError(f"{path}, sheet {sheets[0]!r}: two columns are called {repeated[0]!r}")
    # zip_longest: a row may end before the header does
    cells = (dict(zip_longest(names, row[:width])) for row in records)
    table, mixed = table_of_records([{name: row[name] for name in named} for row in cells])
    if len(sheets) == 1:
        return table, mixed
    others = format_count(len(sheets) - 1, "other sheet is", "other sheets are")
    return table, [f"read sheet {sheets[0]!r}; {others} not read", *mixed]


def write_arrow(table: pa.Table, source: Path, out: Path) -> None:
    """Write a table as `source` is written: as a file or a stream of Arrow's."""
    with source.open("rb") as file:
        is_file = file.read(6) == b"ARROW1"
    writer = pa.ipc.new_file if is_file else pa.ipc.new_stream
    with out.open("xb") as sink, writer(sink, table.schema) as stream:
        stream.write_table(table)
