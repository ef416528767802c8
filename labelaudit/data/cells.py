"""Columns of a table → numbers or categories: missing cells, decimal commas, dates, durations, infinities."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelaudit.units import format_count

MISSING = ("", "?", "na", "n/a", "nan", "null", "none", "<na>", "nat", "-", "#n/a")
"""What stands for an empty cell in columns of text, in small letters."""
LARGEST = 1e37  # beyond which the squares of a column's numbers could not be summed
MOSTLY = 0.95  # of the cells of a column are numbers, from which on the others are taken for missing
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INFINITE = r"^[+-]?(inf|infinity)$"
_DECIMAL_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?$"
_THOUSANDS_COMMA = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_SURELY_DECIMAL_COMMA = r"^[+-]?(0,\d+|\d+,(\d{1,2}|\d{4,})|\d{4,},\d+)$"
_GROUP_MARKS = "[ \u00a0\u202f'’]"
_GROUPED = rf"^[+-]?\d{{1,3}}({_GROUP_MARKS}\d{{3}})+([.,]\d+)?$"
_SIGNS = r"[$€£¥%]"
_DATE = r"^\d{4}-\d{2}-\d{2}($|[T ]\d{2}:\d{2})"
_DAY = 86_400.0  # seconds
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass(frozen=True)
class Feature:
    """What a column is to the encoder.

    Attributes:
        columns: Float64 with NaN, or text with None, by name: several for dates.
        notes: What was not as usual, in words.
    """

    columns: dict[str, pd.Series[Any]]
    notes: tuple[str, ...] = ()


def writes_decimal_commas(columns: Iterable[pa.ChunkedArray]) -> bool:
    """Whether a column of text has numbers whose commas must be decimal commas, so that those of others are, too."""
    texts = (pc.utf8_trim_whitespace(column.cast(pa.string())) for column in columns if is_text(column.type))
    return any(
        pc.any(pc.match_substring_regex(column, _SURELY_DECIMAL_COMMA)).as_py()
        and pc.mean(pc.match_substring_regex(column, f"({_DECIMAL_COMMA})|({_NUMBER})|^$").cast(pa.int8())).as_py()
        > 0.5
        for column in texts
        if pc.any(pc.match_substring(column, ",")).as_py()
    )


def feature_of(name: str, column: pa.ChunkedArray, *, decimal_commas: bool = False) -> Feature | None:
    """Read a column as numbers or categories; None if it is neither.

    Args:
        name: What it is called.
        column: Its cells.
        decimal_commas: Whether 1,234 is a little more than one, as other columns tell.
    """
    kind = column.type
    if pa.types.is_dictionary(kind) or isinstance(kind, pa.ExtensionType):
        try:
            column = column.cast(kind.value_type if pa.types.is_dictionary(kind) else kind.storage_type)
        except pa.ArrowException:
            return None
        kind = column.type
    try:
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            return Feature(_date_parts(name, column))
        if pa.types.is_time(kind) or pa.types.is_duration(kind):
            return _numbers(name, _integers(column) / _PER_SECOND[kind.unit])
        if pa.types.is_null(kind):
            return _numbers(name, np.full(len(column), np.nan))
        if is_number(kind):
            return _numbers(name, _floats(column))
        if is_text(kind):
            return _of_text(name, column.cast(pa.string()), decimal_commas)
    except (pa.ArrowException, OverflowError):  # what Arrow cannot convert means nothing here
        return None
    return None


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds numbers or truth values."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )


def is_encoded(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold encoded images: bytes, or Hugging Face's image feature."""
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def is_vector(kind: pa.DataType) -> bool:
    """Whether a column of this type holds a list of numbers, of any shape, in each row."""
    if isinstance(kind, pa.BaseExtensionType):
        return is_vector(kind.storage_type)
    if not is_list(kind):
        return False
    value = kind.value_type
    return bool(pa.types.is_floating(value) or pa.types.is_integer(value) or is_vector(value))


def is_list(kind: pa.DataType) -> bool:
    """Whether a column of this type holds a list in each row."""
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float64)


def _integers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """The integers behind times, NaN where there are none."""
    width = pa.int32() if column.type.bit_width == 32 else pa.int64()
    return _floats(pa.chunked_array([chunk.view(width) for chunk in column.chunks], width))


def _numbers(name: str, values: NDArray[np.float64], notes: tuple[str, ...] = ()) -> Feature:
    beyond = np.abs(values) > LARGEST
    if beyond.any():
        values = np.where(beyond, np.nan, values)
        notes = (
            *notes,
            f"{name!r}: {format_count(beyond.sum(), 'infinite number is', 'infinite numbers are')} read as missing",
        )
    return Feature({name: pd.Series(values)}, notes)


