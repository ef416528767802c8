"""Which column of a table names its rows."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.data.cells import is_text
from labelaudit.data.column_names import ID_NAMES, all_of, key_of
from labelaudit.data.unfit_features import is_id_name

LOOKED_AT = 100  # cells of a column


def guess_id(table: pa.Table, names: list[str]) -> str | None:
    """A column called as ids are; one that is only called something with id if it has no value twice."""
    for name in all_of(names, ID_NAMES):
        if _repeated(table[name]) is None:
            return name
    for name in names:
        column = table[name]
        plain = is_text(column.type) or pa.types.is_integer(column.type)
        if plain and is_id_name(name) and not key_of(name).startswith("unnamed:") and column.null_count == 0:
            values = pc.utf8_trim_whitespace(column.cast(pa.string()))
            if len(values.unique()) == len(values) and "" not in values[:LOOKED_AT].to_pylist():
                return name
    return None


def repeated_ids(table: pa.Table, names: list[str]) -> dict[str, str]:
    """Columns that are called as ids are and do not name rows, and why not."""
    called = [name for name in names if key_of(name) in ID_NAMES]
    return {name: reason for name in called if (reason := _repeated(table[name])) is not None}


def _repeated(column: pa.ChunkedArray) -> str | None:
    """Why a column does not name rows, in words: None if it has another value in each."""
    first: dict[str, int] = {}
    for row, value in enumerate(column.to_pylist()):
        if value is None or not str(value).strip():
            return f"it is empty in row {row}"
        if first.setdefault(str(value), row) != row:
            return f"it has {str(value)!r:.60} in rows {first[str(value)]} and {row}"
    return None
