"""What influence through the last blocks only brings: `python -m benchmarks.tracking`.

Whole networks are fine-tuned; only `--track` differs. The rows are CIFAR-10N's from 15,000 on; the default was chosen
on those before them.
"""

from __future__ import annotations

import json
import platform
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer
from numpy.typing import NDArray

from benchmarks.detection.loaders import HELD_BACK
from benchmarks.folders import DATA, WEIGHTS, DataFolder, WeightsFolder
from labelaudit.commands.scan import scan
from labelaudit.data.flips import flip_rows
from labelaudit.detection.metrics import detection_metrics, summarise
from labelaudit.runtime.files import write_atomically
from labelaudit.settings import audit_config

RESULT = Path(__file__).parent / "results" / "tracking.json"
TRACKED = ("all", "last:4", "last:2", "head")


@dataclass(frozen=True)
class Case:
    """A network on some images; `given` is a column of labels, or None for a fifth moved to the next class."""

    model: str
    image_size: int
    rows: int
    given: str | None


CASES = {
    "EfficientNet-Lite0, CIFAR-10, 20% class to class": Case("tf_efficientnet_lite0", 64, 400, None),
    "EfficientNet-Lite0, CIFAR-10N worse": Case("tf_efficientnet_lite0", 64, 400, "worse_label"),
    "ViT-S/14, CIFAR-10N worse": Case("vit_small_patch14_dinov2", 70, 300, "worse_label"),
}


def draw(case: Case, data: Path, seed: int, table: Path) -> NDArray[np.bool_]:
    """Write a sample of the rows to `table`; return which labels are wrong."""
    columns = ["jpeg", "label", *([case.given] if case.given else [])]
    frame = pd.read_parquet(data / "cifar10n_train_30k.parquet", columns=columns).iloc[HELD_BACK:]
    frame = frame.sample(case.rows, random_state=seed)
    names, true = np.unique(frame["label"], return_inverse=True)
    if case.given:
        given = frame[case.given].to_numpy()
    else:
        given = names[flip_rows(true, len(names), case.rows // 5, "pair", seed)]
    pd.DataFrame({"jpeg": frame["jpeg"].to_numpy(), "label": given}).to_parquet(table)
    wrong: NDArray[np.bool_] = given != frame["label"].to_numpy()
    return wrong


def measure(case: Case, data: Path, weights: Path, seed: int) -> dict[str, dict[str, float]]:
    """Average precision by what is tracked, and the processor's seconds."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "rows.parquet"
        wrong = draw(case, data, seed, table)
        for tracked in TRACKED:
            config = audit_config(
                model=case.model,
                weights=weights / f"{case.model}.safetensors",
                image_size=case.image_size,
                seed=seed,
                label_column="label",
                track=tracked,
            )
            started = time.process_time()
            frame = scan(table, config=config).to_pandas()
            ways = {"score": frame["score"], "influence": -frame["influence"], "final loss": frame["loss"]}
            found[tracked] = {
                name: detection_metrics(values.to_numpy(), wrong)["average_precision"] for name, values in ways.items()
            } | {"CPU seconds": time.process_time() - started}
    return found


def main(
    data: DataFolder = DATA,
    weights: WeightsFolder = WEIGHTS,
    seeds: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Measure all cases, print and keep them."""
    torch.set_num_threads(1)
    result: dict[str, Any] = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, 1 thread, torch {torch.__version__}",
        "seeds": seeds,
        "cases": {},
    }
    for name, case in CASES.items():
        runs = []
        for seed in range(seeds):
            runs.append(measure(case, data, weights, seed))
            print(f"{name}, seed {seed}: {runs[-1]}", flush=True)
        result["cases"][name] = summarise(runs)
        write_atomically(RESULT, lambda path: path.write_text(json.dumps(result, indent=1) + "\n"))


if __name__ == "__main__":
    typer.run(main)
