"""Tables as JSON: a list of objects, objects line by line, or an object of columns."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.json

from labelaudit.errors import InputError

_SHAPES = 'expected [{"text": …, "label": …}, …], or one such object a line'


def read_json(content: bytes, where: str) -> tuple[pa.Table, list[str]]:
    """Read objects, line by line or in a list.

    Args:
        content: UTF-8.
        where: What to call the file.

    Returns:
        One column for each key that any of the objects has, and what was not as usual, in words.

    Raises:
        InputError: It is no such JSON; the message names the line or the element.
    """
    start = content.lstrip()[:1]
    if start == b"[" and (elements := _whole(content)) is not None:
        for number, element in enumerate(elements):
            if not isinstance(element, dict):
                raise InputError(f"{where}, element {number}: expected an object, with a label and what it is of")
        return table_of_records(elements)
    if start == b"{" and not _is_lines(content) and (whole := _whole(content)) is not None:
        return _of_object(whole, where)
    return _lines(content, where)


def _whole(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _is_lines(content: bytes) -> bool:
    """Whether the first line is an object by itself, and not the only one."""
    first, _, rest = content.lstrip().partition(b"\n")
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    whole = json.loads(first)
    return bool(rest.strip()) or not (_has_columns(whole) or _lists_of_objects(whole))


def _has_columns(value: Any) -> bool:
    """Whether an object has columns (lists or objects of one length, two or more) for values."""
    if not isinstance(value, dict) or len(value) < 2:
        return False
    columns = list(value.values())
    same_type = all(type(column) is type(columns[0]) for column in columns) and isinstance(columns[0], (list, dict))
    return same_type and len({len(column) for column in columns}) == 1 and len(columns[0]) > 0


def _lists_of_objects(value: Any) -> list[str]:
    """The keys of an object's lists of objects."""
    if not isinstance(value, dict):
        return []
    return [
        name
        for name, rows in value.items()
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)
    ]


def _of_object(whole: dict[str, Any], where: str) -> tuple[pa.Table, list[str]]:
    if {"images", "annotations", "categories"} <= set(whole):
        raise InputError(
            f"{where} holds COCO boxes: an image has several, each with a category, and a row here has one label. Cut "
            "each box out as an image of its own, in a folder called after its category, and audit that folder"
        )
    if _has_columns(whole):
        first = next(iter(whole.values()))
        if isinstance(first, list):
            keys: list[Any] = list(range(len(first)))
        else:
            keys = list(first)
            if any(list(column) != keys for column in whole.values()):
                raise InputError(f"{where}: its columns have different row names; {_SHAPES}")
        return table_of_records([{name: column[key] for name, column in whole.items()} for key in keys])
    lists = _lists_of_objects(whole)
    if len(lists) == 1:
        table, notes = table_of_records(whole[lists[0]])
        return table, [f"rows are those of {lists[0]!r}", *notes]
    raise InputError(f"{where}: one JSON object, which is no table; {_SHAPES}")


def _lines(content: bytes, where: str) -> tuple[pa.Table, list[str]]:
    """Objects line by line: by Arrow, or one by one where that cannot read them, or not without changing a value."""
    count = sum(1 for line in io.BytesIO(content) if line.strip())
    try:
        table = _by_arrow(content)
    except pa.ArrowException:
        table = None
    if table is not None and table.num_rows == count:
        return table, []
    return table_of_records(_records(content, where))


def _by_arrow(content: bytes) -> pa.Table:
    if not content.strip():
        raise pa.ArrowInvalid("empty")
    options = pa.json.ReadOptions(block_size=max(1 << 20, min(len(content) + 1, 1 << 24)))
    table = pa.json.read_json(pa.BufferReader(content), options)
    plain = pa.schema([field.with_type(_without_times(field.type)) for field in table.schema])
    if not plain.equals(table.schema):  # texts that look like times are to stay as they are
        table = pa.json.read_json(pa.BufferReader(content), options, pa.json.ParseOptions(explicit_schema=plain))
    return table


def _without_times(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_temporal(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_without_times(field.type)) for field in kind])
    return pa.list_(_without_times(kind.value_type)) if pa.types.is_list(kind) else kind


def _records(content: bytes, where: str) -> list[dict[str, Any]]:
    found = []
    for number, line in enumerate(io.BytesIO(content), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, object_pairs_hook=_unique)
        except json.JSONDecodeError as error:
            raise InputError(f"{where}, line {number}: not valid JSON ({error.msg})") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}, line {number}: {error}") from error
        if not isinstance(record, dict):
            raise InputError(f"{where}, line {number}: expected an object, with a label and what it is of")
        found.append(record)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise ValueError("an object has the same key twice")
    return names


def table_of_records(records: list[dict[str, Any]]) -> tuple[pa.Table, list[str]]:
    """A table with a column for each key of any record; null where a record lacks it."""
    names = dict.fromkeys(name for record in records for name in record)
    columns, mixed = {}, []
    for name in names:
        values = [record.get(name) for record in records]
        columns[name], is_mixed = array_of(values)
        if is_mixed:
            mixed.append(name)
    notes = [f"column {name!r} mixes kinds of values, which are read as text" for name in mixed]
    return pa.table(columns), notes


def array_of(values: list[Any]) -> tuple[pa.Array, bool]:
    """Values as a column; and whether they are of different kinds, so that all became text."""
    try:
        array = pa.array(values)
        if not pa.types.is_binary(array.type) or not any(isinstance(value, str) for value in values):
            return array, False
    except (pa.ArrowException, OverflowError, UnicodeError):
        pass
    if all(value is None or type(value) in (int, float) for value in values):  # beyond 64 bits
        return pa.array([None if value is None else _float(value) for value in values], pa.float64()), False
    return pa.array([None if value is None else as_text(value) for value in values], pa.string()), True


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def as_text(value: Any) -> str:
    """A value as text, valid UTF-8: JSON for lists and objects.

    Raises:
        TypeError: It is a Python object that does not say what it is.
    """
    if str(value) == object.__repr__(value):
        raise TypeError(f"{type(value).__name__} has no text")
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (list, dict)) else str(value)
    return text.encode("utf-8", "backslashreplace").decode()
