"""What people's decisions say of the rest: `python -m benchmarks.review`.

The truth is the reviewer. `labelaudit refine`: 30, 100 or 300 decisions on the top of the list, or on a spot check.
Measured before and after, among the rows that were not decided on, are average precision and calibration error; of all
rows, the error of the share of wrong labels and whether its range holds; of the suspects left, said − true precision.
The priors were chosen on MNIST, Adult and 20 Newsgroups.

The spot check alone: over many draws, the width of its 90% range, how often it holds, how far its best guess is off,
and how often the bound on the list holds after 30 suspects; beside rows drawn at random without strata.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.metrics import average_precision_score

import labelaudit.detection.spot_check as detection
from benchmarks.detection.measured import measured
from benchmarks.detection.ours import audit
from benchmarks.detection.tasks import Task, make_task
from benchmarks.folders import DATA, WEIGHTS, DataFolder, WeightsFolder
from labelaudit.audit.judge import Findings
from labelaudit.config import InfluenceConfig
from labelaudit.detection.metrics import summarise
from labelaudit.detection.refine import Rows, evidence_of, refine_scores
from labelaudit.detection.share import Share
from labelaudit.report.recalibrated import by_draw
from labelaudit.report.spot_check import CHECKED, Stratum, draw, drawn_in, found_in
from labelaudit.runtime.files import write_atomically
from labelaudit.types import Floats

RESULTS = Path(__file__).parent / "results" / "review.json"
TASKS = (
    "CIFAR-10N worse",
    "CIFAR-10N aggregate",
    "Sentiment, majority of people",
    "Sentiment, one person",
    "20 Newsgroups, 10%",
)
DECISIONS = (30, 100, 300)
SUSPECT = 0.5  # score from which on a row is one
DRAWS = 400  # of a spot check
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


def frame_of(rows: Rows) -> pd.DataFrame:
    """The columns of a report that the draw looks at."""
    number = np.arange(len(rows.score))
    return pd.DataFrame({"row": number, "score": rows.score, "suspect": rows.score > SUSPECT, "status": "scored"})


def strata_of(frame: pd.DataFrame, seed: int, number: int) -> list[Stratum]:
    """A spot check of so many rows."""
    return drawn_in({"spot_check": draw(frame, f"{seed:016x}")}, frame, number)


def figures(
    suspicion: Floats, score: Floats, share: Share, wrong: NDArray[np.bool_], rest: NDArray[np.bool_]
) -> dict[str, float]:
    """How good a ranking and what it says are; see the module."""
    listed = rest & (score > SUSPECT)
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


def refined(rows: Rows, share: Share, wrong: NDArray[np.bool_], seed: int) -> dict[str, dict[str, float]]:
    """What `refine` makes of decisions: for each way and number of them, before and after."""
    frame, runs = frame_of(rows), {}
    top = np.argsort(-rows.score, kind="stable")
    before = logit(np.clip(rows.score, CLOSEST, 1 - CLOSEST))
    for number in DECISIONS:
        strata = strata_of(frame, seed, number)
        spot = np.array([row for stratum in strata for row in stratum.drawn[: stratum.first]])
        for way, decided in (("top of the list", top[:number]), ("spot check", spot)):
            rest = np.full(len(wrong), True)
            rest[decided] = False
            after = refine_scores(rows, share, decided, wrong[decided])
            found = found_in(strata, dict(zip(decided.tolist(), wrong[decided].tolist(), strict=True)), {})
            said = after.share if found is None else by_draw(after.share, found, bool(wrong[decided].any()))
            runs[f"{number}, {way}, before"] = figures(before, rows.score, share, wrong, rest)
            runs[f"{number}, {way}, after"] = figures(after.log_odds, after.score, said, wrong, rest)
    return runs


def spot_checked(rows: Rows, wrong: NDArray[np.bool_], seed: int) -> dict[str, dict[str, float]]:
    """What the spot check says over many draws, and rows drawn at random without strata."""
    random = np.random.default_rng(seed)
    score, true = rows.score, float(wrong.mean())
    by_strata = detection.strata_of(score, score > SUSPECT, np.full(len(score), True))
    runs: dict[str, dict[str, float]] = {}
    for number in DECISIONS:
        for way, strata in (("strata", by_strata), ("at random", [np.arange(len(score))])):
            counts = detection.allocate(strata, score, number)
            said = []
            for _ in range(DRAWS):
                found = [
                    int(wrong[random.choice(part, n, replace=False)].sum())
                    for part, n in zip(strata, counts, strict=True)
                ]
                looked = [
                    detection.Looked(len(part), wrong=k, right=n - k)
                    for part, n, k in zip(strata, counts, found, strict=True)
                ]
                share, low, high = detection.share_wrong(looked)
                said.append((high - low, low <= true <= high, abs(share - true)))
            width, held, off = np.mean(said, axis=0)
            runs[f"{number}, {way}"] = {"width": width, "held": held, "off": off}
    suspects = wrong[score > SUSPECT]
    if len(suspects) > CHECKED:
        drawn = [int(suspects[random.permutation(len(suspects))[:CHECKED]].sum()) for _ in range(DRAWS)]
        held = np.mean([detection.wrong_at_least(k, CHECKED) <= suspects.mean() for k in drawn])
        runs["list"] = {"held": float(held)}
    return runs


def refine_table(tasks: dict[str, Any]) -> str:
    """The table of `refine` in docs/review-measured.md."""
    columns = {
        "average_precision": "average precision",
        "calibration_error": "calibration error",
        "share_error": "share off by",
        "precision_gap": "said − true precision",
    }
    lines = [["task", "decisions", *columns.values()], ["---"] * (2 + len(columns))]
    for name, task in tasks.items():
        for run in (run for run in task.get("runs", {}) if run.endswith(", before")):
            before, after = task["runs"][run], task["runs"].get(run.removesuffix("before") + "after", {})
            cells = [
                " → ".join(f"{part[key]['mean']:.3f}" if key in part else "–" for part in (before, after))
                for key in columns
            ]
            lines.append([name, run.removesuffix(", before"), *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spot_table(tasks: dict[str, Any]) -> str:
    """The table of the spot check in docs/review-measured.md."""
    head = [
        "task",
        "wrong",
        "rows looked at",
        "width of the range",
        "holds in",
        "best guess off by",
        "list's bound holds in",
    ]
    lines = [head, ["---"] * len(head)]
    for name, task in tasks.items():
        for number in DECISIONS:
            strata, plain = (task["spot_check"][f"{number}, {way}"] for way in ("strata", "at random"))
            wrong = f"{task['wrong']['share']['share']['mean']:.1%}"
            both = [
                f"**{strata[key]['mean']:{form}}**, {plain[key]['mean']:{form}}"
                for key, form in (("width", ".3f"), ("held", ".0%"), ("off", ".3f"))
            ]
            bound = f"{task['spot_check']['list']['held']['mean']:.0%}" if number == CHECKED else ""
            lines.append([name, wrong, str(number), *both, bound])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(
    data: DataFolder = DATA,
    weights: WeightsFolder = WEIGHTS,
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    only: Annotated[list[str] | None, typer.Option(help="Tasks whose name begins so.")] = None,
) -> None:
    """Measure, keep and print."""
    torch.set_num_threads(1)
    result: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"tasks": {}}
    for name in TASKS:
        if only and not any(name.startswith(start) for start in only):
            continue
        refining, spots, shares = [], [], []
        for seed in range(seeds):
            task = make_task(name, data, weights, seed)
            findings, wrong = audit(task, seed, InfluenceConfig()), task.given != task.true
            rows = rows_of(findings, task)
            refining.append(refined(rows, findings.noise.share, wrong, seed))
            spots.append(spot_checked(rows, wrong, seed))
            shares.append({"share": {"share": float(wrong.mean())}})
        result["tasks"][name] = {
            "measured": measured(seeds),
            "runs": summarise(common(refining)),
            "spot_check": summarise(common(spots)),
            "wrong": summarise(shares),
        }
        write_atomically(RESULTS, lambda path: path.write_text(json.dumps(result, indent=1) + "\n"))
    print(spot_table(result["tasks"]), refine_table(result["tasks"]), sep="\n\n")


def common(runs: list[dict[str, dict[str, float]]]) -> list[dict[str, dict[str, float]]]:
    """What is there of every seed."""
    return [{key: run[key] for key in runs[0] if all(key in run for run in runs)} for run in runs]


if __name__ == "__main__":
    typer.run(main)
