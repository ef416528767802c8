"""Where the score fails: among rows whose true class the network does not know, or elsewhere?

`python -m benchmarks.detection.limits`. A network that was not trained on a row may name its true class or another
one; measured is what share of the rows is of the first kind, and the average precision of the score among these and
among the others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer

from benchmarks.detection.measured import measured
from benchmarks.detection.ours import audit
from benchmarks.detection.tasks import SOURCES, make_task
from benchmarks.folders import DATA, WEIGHTS, DataFolder, WeightsFolder
from labelaudit.config import InfluenceConfig
from labelaudit.detection.metrics import detection_metrics

RESULTS = Path(__file__).parents[1] / "results" / "limits.json"


def measure(name: str, data: Path, weights: Path, seed: int) -> dict[str, float]:
    """One seed of one task."""
    task = make_task(name, data, weights, seed)
    signals = audit(task, seed, InfluenceConfig()).signals
    assert signals.out_of_fold is not None
    suspicion = 1 - signals.posterior[np.arange(len(task.given)), task.given]
    wrong, known = task.given != task.true, signals.out_of_fold.argmax(1) == task.true
    found = {"known": known.mean(), "wrong_labels_among_known": wrong[known].sum() / wrong.sum()}
    for kind, rows in (("all", np.full(len(wrong), True)), ("known", known), ("unknown", ~known)):
        if wrong[rows].any():
            found[f"average_precision, {kind}"] = detection_metrics(suspicion[rows], wrong[rows])["average_precision"]
    return {key: float(value) for key, value in found.items()}


def main(
    data: DataFolder = DATA,
    weights: WeightsFolder = WEIGHTS,
    seeds: int = 3,
) -> None:
    """Measure, print and keep."""
    torch.set_num_threads(1)
    result: dict[str, Any] = {"measured": measured(seeds), "tasks": {}}
    for name in SOURCES:
        runs = [measure(name, data, weights, seed) for seed in range(seeds)]
        found = dict.fromkeys(key for run in runs for key in run)
        means = {key: float(np.mean([run[key] for run in runs if key in run])) for key in found}
        result["tasks"][name] = means
        print(name, ", ".join(f"{key} {value:.3f}" for key, value in means.items()), flush=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
