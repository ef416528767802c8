"""What `labelaudit refine` gains by decisions: `python -m benchmarks.detection.refine --data DIR --weights DIR`.

The truth is the reviewer, who decides on 30, 100 or 300 rows, from the top of the list or drawn at random from all
suspects. Measured before and after, among the rows that were not decided on, are average precision and calibration
error; of all rows, the error of the share of wrong labels; of the suspects left, said − true precision. The priors were
chosen on MNIST, Adult and 20 Newsgroups.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.metrics import average_precision_score

from benchmarks.detection.measured import measured
from benchmarks.detection.ours import audit
from benchmarks.detection.tasks import Task, make_task
from labelaudit.audit.judge import Findings
from labelaudit.config import InfluenceConfig
from labelaudit.detection.metrics import summarise
from labelaudit.detection.refine import Rows, evidence_of, refine_scores
from labelaudit.detection.share import Share
from labelaudit.runtime.files import write_atomically
from labelaudit.types import Floats

RESULTS = Path(__file__).parents[1] / "results" / "refine.json"
TASKS = ("CIFAR-10N worse", "Sentiment, majority of people", "Sentiment, one person", "20 Newsgroups, 10%")
DECISIONS = (30, 100, 300)
BINS = 10  # of the calibration error
CLOSEST = 1e-14  # of a score to 0 or 1, so that log odds stay finite


def rows_of(findings: Findings, task: Task) -> Rows:
    """What a report of the audit would say."""
    signals, everything = findings.signals, np.arange(len(task.given))
    others = signals.posterior.copy()
    others[everything, task.given] = -1
    assert signals.out_of_fold is not None
    return Rows(
        score=1 - signals.posterior[everything, task.given],
        evidence=evidence_of(signals.out_of_fold[everything, task.given], signals.loss, signals.influence),
        given=task.given,
        suggested=others.argmax(1),
    )


def decide(score: Floats, number: int, drawn: bool, seed: int) -> NDArray[np.int64]:
    """The rows that are looked at."""
    order = np.argsort(-score, kind="stable")
    if not drawn:
        return order[:number]
    suspects = order[score[order] > 0.5]
    return np.random.default_rng(seed).permutation(suspects)[:number]


def figures(
    suspicion: Floats, score: Floats, share: Share, wrong: NDArray[np.bool_], rest: NDArray[np.bool_]
) -> dict[str, float]:
    """How good a ranking and what it says are; see the module."""
    listed = rest & (score > 0.5)
    found = {
        "average_precision": float(average_precision_score(wrong[rest], suspicion[rest])),
        "calibration_error": calibration_error(score[rest], wrong[rest]),
        "share_error": abs(share.point - float(wrong.mean())),
        "share_held": float(share.low <= wrong.mean() <= share.high),
        "suspects": float(listed.sum()),
    }
    if listed.any():
        found["precision_gap"] = float(score[listed].mean() - wrong[listed].mean())
    return found


def calibration_error(score: Floats, wrong: NDArray[np.bool_]) -> float:
    """Expected calibration error: |mean score − share wrong| over bins of equal width, weighted by their rows."""
    bins = np.minimum((score * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    gaps = np.bincount(bins, score, BINS) - np.bincount(bins, wrong, BINS)
    return float(np.abs(gaps).sum() / counts.sum())


def measure(task: Task, seed: int) -> dict[str, dict[str, float]]:
    """All figures of one seed: for each way and number of decisions, before and after."""
    findings = audit(task, seed, InfluenceConfig())
    rows, share, wrong = rows_of(findings, task), findings.noise.share, task.given != task.true
    found = {}
    for way, drawn in (("top of the list", False), ("drawn from the list", True)):
        for number in DECISIONS:
            decided = decide(rows.score, number, drawn, seed)
            if len(decided) < number:
                continue
            rest = np.full(len(wrong), True)
            rest[decided] = False
            refined = refine_scores(rows, share, decided, wrong[decided])
            before = logit(np.clip(rows.score, CLOSEST, 1 - CLOSEST))
            found[f"{number}, {way}, before"] = figures(before, rows.score, share, wrong, rest)
            found[f"{number}, {way}, after"] = figures(refined.log_odds, refined.score, refined.share, wrong, rest)
    return found


def table(tasks: dict[str, Any]) -> str:
    """The table of docs/review.md."""
    columns = {"average_precision": "average precision", "calibration_error": "calibration error",
               "share_error": "share off by", "precision_gap": "said − true precision"}  # fmt: skip
    lines = [["task", "decisions", *columns.values()], ["---"] * (2 + len(columns))]
    for name, task in tasks.items():
        for run in (run for run in task["runs"] if run.endswith(", before")):
            before, after = task["runs"][run], task["runs"].get(run.removesuffix("before") + "after", {})
            cells = [
                " → ".join(f"{part[key]['mean']:.3f}" if key in part else "–" for part in (before, after))
                for key in columns
            ]
            lines.append([name, run.removesuffix(", before"), *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(
    data: Annotated[Path, typer.Option(help="Folder of the datasets.")],
    weights: Annotated[Path, typer.Option(help="Folder of the pretrained weights.")],
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    only: Annotated[list[str] | None, typer.Option(help="Tasks whose name begins so.")] = None,
) -> None:
    """Measure, keep and print."""
    torch.set_num_threads(1)
    result: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"tasks": {}}
    for name in TASKS:
        if only and not any(name.startswith(start) for start in only):
            continue
        runs = [measure(make_task(name, data, weights, seed), seed) for seed in range(seeds)]
        everywhere = [{key: run[key] for key in runs[0] if all(key in run for run in runs)} for run in runs]
        result["tasks"][name] = {"measured": measured(seeds), "runs": summarise(everywhere)}
        write_atomically(RESULTS, lambda path: path.write_text(json.dumps(result, indent=1) + "\n"))
    print(table(result["tasks"]))


if __name__ == "__main__":
    typer.run(main)
