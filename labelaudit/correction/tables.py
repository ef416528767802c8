"""A copy of a table with other labels in some rows, and nothing else changed."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from labelaudit.config import SourceConfig
from labelaudit.data.binary_tables import ARROW, EXCEL, PARQUET, read_binary, write_arrow
from labelaudit.data.dialects import Dialect, records
from labelaudit.data.table_columns import class_names
from labelaudit.data.table_files import (
    DELIMITED,
    column_names,
    open_delimited,
    read_table,
    table_suffix,
)
from labelaudit.data.text_files import TextFile, compression_of, read_bytes, read_text
from labelaudit.errors import InputError


def write_corrected_table(
    source: Path, out: Path, column: str, labels: Mapping[int, str | None], config: SourceConfig | None = None
) -> None:
    """Write `source` to `out` with new labels.

    Of a CSV every byte but those of the changed cells stays, of JSON the objects that are not changed; encoding and
    compression are the source's. Parquet keeps its schema, metadata and compression; Hugging Face's ClassLabel stays
    integers.

    Args:
        source: A CSV, TSV, JSON or Parquet file.
        out: A file of the same format; it must not exist.
        column: The label column.
        labels: Row number, from 0 → its new label, None if it is left out.
        config: How the source is read.

    Raises:
        InputError: A label cannot be written into a column of this type, or the file is too irregular to be rewritten
            without loss.
    """
    config = config or SourceConfig()
    table = read_table(source, config).table
    if column not in table.column_names:
        raise InputError(
            f"{source}: its labels are in several columns ({column}), which cannot be rewritten; correct "
            "the table where it comes from"
        )
    values = {row: _value(table, column, label, source) for row, label in labels.items() if label is not None}
    dropped = frozenset(row for row, label in labels.items() if label is None)
    suffix = table_suffix(source)
    if suffix in PARQUET:
        changed = _changed(pq.ParquetFile(source).read(), table.column_names.index(column), values, dropped)
        _write_parquet(changed, source, out)
    elif suffix in ARROW:
        write_arrow(_changed(read_binary(source)[0], table.column_names.index(column), values, dropped), source, out)
    elif suffix in EXCEL:
        raise InputError(
            f"{source} is a workbook, which cannot be rewritten without loss: save it as CSV, and scan that"
        )
    elif suffix in DELIMITED:
        text, cells = open_delimited(source, config)
        place = column_names(cells).index(column)
        _write_text(out, text, _delimited(text.content, cells.dialect, place, values, dropped, source), source)
    else:
        text = read_text(source, config.encoding)
        _write_text(out, text, _json(text.content.decode(), column, values, dropped, source), source)
    _check_copy(table, read_table(out, config).table, column, values, dropped, source)


def _write_text(out: Path, text: TextFile, pieces: Iterator[str], source: Path) -> None:
    if text.encode(text.content.decode()) != read_bytes(source):
        raise InputError(
            f"{source} cannot be rewritten in {text.encoding} without changing other characters; save it "
            "as UTF-8 and audit that"
        )
    try:
        content = text.encode("".join(pieces))
    except UnicodeEncodeError as error:
        raise InputError(
            f"{source} is encoded in {text.encoding}, which lacks {error.object[error.start]!r} of a new "
            "label; save it as UTF-8 and audit that"
        ) from error
    with out.open("xb") as file:
        if (compression := compression_of(source)) is None:
            file.write(content)
        else:
            with pa.CompressedOutputStream(pa.PythonFile(file, "w"), compression) as stream:
                stream.write(content)


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
        raise InputError(
            f"{label!r} cannot be written into the label column {column!r} of {source}: its values are {allowed}"
        )
    return known[label]


def _changed(table: pa.Table, index: int, values: Mapping[int, Any], dropped: frozenset[int]) -> pa.Table:
    """The table with other cells in one column, and without some rows."""
    field = table.schema.field(index)
    cells = table.column(index).to_pylist()
    for row, value in values.items():
        cells[row] = value
    changed = pa.array(cells, field.type)
    corrected = table.set_column(index, field, changed).replace_schema_metadata(table.schema.metadata)
    return _without(corrected, dropped)


def _write_parquet(table: pa.Table, source: Path, out: Path) -> None:
    group = pq.ParquetFile(source).metadata.row_group(0)
    pq.write_table(
        table,
        out,
        compression=group.column(0).compression.replace("UNCOMPRESSED", "NONE"),
        row_group_size=group.num_rows,
    )


def _without(table: pa.Table, dropped: frozenset[int]) -> pa.Table:
    return table.take([row for row in range(table.num_rows) if row not in dropped]) if dropped else table


def _delimited(
    content: bytes, dialect: Dialect, column: int, values: Mapping[int, str], dropped: frozenset[int], source: Path
) -> Iterator[str]:
    """The records' text, as it was where nothing changed."""
    row = -2  # the header is no row
    for record in records(content, dialect):
        row += not record.blank
        if not record.blank and row in dropped:
            continue
        if record.blank or row not in values:
            yield record.raw
            continue
        try:
            yield _with_cell(record.raw, dialect, column, values[row])
        except csv.Error as error:
            raise InputError(
                f"{source}, line {record.line}: {values[row]!r} cannot be written into a table without quotes "
                "around cells"
            ) from error


