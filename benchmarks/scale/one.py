"""One scan of made vectors, for `benchmarks.speed.child` to measure: `ROWS CLASSES WIDTH`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

import labelaudit
from labelaudit.commands.scan import scan

FLIPPED = 0.1  # of the labels


def vectors(rows: int, classes: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows around the centre of their class, their names of classes, and which of these are wrong."""
    draw = np.random.default_rng(0)
    true = np.arange(rows) % classes
    inputs = draw.normal(size=(classes, width)).astype(np.float32)[true]
    inputs += draw.normal(size=inputs.shape).astype(np.float32)
    given = np.where(draw.random(rows) < FLIPPED, draw.integers(0, classes, rows), true)
    return inputs, np.array([f"class {name}" for name in range(classes)])[given], given != true


def main(arguments: list[str]) -> dict[str, Any]:
    """Scan; how good the ranking is says that it was the real thing."""
    inputs, labels, wrong = vectors(*map(int, arguments))
    report = scan((inputs, labels), model="lr").to_pandas()
    found = average_precision_score(wrong, report["score"].fillna(0))
    return {
        "average_precision": float(found),
        "listed": int(report["suspect"].sum()),
        "wrong": int(wrong.sum()),
        "version": labelaudit.__version__,
    }
