"""Why influence on the plain test loss fails in a well-trained network: `python -m benchmarks.detection.why`.

2,000 MNIST digits with 10% symmetric noise, one half trained on, the other the query, for more and more epochs.
Measured: what share of the query's gradient the 5% of its rows with the highest loss make up, Σ <∇f_i, q> / <q, q> with
q the mean of the ∇f_i, and how well the influence on it finds the wrong labels.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import typer
from torch import Tensor

from benchmarks.detection.measured import measured
from benchmarks.detection.tasks import SOURCES, Task
from benchmarks.detection.training import train
from benchmarks.folders import DATA, DataFolder
from labelaudit.data.flips import flip_rows
from labelaudit.detection.metrics import detection_metrics
from labelaudit.influence.estimate import dynamic_influence
from labelaudit.influence.query_loss import QueryLoss, fit_temperature
from labelaudit.training.fine_tune import Run

RESULTS = Path(__file__).parents[1] / "results" / "query_gradient.json"
TASK = "MNIST, 10% symmetric"
ROWS, WORST, EPOCHS = 2000, 0.05, (1, 3, 10, 30)
Name = Literal["loss", "probability"]


def small_task(data: Path, seed: int, epochs: int) -> Task:
    """Some digits with a tenth of the labels flipped."""
    source = SOURCES[TASK]
    inputs, true, _ = source.load(data, data, seed, 0)
    inputs, true = inputs[:ROWS], true[:ROWS]
    given = flip_rows(true, 10, ROWS // 10, "symmetric", seed)
    training = source.training.model_copy(update={"epochs": epochs})
    return Task(inputs, given, true, lambda classes: source.network(inputs, classes), training, (inputs[:0], true[:0]))


def gradient_shares(run: Run, rows: Tensor, worst: Tensor, name: Name) -> float:
    """The share of the query's gradient at θ_T that some of its rows make up."""
    inputs, labels = run.batches.batch(rows)
    with torch.no_grad():
        temperature = max(1.0, fit_temperature(run.model.at(run.final, inputs), labels))

    def of_row(theta: Tensor, one: Tensor, label: Tensor) -> Tensor:
        logits = run.model.at(theta, one[None])[0]
        scaled = logits if name == "loss" else logits / temperature
        chosen = scaled.log_softmax(0) @ label
        return -chosen if name == "loss" else 1 - chosen.exp()

    each = torch.func.vmap(torch.func.grad(of_row), in_dims=(None, 0, 0))
    one_hot = torch.nn.functional.one_hot(labels).float()
    gradients = torch.cat(
        [each(run.final, x, y) for x, y in zip(inputs.split(100), one_hot.split(100), strict=True)]
    ).double()
    along = gradients @ gradients.mean(0)
    return float(along[worst].sum() / along.sum())


def measure(data: Path, seed: int, epochs: int) -> dict[str, float]:
    """All figures of one run."""
    task = small_task(data, seed, epochs)
    half, rows = np.arange(ROWS // 2), torch.arange(ROWS // 2, ROWS)
    run = train(task, half, seed, keep=True)
    wrong = (task.given != task.true)[half]
    with torch.no_grad():
        losses = torch.nn.functional.cross_entropy(
            run.model.at(run.final, task.inputs[rows]), torch.from_numpy(task.given)[rows], reduction="none"
        )
    worst = losses.argsort(descending=True)[: int(WORST * len(rows))]
    found = {
        "query_loss": losses.mean().item(),
        "worst_mislabelled": float((task.given != task.true)[rows[worst]].mean()),
    }
    for name in ("loss", "probability"):
        influence = dynamic_influence(run, run.windows("last")[0], QueryLoss(name, run.batches, rows, 100)).values[0]
        found[f"share_of_worst, {name}"] = gradient_shares(run, rows, worst, name)
        found[f"average_precision, {name}"] = detection_metrics(-influence.numpy(), wrong)["average_precision"]
    return found


def main(data: DataFolder = DATA, seeds: int = 3) -> None:
    """Measure, print and keep."""
    torch.set_num_threads(1)
    result: dict[str, Any] = {
        "measured": measured(seeds),
        "epochs": {},
    }
    for epochs in EPOCHS:
        runs = [measure(data, seed, epochs) for seed in range(seeds)]
        result["epochs"][str(epochs)] = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
        print(
            epochs, ", ".join(f"{key} {value:.3f}" for key, value in result["epochs"][str(epochs)].items()), flush=True
        )
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
