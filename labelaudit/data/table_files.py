"""Tables as files: CSV, TSV, JSON lines, Parquet."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from labelaudit.errors import InputError

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq"})


def read_table(path: Path) -> pa.Table:
    """Read a CSV, TSV, JSON-lines or Parquet file; every column of a CSV is text.

    Raises:
        InputError: It cannot be read as such.
    """
    try:
        match path.suffix.lower():
            case ".csv" | ".tsv" as suffix:
                separator = "\t" if suffix == ".tsv" else ","
                frame = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
                return pa.Table.from_pandas(frame, preserve_index=False)
            case ".jsonl" | ".ndjson":
                return pa.Table.from_pylist(_json_lines(path))
            case _:
                return pq.read_table(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read {path}: {str(error).splitlines()[0]}") from error


def _json_lines(path: Path) -> list[dict[str, object]]:
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: not valid JSON ({error.msg})") from error
        if not isinstance(record, dict):
            raise InputError(f"{path}, line {number}: expected an object with an image and a label")
        records.append(record)
    return records


def row_lines(path: Path) -> list[int] | None:
    """The line, from 1, at which each row of a text table begins; None for what is no text table."""
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson") and path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
        return [number for number, line in enumerate(lines, start=1) if line.strip()]
    if suffix not in (".csv", ".tsv") or not path.is_file():
        return None
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter="\t" if suffix == ".tsv" else ",")
        begins, previous = [], 0
        for cells in reader:
            if cells:  # pandas leaves blank lines out, too
                begins.append(previous + 1)
            previous = reader.line_num
    return begins[1:]
