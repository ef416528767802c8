"""Detection of wrong labels against other ways: `python -m benchmarks.detection`.

Same network, same settings of training and same seeds for all. Settings were chosen on MNIST, Adult and CIFAR-10N's
rows below 15,000 only; everything else is for reporting. `python -m benchmarks.detection.table` prints what was found.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from benchmarks.detection.measured import measured
from benchmarks.detection.methods import GROUPS, OURS, rank_all
from benchmarks.detection.tasks import CLEAN, SOURCES, TRUSTED, Task, make_task
from benchmarks.folders import DATA, WEIGHTS, DataFolder, WeightsFolder
from labelaudit.audit.judge import Findings
from labelaudit.config import SelectionRule
from labelaudit.detection.metrics import (
    Metrics,
    detection_metrics,
    list_metrics,
    share_metrics,
    suggestion_metrics,
    summarise,
)
from labelaudit.detection.promises import expected_precision
from labelaudit.detection.ranking import rank_rows
from labelaudit.report.wording import with_deviation
from labelaudit.runtime.files import write_atomically

RESULTS = Path(__file__).parents[1] / "results" / "detection.json"
SELECTION_RULES = {"more probably wrong": SelectionRule(), "precision 0.8": SelectionRule(precision=0.8)}


def measure(task: Task, seed: int, groups: list[str]) -> dict[str, Any]:
    """All figures of one task and seed; where nothing is wrong there is nothing to rank, and only a list to measure."""
    wrong = task.given != task.true
    ranked, findings = rank_all(task, seed, groups)
    methods: dict[str, Metrics] = {}
    if wrong.any():
        for name, (suspicion, seconds) in ranked.items():
            methods[name] = detection_metrics(suspicion, wrong)
            if "final loss" in ranked:
                methods[name]["cost"] = seconds / ranked["final loss"][1]
    return {"methods": methods, "suspects": {} if findings is None else suspects(findings, task, wrong)}


def suspects(findings: Findings, task: Task, wrong: NDArray[np.bool_]) -> dict[str, Metrics]:
    """What our list of suspects says of itself, and what is true."""
    found = {}
    for name, selection in SELECTION_RULES.items():
        ranking = rank_rows(findings.signals, task.given, "score", selection, reliable=findings.carries_list)
        share = findings.noise.share
        caught = ranking.suspect & wrong
        figures = share_metrics(share, wrong)
        if not wrong.any():
            found[name] = figures | {"suspects": float(ranking.suspect.sum())}
            continue
        found[name] = list_metrics(ranking.suspect, wrong, expected_precision(ranking)) | figures
        if caught.any():
            found[name] |= suggestion_metrics(ranking.suggested[caught], task.true[caught], task.given[caught])
    return found


def groups_of(trusted: int, chosen: list[str] | None, *, clean: bool) -> list[str]:
    """The groups of methods to run: those that trusted rows, or their absence, make a difference to."""
    if clean:
        return [OURS] if not chosen or OURS in chosen else []
    uses = {True, None} if trusted else {True, False}
    return [name for name, group in GROUPS.items() if group.uses_trusted in uses and (not chosen or name in chosen)]


def keep(name: str, entry: dict[str, Any]) -> None:
    """Add a task, or some methods of it, to the results, beside what other processes have added since."""
    result = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"tasks": {}}
    old = result["tasks"].get(name, {})
    merged = {key: old.get(key, {}) | entry[key] for key in ("measured", "methods", "suspects")}
    for method, figures in entry["methods"].items():  # without a plain fine-tune beside it, its cost stays as it was
        merged["methods"][method] = old.get("methods", {}).get(method, {}) | figures
    result["tasks"][name] = merged
    write_atomically(RESULTS, lambda path: path.write_text(json.dumps(result, indent=1) + "\n"))


def run(name: str, data: Path, weights: Path, seeds: int, trusted: int, groups: list[str]) -> None:
    """Measure one task, print and keep what was found."""
    runs = []
    title = f"{name}, {trusted} trusted" if trusted else name
    for seed in range(seeds):
        runs.append(measure(make_task(name, data, weights, seed, trusted), seed, groups))
        print(f"{title}, seed {seed}", flush=True)
    methods = summarise([run["methods"] for run in runs])
    lists = summarise([run["suspects"] for run in runs])
    figures_of = [*methods, *(["suspects"] if lists else [])]
    keep(title, {"measured": dict.fromkeys(figures_of, measured(seeds)), "methods": methods, "suspects": lists})
    for method, figures in methods.items():
        ap, cost = figures["average_precision"], figures.get("cost", {"mean": np.nan})
        print(f"  {method:36} AP {with_deviation(ap)}  cost {cost['mean']:.2f}", flush=True)
    for selection, figures in lists.items():
        print(
            f"  {selection}: " + ", ".join(f"{key} {value['mean']:.3f}" for key, value in figures.items()), flush=True
        )


def main(
    data: DataFolder = DATA,
    weights: WeightsFolder = WEIGHTS,
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    only: Annotated[list[str] | None, typer.Option(help="Tasks whose name begins so.")] = None,
    trusted: Annotated[
        list[int] | None, typer.Option(help="Numbers of trusted rows, 0 for none; all if left out.")
    ] = None,
    methods: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(GROUPS)}; all if left out.")] = None,
) -> None:
    """Measure, print and keep what was found."""
    torch.set_num_threads(1)  # small networks are no faster with more, and timings steadier
    for number in (0, *TRUSTED) if trusted is None else trusted:
        for name, source in (SOURCES | CLEAN).items():
            if (only and not any(name.startswith(start) for start in only)) or number > source.spare:
                continue
            if groups := groups_of(number, methods, clean=name in CLEAN):
                run(name, data, weights, seeds, number, groups)


if __name__ == "__main__":
    typer.run(main)
