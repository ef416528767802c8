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
        "rank": range(1, rows + 1),
        "influence": [-0.5] * rows,
        "loss": [0.5] * rows,
        "suspect": [False] * rows,
        "contradicts": [False] * rows,
        "in_test": [False] * rows,
        "near_in_test": [False] * rows,
        "outlier": [None] * rows,
        "status": ["scored"] * rows,
    }
    config = AuditConfig(source=dataset.settings).model_dump(mode="json")
    metadata = {
        "schema_version": SCHEMA_VERSION,
        **dict.fromkeys(("labelaudit_version", "torch_version", "python_version", "platform"), "1"),
        "device": "cpu",
        "source": {"path": dataset.source, "kind": dataset.kind, "notes": []},
        "test_source": None,
        "query": {"rows": "two-fold cross-audit", "what": "probability", "temperatures": [1.0, 1.0]},
        "accuracy": {"overall": 0.9, "most_frequent": 0.5, "classes": dict.fromkeys(dataset.classes, 0.9)},
        "noise": noise_of(),
        "config": config,
        "training": config["training"],
        "model": "cnn",
        "input": "28×28 grey",
        "parameters": 10,
        "tracked_parameters": 10,
        "seed": 0,
        "dataset_fingerprint": "0" * 64,
        "classes": list(dataset.classes),
        "seconds": {"audit": 1.0},
    }
    return Report(pa.table({name: list(values) for name, values in columns.items()}, schema=SCHEMA), metadata)


def noise_of(
    rate: float | None = 0.05,
    low: float = 0.02,
    high: float = 0.1,
    verdict: str = "measured",
    doubt: str | None = None,
    basis: str = "out of fold",
) -> dict[str, object]:
    """What a report's metadata say of wrong labels."""
    return {
        "verdict": verdict,
        "rate": rate,
        "rate_low": low,
        "rate_high": high,
        "seen": 0.05,
        "disagreeing": 0.1,
        "gain": 12.0,
        "basis": basis,
        "pairs": [],
        "expected_precision": None,
        "doubt": doubt,
    }


def learnt_nothing(doubt: str = "it learnt nothing") -> dict[str, object]:
    """The same where the scores say nothing."""
    return noise_of(None, 0.0, 1.0, "cannot tell", doubt)


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


def changelog(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
