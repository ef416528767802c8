"""A copy of a table with other labels in some rows, and nothing else changed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labelaudit.data.table_columns import class_names, read_labels
from labelaudit.data.table_files import read_table
from labelaudit.errors import InputError

_BOM = "\ufeff"
_PARQUET = (".parquet", ".pq")
_LONGEST_CELL = 1 << 30  # csv's own limit of 128 KiB would stop at a long text


def write_corrected_table(source: Path, out: Path, column: str, labels: Mapping[int, str]) -> None:
    """Write `source` to `out` with new labels.

    Rows of text formats that are not changed keep every byte; of the others the cells keep their values. Parquet keeps
    its schema, metadata and compression; Hugging Face's ClassLabel stays integers.

    Args:
        source: A CSV, TSV, JSON-lines or Parquet file.
        out: A file of the same format; it must not exist.
        column: The label column.
        labels: Row number, from 0 → its new label.

    Raises:
        InputError: A label cannot be written into a column of this type, or the file is too irregular to be rewritten
            without loss.
    """
    table = _read(source)
    values = {row: _value(table, column, label, source) for row, label in labels.items()}
    suffix = source.suffix.lower()
    if suffix in _PARQUET:
        _write_parquet(table, source, out, column, values)
    else:
        with source.open(encoding="utf-8", newline="") as file:
            text = file.read()
        if suffix in (".csv", ".tsv"):
            delimiter = "\t" if suffix == ".tsv" else ","
            pieces = _delimited(text, delimiter, table.column_names.index(column), values)
        else:
            pieces = _json_lines(text, column, values)
        with out.open("x", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
    _check_copy(table, _read(out), column, labels, source)


def _read(path: Path) -> pa.Table:
    # not read_table: it would add columns for folders such as split=train above the file
    return pq.ParquetFile(path).read() if path.suffix.lower() in _PARQUET else read_table(path)


def _value(table: pa.Table, column: str, label: str, source: Path) -> Any:
    """What stands for a label in the column: itself, or a number."""
    kind = table.schema.field(column).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return label
    names = class_names(table.schema, column)
    known: dict[str, Any] = {str(name): value for value, name in names.items()}
    if not names:
        known = {"True": True, "False": False} if pa.types.is_boolean(kind) else {}
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            try:
                known = {str(int(label)): pa.scalar(int(label), kind).as_py()}
            except (ValueError, pa.ArrowException, OverflowError):
                known = {}
    if label not in known:
        allowed = f"one of {', '.join(list(known)[:20])}" if known else f"of type {kind}"
        raise InputError(f"{label!r} cannot be written into the label column {column!r} of {source}: its values are "
                         f"{allowed}")  # fmt: skip
    return known[label]


def _write_parquet(table: pa.Table, source: Path, out: Path, column: str, values: Mapping[int, Any]) -> None:
    index = table.column_names.index(column)
    field = table.schema.field(index)
    cells = table[column].to_pylist()
    for row, value in values.items():
        cells[row] = value
    changed = pa.array(cells, field.type)
    group = pq.ParquetFile(source).metadata.row_group(0)
    pq.write_table(
        table.set_column(index, field, changed).replace_schema_metadata(table.schema.metadata),
        out,
        compression=group.column(0).compression.replace("UNCOMPRESSED", "NONE"),
        row_group_size=group.num_rows,
    )


def _delimited(text: str, delimiter: str, column: int, values: Mapping[int, str]) -> Iterator[str]:
    """The records' text, as it was where nothing changed."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for number, line in enumerate(io.StringIO(text, newline="")):
            taken.append(line)
            yield line.removeprefix(_BOM) if number == 0 else line

    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        row = -2  # the header is no row
        for cells in csv.reader(lines(), delimiter=delimiter):
            raw = "".join(taken)
            taken.clear()
            blank = not cells or (len(cells) == 1 and not cells[0].strip() and not raw.strip())
            row += not blank
            if blank or row not in values:
                yield raw
            else:
                cells += [""] * (column + 1 - len(cells))
                cells[column] = values[row]
                yield _record(cells, delimiter) + raw[len(raw.rstrip("\r\n")) :]
        yield "".join(taken)
    finally:
        csv.field_size_limit(before)


def _record(cells: list[str], delimiter: str) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter, lineterminator="").writerow(cells)
    return buffer.getvalue()


def _json_lines(text: str, column: str, values: Mapping[int, Any]) -> Iterator[str]:
    """The lines, as they were where nothing changed; split where the reader splits them."""
    row = -1
    for line in text.splitlines(keepends=True):
        row += bool(line.strip())
        if not line.strip() or row not in values:
            yield line
        else:
            content = line.rstrip("\r\n")
            yield json.dumps(json.loads(content) | {column: values[row]}, ensure_ascii=False) + line[len(content) :]


def _check_copy(before: pa.Table, after: pa.Table, column: str, labels: Mapping[int, str], source: Path) -> None:
    """Make sure of what is promised: read back, the labels are the new ones and all else is as it was."""
    expected = list(read_labels(before, column, str(source)))
    for row, label in labels.items():
        expected[row] = label
    same = (
        before.schema.equals(after.schema, check_metadata=source.suffix.lower() in _PARQUET)
        and before.num_rows == after.num_rows
        and all(_equal(before[name], after[name]) for name in before.column_names if name != column)
        and list(read_labels(after, column, str(source))) == expected
    )
    if not same:
        raise InputError(f"{source} cannot be rewritten without changing more than its labels: are its lines of "
                         "different lengths? Save it anew from the program it comes from")  # fmt: skip


def _equal(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    return bool(one.equals(other)) or repr(one.to_pylist()) == repr(
        other.to_pylist()
    )  # to Arrow, no NaN equals another