def _date_parts(name: str, column: pa.ChunkedArray) -> dict[str, pd.Series[Any]]:
    """Days since 1970, month, day of the week (0 is Monday) and, of times, the hour."""
    if pa.types.is_date32(column.type):
        days = _integers(column)
    else:
        days = _integers(column) / _PER_SECOND["ms" if pa.types.is_date(column.type) else column.type.unit] / _DAY
    known = np.isfinite(days) & (np.abs(days) < 1e8)  # NumPy's calendar ends a little later
    whole = np.floor(np.where(known, days, 0)).astype(np.int64)
    months = whole.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    parts = {"": np.where(known, days, np.nan), " month": months, " weekday": (whole + 3) % 7}
    if not pa.types.is_date(column.type):
        parts[" hour"] = np.where(known, (days - np.floor(days)) * 24, 0)
    return {name + part: pd.Series(np.where(known, values, np.nan)) for part, values in parts.items()}


def _of_text(name: str, column: pa.ChunkedArray, decimal_commas: bool) -> Feature:
    trimmed = pc.utf8_trim_whitespace(column)
    missing = pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(MISSING))
    cells = pc.if_else(pc.fill_null(missing, True), pa.scalar(None, pa.string()), trimmed)
    present = len(cells) - cells.null_count
    if present == 0:
        return _numbers(name, np.full(len(cells), np.nan))
    try:
        return _numbers(name, _floats(cells))
    except pa.ArrowException:
        pass

    def share(pattern: str) -> float:
        matching: int = pc.sum(pc.match_substring_regex(cells, pattern)).as_py() or 0
        return float(matching / present)

    if (share(_SIGNS) == 1 or share(_GROUP_MARKS) > 0) and (plain := _without_signs(cells)) is not None:
        feature = _of_text(name, plain, decimal_commas)
        return replace(
            feature, notes=(*feature.notes, f"{name!r}: signs of currency, percent or thousands are left out")
        )
    if share(_DATE) == 1 and (dates := _as_dates(cells)) is not None:
        return Feature(_date_parts(name, dates))
    thousands = share(_THOUSANDS_COMMA) == 1 or share(f"({_THOUSANDS_COMMA})|({_NUMBER})") == 1
    if thousands and not decimal_commas and share(r",\d{3}(\D|$)") > 0:
        numbers = pc.replace_substring(cells, ",", "")
        return _numbers(name, _floats(_without_plus(numbers)), (f"{name!r}: commas separate thousands",))
    if share(f"({_DECIMAL_COMMA})|({_NUMBER})") == 1 and share(",") > 0:
        commas = pc.match_substring(cells, ",")
        numbers = pc.replace_substring(pc.replace_substring(cells, ".", ""), ",", ".")
        return _numbers(
            name, _floats(_without_plus(pc.if_else(commas, numbers, cells))), (f"{name!r}: decimal commas",)
        )
    if (numeric := share(f"(?i)({_NUMBER})|({_INFINITE})")) >= MOSTLY:
        is_numeric = pc.match_substring_regex(cells, f"(?i)({_NUMBER})|({_INFINITE})")
        odd = pc.filter(cells, pc.invert(is_numeric))
        numbers = _floats(_without_plus(pc.if_else(is_numeric, cells, pa.scalar(None, pa.string()))))
        count = round(present * (1 - numeric))
        note = f"{name!r}: {count} cells that are no numbers, such as {_first(odd)!r}, are missing"
        return _numbers(name, numbers, (note,) if numeric < 1 else ())
    return Feature({name: _categories(cells)})


def _without_signs(cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Cells such as $5, 20 % or 1 234,5 as numbers alone; None if they are something else."""
    plain = pc.utf8_trim_whitespace(pc.replace_substring_regex(cells, _SIGNS, ""))
    numbers = f"({_GROUPED})|({_NUMBER})|({_DECIMAL_COMMA})|({_THOUSANDS_COMMA})"
    if not pc.all(pc.match_substring_regex(plain, numbers)).as_py():
        return None
    return pc.replace_substring_regex(plain, _GROUP_MARKS, "")


def _first(column: pa.ChunkedArray) -> str:
    return str(column.drop_null()[0])[:40] if len(column.drop_null()) else ""


def _without_plus(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(cells, r"^\+", "")


def _as_dates(cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return cells.cast(kind)
        except pa.ArrowException:
            continue
    return None


def _categories(cells: pa.ChunkedArray) -> pd.Series[Any]:
    """Text by row, each category held in memory once."""
    encoded = cells.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    categories = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    return pd.Series(categories[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)], dtype=object)


def some_names(names: list[str], shown: int = 5, text: Callable[[str], str] = repr) -> str:
    """A few names, and how many more there are."""
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(map(text, names[:shown])) + more