def _with_cell(raw: str, dialect: Dialect, column: int, value: str) -> str:
    """A record with another value in one cell, every other character as it was; a cell in quotes stays in quotes.

    Raises:
        csv.Error: The value would need quotes, which the dialect has not.
    """
    end = len(raw.rstrip("\r\n"))
    ends = list(_cell_ends(raw[:end], dialect))
    start = _skipped(raw, ends[column - 1] + len(dialect.separator) if column else 0, dialect)
    quoted = dialect.quote is not None and raw.startswith(dialect.quote, start)
    return raw[:start] + _cell(value, dialect, quoted=quoted) + raw[ends[column] :]


def _cell_ends(record: str, dialect: Dialect) -> Iterator[int]:
    """Where each cell of a record ends; as `csv` has it, quotes count at the start of a cell only."""
    quote, escape = (None if mark is None else re.escape(mark) for mark in (dialect.quote, dialect.escape))
    inside = re.compile(
        f"(?:{quote}{quote}|[^{quote}])*" if escape is None else f"(?:{escape}.|[^{quote}])*", re.DOTALL
    )
    place, length = 0, len(record)
    while place <= length:
        place = _skipped(record, place, dialect)
        if dialect.quote is not None and record.startswith(dialect.quote, place):
            found = inside.match(record, place + 1)
            assert found is not None  # it matches nothing, too
            place = found.end()
        at = record.find(dialect.separator, place)
        place = length if at < 0 else at
        yield place
        place += len(dialect.separator)


def _skipped(record: str, place: int, dialect: Dialect) -> int:
    """Where a cell begins, after blanks that are no part of it."""
    while dialect.blanks and record.startswith(" ", place):
        place += 1
    return place


def _cell(value: str, dialect: Dialect, *, quoted: bool) -> str:
    plain: Literal[0, 3] = csv.QUOTE_NONE if dialect.quote is None else csv.QUOTE_MINIMAL
    buffer = io.StringIO(newline="")
    csv.writer(
        buffer,
        delimiter=dialect.separator,
        quotechar=dialect.quote or '"',
        quoting=csv.QUOTE_ALL if quoted else plain,
        escapechar=dialect.escape,
        doublequote=dialect.escape is None,
    ).writerow([value, ""])  # its line end is \r\n, so that both characters are quoted
    end = dialect.separator + 2 * (dialect.quote or "") if quoted else dialect.separator
    return buffer.getvalue().removesuffix("\r\n").removesuffix(end)


def _json(text: str, column: str, values: Mapping[int, Any], dropped: frozenset[int], source: Path) -> Iterator[str]:
    """The objects, as they were where nothing changed: line by line, or in a list."""
    start = text.lstrip()[:1]
    if start == "[":
        yield from _json_list(text, column, values, dropped)
        return
    row = -1
    for line in io.StringIO(text, newline="\n"):  # of all line breaks Unicode has, only \n separates objects
        row += bool(line.strip())
        if line.strip() and row in dropped:
            continue
        if not line.strip() or row not in values:
            yield line
            continue
        body = line.rstrip("\r\n")
        try:
            yield _dumped(json.loads(body), column, values[row]) + line[len(body) :]
        except ValueError as error:
            raise InputError(
                f"{source} holds its rows neither line by line nor in a list, and cannot be rewritten: "
                "save it as JSON lines and audit that"
            ) from error


def _json_list(text: str, column: str, values: Mapping[int, Any], dropped: frozenset[int]) -> Iterator[str]:
    decoder, place = json.JSONDecoder(), text.index("[") + 1
    yield text[:place]
    row, first = 0, True
    while True:
        begin = place
        while text[begin].isspace() or text[begin] == ",":
            begin += 1
        between = text[place:begin]  # blanks and, but before the first one, a comma
        if text[begin] == "]":
            yield between + text[begin:]
            return
        value, place = decoder.raw_decode(text, begin)
        if row not in dropped:
            yield between.replace(",", "") if first else between
            yield text[begin:place] if row not in values else _dumped(value, column, values[row])
            first = False
        row += 1


def _dumped(record: dict[str, Any], column: str, value: Any) -> str:
    name = next((name for name in record if name.strip() == column), column)
    return json.dumps(record | {name: value}, ensure_ascii=False)


def _check_copy(
    before: pa.Table,
    after: pa.Table,
    column: str,
    values: Mapping[int, Any],
    dropped: frozenset[int],
    source: Path,
) -> None:
    """Make sure of what is promised: read back, the labels' cells are the new ones and all else is as it was."""
    expected = before[column].to_pylist()
    for row, value in values.items():
        expected[row] = value
    expected = [value for row, value in enumerate(expected) if row not in dropped]
    before = _without(before, dropped)
    same = (
        before.schema.equals(after.schema, check_metadata=table_suffix(source) in PARQUET | ARROW)
        and before.num_rows == after.num_rows
        and all(_equal(before[name], after[name]) for name in before.column_names if name != column)
        and repr(after[column].to_pylist()) == repr(expected)
    )
    if not same:
        raise InputError(
            f"{source} cannot be rewritten without changing more than its labels: save it anew from the program it "
            "comes from"
        )


def _equal(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    return bool(one.equals(other)) or repr(one.to_pylist()) == repr(
        other.to_pylist()
    )  # to Arrow, no NaN equals another
