"""Tables as files: separated cells, JSON, Parquet, Arrow, Excel, and folders of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from labelaudit.config import SourceConfig
from labelaudit.data.binary_tables import ARROW, BINARY, PARQUET, read_binary
from labelaudit.data.cells import some_names
from labelaudit.data.delimited import Delimited, read_delimited
from labelaudit.data.dialects import records
from labelaudit.data.json_files import read_json
from labelaudit.data.splits_by_name import choose_split, split_of
from labelaudit.data.text_files import COMPRESSIONS, TextFile, compression_of, read_text
from labelaudit.data.walking import walk
from labelaudit.errors import InputError
from labelaudit.runtime.regular_files import require_regular
from labelaudit.units import format_count

DELIMITED = {".csv": ",", ".tsv": "\t"}  # ending → usual separator
JSON = frozenset({".jsonl", ".ndjson", ".json"})
TABLE_SUFFIXES = frozenset({*DELIMITED, *JSON, *BINARY})


@dataclass(frozen=True)
class TableFile:
    """A table that was read.

    Attributes:
        table: Its rows; columns have unique names without blanks around them. Cells of a CSV are text.
        notes: What was recognised or is not as usual, in words.
        split: Which part of a folder it is, None where there are no parts.
        other_splits: The names of the other parts.
    """

    table: pa.Table
    notes: tuple[str, ...] = ()
    split: str | None = None
    other_splits: tuple[str, ...] = ()


def table_suffix(path: Path) -> str | None:
    """The ending that says what table a file is, `.csv` for `t.csv.gz`; None if it is none."""
    suffix = path.with_suffix("").suffix.lower() if compression_of(path) else path.suffix.lower()
    known = suffix in TABLE_SUFFIXES and not (compression_of(path) and suffix in BINARY)
    return suffix if known else None


def table_endings() -> str:
    """The endings of files that are read as tables, in words."""
    packed = ", ".join(sorted(COMPRESSIONS))
    texts = f"{', '.join(sorted({*DELIMITED, *JSON}))}, these also with {packed}"
    return f"{texts}; {', '.join(sorted(BINARY))}"


def read_table(path: Path, config: SourceConfig | None = None) -> TableFile:
    """Read a table file.

    Args:
        path: Its ending says what it is; see `TABLE_SUFFIXES`.
        config: Its separator and encoding, where they are not to be recognised.

    Raises:
        InputError: It cannot be read, or not as rows that each have the same columns.
    """
    suffix, config = table_suffix(path), config or SourceConfig()
    if suffix in DELIMITED:
        text, cells = open_delimited(path, config)
        table = cells.table.rename_columns(column_names(cells))
        unnamed = [number for number, name in enumerate(cells.names) if not name.strip()]
        empty = [number for number in unnamed if _is_empty(table.column(number))]
        if empty and table.num_rows:
            table = table.select([number for number in range(table.num_columns) if number not in empty])
        notes = [*_encoding_note(text), *cells.notes]
    elif suffix in JSON:
        text = read_text(path, config.encoding)
        table, notes = read_json(text.content, str(path))
        notes = [*_encoding_note(text), *notes]
    else:
        table, notes = read_binary(path)
    return TableFile(with_unique_names(table), tuple(notes))


def open_delimited(path: Path, config: SourceConfig) -> tuple[TextFile, Delimited]:
    """Read a file of separated cells, and what its text is encoded in.

    Raises:
        InputError: It cannot be read.
    """
    usual = DELIMITED[table_suffix(path) or ".csv"]
    given = None if config.separator is None else config.separator.replace("\\t", "\t")
    text = read_text(path, config.encoding)
    return text, read_delimited(text.content, str(path), usual, given)


def column_names(cells: Delimited) -> list[str]:
    """What the columns of a file of separated cells are called: as in its header, or by their place."""
    return unique_names([name.strip() or f"Unnamed: {number}" for number, name in enumerate(cells.names)])


def with_unique_names(table: pa.Table) -> pa.Table:
    """The table with its columns called by `unique_names`."""
    return table.rename_columns(unique_names(table.column_names)).replace_schema_metadata(table.schema.metadata)


def unique_names(given: Sequence[str]) -> list[str]:
    """Names without blanks around them, and with `.1`, `.2`, … added where one comes again."""
    names: dict[str, None] = {}
    for name in map(str.strip, given):
        times = 0
        while (unique := name if times == 0 else f"{name}.{times}") in names:
            times += 1
        names[unique] = None
    return list(names)


def _is_empty(column: pa.ChunkedArray) -> bool:
    return not any(cell for cell in column.unique().to_pylist())


def _encoding_note(text: TextFile) -> list[str]:
    return [f"read as {text.encoding} (`encoding`)"] if text.guessed else []


def tables_in(folder: Path, inside: Sequence[Path]) -> list[Path]:
    """The tables anywhere below a folder, as a cloned dataset has them: see `walk`.

    Parquet, else Arrow, else JSON lines, else CSV.

    Raises:
        InputError: One is no regular file, or a link that leads outside.
    """
    files = [folder / file for file in walk(folder, inside, hidden=False).files]
    kinds: tuple[Collection[str], ...] = (PARQUET, ARROW, JSON - {".json"}, DELIMITED)
    found = next((few for kind in kinds if (few := [file for file in files if table_suffix(file) in kind])), [])
    for file in found:
        require_regular(file)
        if not any(file.resolve().is_relative_to(root) for root in inside):
            raise InputError(f"{file} is a link that leads outside {folder}; copy the file there instead")
    return sorted(found)


def read_folder(folder: Path, files: Iterable[Path], config: SourceConfig, preferred: tuple[str, ...]) -> TableFile:
    """Read the tables of a folder as one, or those of one split if their names say splits.

    Args:
        folder: Where they are.
        files: Them.
        config: The part to read, None to choose; separator and encoding.
        preferred: Which part to choose, the best first.

    Raises:
        InputError: There is no such part, a file cannot be read, or their columns differ.
    """
    parts: dict[str, list[Path]] = {}
    for file in files:
        parts.setdefault(_split_of(file.relative_to(folder)), []).append(file)
    chosen: str | None = None
    note: list[str] = []
    if set(parts) == {""}:
        if config.split is not None:
            raise InputError(f"{folder} has no splits, so none can be chosen with `split` {config.split}")
        paths = parts[""]
    else:
        sizes = {name or "(no split)": sum(_rows(file, config) for file in found) for name, found in parts.items()}
        chosen, note = choose_split(sizes, config.split, preferred, str(folder))
        paths = parts["" if chosen == "(no split)" else chosen]
    tables = [read_table(path, config) for path in paths]
    first = tables[0].table.column_names
    for path, other in zip(paths, tables, strict=True):
        if different := sorted(set(first) ^ set(other.table.column_names)):
            names = some_names(different)
            raise InputError(f"{paths[0]} and {path} have different columns ({names}): name one of them")
    try:
        table = pa.concat_tables([found.table for found in tables], promote_options="permissive")
    except pa.ArrowException as error:
        raise InputError(f"the files in {folder} have different columns: {str(error).splitlines()[0]}") from error
    kind = "Parquet file" if table_suffix(paths[0]) in PARQUET else "table"
    notes = [f"read {format_count(len(paths), kind)}", *note, *tables[0].notes]
    others = tuple(name for name in parts if name and name != chosen)
    return TableFile(table, tuple(notes), chosen, others if chosen else ())


def _split_of(file: Path) -> str:
    """The split a file belongs to, by its name without the shard's number, or that of a folder; empty if to none."""
    shard = re.sub(r"[-_.]?\d+(-of-\d+)?$", "", file.name.partition(".")[0])
    return next((split for name in (shard, *reversed(file.parts[:-1])) if (split := split_of(name))), "")


def _rows(file: Path, config: SourceConfig) -> int:
    if table_suffix(file) in PARQUET:
        try:
            return int(pq.ParquetFile(file).metadata.num_rows)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise InputError(f"cannot read {file}: {str(error).splitlines()[0]}") from error
    return int(read_table(file, config).table.num_rows)


def row_lines(path: Path, config: SourceConfig | None = None) -> list[int] | None:
    """The line, from 1, at which each row of a text table begins; None for what is no text table of lines."""
    suffix = table_suffix(path)
    if suffix is None or suffix in BINARY or not path.is_file():
        return None
    config = config or SourceConfig()
    if suffix in DELIMITED:
        text, cells = open_delimited(path, config)
        return [record.line for record in records(text.content, cells.dialect) if not record.blank][1:]
    lines = read_text(path, config.encoding).content.split(b"\n")
    if lines[0].lstrip()[:1] == b"[":
        return None
    return [number for number, line in enumerate(lines, start=1) if line.strip()]
