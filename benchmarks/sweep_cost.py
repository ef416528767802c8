"""What the sweep costs in units of training its window: `make bench`.

For each network an epoch of training and the sweep over it, in turn, on the same images; the median ratio is what
counts. The limit is about 2: the sweep differentiates every batch once along one direction.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from datetime import date
from pathlib import Path

import timm
import torch
from torch import nn

from labelaudit.data.batches import Images
from labelaudit.influence.derivatives import central_differences, forward_over_reverse
from labelaudit.influence.dit import sweep
from labelaudit.influence.query_loss import QueryLoss
from labelaudit.influence.scoring import Scoring
from labelaudit.models.flat import FlatModel
from labelaudit.models.paper import cnn
from labelaudit.training.fine_tune import Plan, fine_tune
from labelaudit.training.optimizers import SGD
from labelaudit.training.recording import plan_recording
from labelaudit.training.window import Window

RESULT = Path(__file__).parent / "results" / "sweep_cost.json"
REPEATS, CLASSES = 3, 10
CASES = {  # name: network, channels, side, rows
    "cnn, 28 px": (lambda: cnn(CLASSES, 1, 28), 1, 28, 320),
    "ViT-Tiny/16, 96 px": (lambda: timm.create_model("vit_tiny_patch16_224", img_size=96, num_classes=10), 3, 96, 32),
    "EfficientNet-Lite0, 96 px": (lambda: timm.create_model("tf_efficientnet_lite0", num_classes=10), 3, 96, 32),
}
METHODS = {"central differences": central_differences, "forward over reverse": forward_over_reverse}


def measure(network: nn.Module, channels: int, side: int, rows: int) -> dict[str, float]:
    """Median seconds of an epoch, and median ratios of the sweeps to it."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (rows, channels, side, side), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, CLASSES, (rows,), generator=generator)
    batches = Images(pixels, labels, lambda x: x - 0.5, torch.device("cpu"), torch.float32)
    model, everything = FlatModel(network, torch.device("cpu"), torch.float32), torch.arange(rows)
    plan = Plan(SGD(0.9, 1e-4), epochs=1, batch_size=32, learning_rate=1e-4)
    window = Window("last", 0, plan.steps_per_epoch(rows))
    recording = plan_recording([window], window.stop, model.theta.nbytes, plan.optimizer, memory=1 << 34)
    epochs: list[float] = []
    ratios: dict[str, list[float]] = {f"{m}, {e}": [] for m in METHODS for e in ("visited", "expected")}
    for repeat in range(REPEATS + 1):  # the first one warms up
        start = time.perf_counter()
        run = fine_tune(model, batches, everything, plan, 0, recording, lambda _: None)
        epoch = time.perf_counter() - start
        query = QueryLoss("loss", batches, everything[:32], 32)
        query.evaluate(model)
        for name, method in METHODS.items():
            for estimator in ("visited", "expected"):
                start = time.perf_counter()
                sweep(run, [window], query, method, Scoring(estimator), lambda _: None)
                key = next(k for k in ratios if k.startswith(f"{name}, {estimator}"))
                if repeat:
                    ratios[key].append((time.perf_counter() - start) / epoch)
        if repeat:
            epochs.append(epoch)
    return {"epoch, seconds": round(statistics.median(epochs), 3)} | {
        f"sweep / epoch: {key}": round(statistics.median(values), 2) for key, values in ratios.items()
    }


def main() -> None:
    """Measure all cases, print and keep them."""
    torch.set_num_threads(os.cpu_count() or 1)
    result = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, float32",
        "repeats": REPEATS,
        "cases": {name: measure(make(), *shape) for name, (make, *shape) in CASES.items()},
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
