"""Detection of wrong labels against other ways: `python -m benchmarks.detection --data DIR --weights DIR`.

Same network, same settings of training and same seeds for all. Settings were chosen on MNIST, Adult and CIFAR-10N's
rows below 15,000 only; everything else is for reporting.
"""

from __future__ import annotations

import json
import platform
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from benchmarks.detection.methods import Ranked, rank_all
from benchmarks.detection.tasks import SOURCES, Task, make_task
from labelaudit.config import Aim
from labelaudit.detection.metrics import Metrics, detection_metrics, list_metrics, suggestion_accuracy, summarise
from labelaudit.detection.ranking import rank_rows
from labelaudit.files import write_atomically

RESULTS = Path(__file__).parents[1] / "results"
PLAIN = "final loss"  # a plain fine-tune and nothing else
AIMS = {"more probably wrong": Aim(), "precision 0.8": Aim(precision=0.8)}


def measure(task: Task, seed: int) -> dict[str, Any]:
    """All figures of one task and seed."""
    ranked = rank_all(task, seed)
    wrong = task.given != task.true
    methods = {name: detection_metrics(values, wrong) for name, values in ranked.suspicion.items()}
    for name, seconds in ranked.seconds.items():
        methods[name]["cost"] = seconds / ranked.seconds[PLAIN]
    return {"methods": methods, "suspects": suspects(ranked, task, wrong)}


def suspects(ranked: Ranked, task: Task, wrong: NDArray[np.bool_]) -> dict[str, Metrics]:
    """What our list of suspects says of itself, and what is true."""
    findings = ranked.findings
    found = {}
    for name, aim in AIMS.items():
        ranking = rank_rows(findings.signals, task.given, "score", aim, reliable=findings.doubt is None)
        expected = ranking.expected_precision
        caught = ranking.suspect & wrong
        found[name] = list_metrics(ranking.suspect, wrong, None if expected is None else expected[0]) | {
            "noise_rate": float(wrong.mean()),
            "noise_rate_estimated": findings.noise.rate,
            "suggestion_accuracy": suggestion_accuracy(ranking.suggested[caught], task.true[caught], task.given[caught])
            if caught.any()
            else 1.0,
        }
    return found


def keep(name: str, entry: dict[str, Any]) -> None:
    """Add a task to the results, beside what other processes have added since."""
    out = RESULTS / "detection.json"
    result = json.loads(out.read_text()) if out.is_file() else {"tasks": {}}
    result["tasks"][name] = entry
    write_atomically(out, lambda path: path.write_text(json.dumps(result, indent=1) + "\n"))


def main(
    data: Annotated[Path, typer.Option(help="Folder of the datasets.")],
    weights: Annotated[Path, typer.Option(help="Folder of the pretrained weights.")],
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    only: Annotated[list[str] | None, typer.Option(help="Tasks whose name begins so.")] = None,
) -> None:
    """Measure, print and keep what was found."""
    torch.set_num_threads(1)  # small networks are no faster with more, and timings steadier
    for name in SOURCES:
        if only and not any(name.startswith(start) for start in only):
            continue
        runs = []
        for seed in range(seeds):
            runs.append(measure(make_task(name, data, weights, seed), seed))
            print(f"{name}, seed {seed}", flush=True)
        entry = {
            "date": date.today().isoformat(),
            "machine": f"{platform.machine()}, 1 thread, torch {torch.__version__}",
            "seeds": list(range(seeds)),
            "methods": summarise([run["methods"] for run in runs]),
            "suspects": summarise([run["suspects"] for run in runs]),
        }
        keep(name, entry)
        for method, figures in entry["methods"].items():
            ap, cost = figures["average_precision"], figures["cost"]
            print(f"  {method:36} AP {ap['mean']:.3f} ± {ap['std']:.3f}  cost {cost['mean']:.2f}", flush=True)
        for aim, figures in entry["suspects"].items():
            print(f"  {aim}: " + ", ".join(f"{key} {value['mean']:.3f}" for key, value in figures.items()), flush=True)


if __name__ == "__main__":
    typer.run(main)
