"""Tables as files: CSV, TSV, JSON lines, Parquet."""

from __future__ import annotations

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
