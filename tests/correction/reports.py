"""Reports as a scan of the data would make them, without the training."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pyarrow as pa

from labelaudit.config import AuditConfig, SourceConfig
from labelaudit.data.hashing import hash_rows
from labelaudit.data.sources import load_dataset
from labelaudit.report.report import Report
from labelaudit.report.schema import SCHEMA, SCHEMA_VERSION


def report_of(source: Path, suggested: dict[str, str] | None = None, config: SourceConfig | None = None) -> Report:
    dataset = load_dataset(source, config)
    rows = len(dataset)
    columns = {name: [None] * rows for name in SCHEMA.names} | {
        "id": dataset.ids,
        "row": range(rows),
        "content_hash": hash_rows(dataset, lambda _: None),
        "label": dataset.labels,
        "suggested_label": [(suggested or {}).get(name) for name in dataset.ids],
        "score": [0.75] * rows,
        "suspect": [False] * rows,
        "status": ["scored"] * rows,
    }
    metadata = {
        "schema_version": SCHEMA_VERSION,
        "source": {"path": dataset.source, "kind": dataset.kind, "notes": []},
        "config": AuditConfig(source=dataset.settings).model_dump(mode="json"),
        "classes": list(dataset.classes),
    }
    return Report(pa.table({name: list(values) for name, values in columns.items()}, schema=SCHEMA), metadata)


def decisions_of(path: Path, *lines: tuple[str, ...], head: tuple[str, ...] = ("id", "decision", "new_label")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *lines])
    return path


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder and the hash of what it holds; folders too."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
    }
