"""What an audit costs on a GPU: `python -m benchmarks.speed.gpu`.

(steps) for several batch sizes and precisions a plain training step, an epoch as labelaudit trains and records it, and
the sweep over it; (scan) a whole scan beside a plain fine-tune, each a process of its own; (features) images through a
frozen network. All with a ViT-B/16 of random weights, 224 px.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import timm
import torch
import typer
from torch.nn.functional import cross_entropy

from benchmarks.folders import DATA, ROOT, DataFolder
from benchmarks.speed import scans
from benchmarks.speed.processes import Bench, Figures, machine, say
from benchmarks.speed.sweeps import CLASSES, Case, Epoch, seconds_of
from benchmarks.speed.tables import TINY, VIT_B
from labelaudit import Scoring
from labelaudit.audit.fold_plan import plan_fold
from labelaudit.audit.frozen_features import compute
from labelaudit.audit.needs import working_memory
from labelaudit.config import InfluenceConfig, ModelConfig
from labelaudit.influence.derivatives import choose_differentiation
from labelaudit.models.timm_models import cut_off_head, timm_spec
from labelaudit.runtime.machine import reproducible, require_determinism
from labelaudit.training.fine_tune import Run
from labelaudit.training.needs import measure_passes

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
REPEATS = 3
STEPS = 6  # in an epoch
SETS = ("hymenoptera", "bird_daisy")
WORKERS = 8  # that decode images for the plain fine-tune


@dataclass(frozen=True)
class Precision:
    """In what numbers passes are computed.

    Attributes:
        title: What to call it.
        mixed: Whether in bfloat16 (`dtype` bfloat16, autocast).
        tf32: Whether float32 products may have ten bits; not in labelaudit, whose central differences cannot bear it.
    """

    title: str
    mixed: bool = False
    tf32: bool = False


FLOAT32, TF32, BFLOAT16 = Precision("float32"), Precision("TF32", tf32=True), Precision("bfloat16", mixed=True)


def plain_step(case: Case, precision: Precision) -> Callable[[], object]:
    """A training step as one writes it by hand, with the images on the device already."""
    torch.manual_seed(0)
    network = case.network().to(DEVICE).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4, fused=True)
    images = torch.rand(case.batch_size, case.channels, case.side, case.side, device=DEVICE) - 0.5
    labels = torch.arange(case.batch_size, device=DEVICE) % CLASSES

    def step() -> None:
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=precision.mixed):
            logits = network(images)
        optimizer.zero_grad()
        cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return step


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """The median of some runs, after one that warms up."""
    seconds_of(work)
    return statistics.median(seconds_of(work) for _ in range(repeats))


def measured_step(case: Case, precision: Precision, repeats: int) -> Figures:
    """Milliseconds and images a second of the plain step, and its peak memory."""
    step = plain_step(case, precision)
    _forget_peak()
    torch.backends.cuda.matmul.allow_tf32 = precision.tf32
    seconds = median_seconds(lambda: [step() for _ in range(STEPS)], repeats) / STEPS
    torch.backends.cuda.matmul.allow_tf32 = False
    return {"ms": 1000 * seconds, "images a second": case.batch_size / seconds, "peak, GB": _peak()}


def measured_epoch(case: Case, precision: Precision, track: str, repeats: int) -> Figures:
    """An epoch trained and recorded, the query's gradient and the sweep; each for as many rows."""
    epoch = Epoch.of(case, DEVICE, track, mixed=precision.mixed)
    settings = InfluenceConfig(track=track)
    differentiate = choose_differentiation("auto", epoch.model)
    scoring = Scoring("visited") if track == "all" else Scoring(settings.estimator, settings.scoring_steps)
    with reproducible():
        inputs, _ = epoch.batches.batch(epoch.rows[:2])
        refused = require_determinism(lambda: epoch.model(inputs).sum().backward())
        plan = plan_fold(
            epoch.model, epoch.batches, epoch.plan, settings, rows=case.rows, query_rows=case.rows, folds=1
        )
        costs = measure_passes(epoch.model, epoch.batches, epoch.rows, epoch.plan, timed=False)
        said = working_memory(plan, costs) + epoch.window.stop * epoch.model.theta.nbytes
        _forget_peak()
        runs: list[Run] = []

        def train() -> None:
            runs[:] = [epoch.train("memory")]

        seconds = {"training": median_seconds(train, repeats)}
        query = epoch.query_gradient()
        seconds["query's gradient"] = median_seconds(epoch.query_gradient, repeats)
        seconds["sweep"] = median_seconds(partial(epoch.sweep, runs[0], query, scoring, differentiate), repeats)
    return {
        "training, ms a step": 1000 * seconds["training"] / STEPS,
        "query's gradient / training": seconds["query's gradient"] / seconds["training"],
        "sweep / training": seconds["sweep"] / seconds["training"],
        "training, images a second": case.rows / seconds["training"],
        "peak, GB": _peak(),
        "peak as it was said, GB": said / 1e9,
        "derivatives": differentiate.__name__.replace("_", " "),
        "without a deterministic kernel": refused,
    }


def steps(bench: Bench) -> None:
    """Plain steps, epochs and sweeps, by batch size and precision."""
    side, sizes, repeats = (32, (4,), 1) if bench.quick else (224, (32, 128), REPEATS)
    name, options = ("vit_tiny_patch16_224", {"img_size": 32}) if bench.quick else ("vit_base_patch16_224", {})
    for size in sizes:
        network = partial(timm.create_model, name, num_classes=CLASSES, **options)
        case = Case("ViT-B/16", network, 3, side, STEPS * size, size)
        title = f"steps: ViT-B/16, {side} px, batches of {size}"
        say(title)
        entry: Figures = {"settings": {"model": name, "steps": STEPS, "repeats": repeats}}
        for precision in (FLOAT32, TF32, BFLOAT16):
            entry[f"plain step, {precision.title}"] = measured_step(case, precision, repeats)
        for precision in (FLOAT32, BFLOAT16):
            for track, what in (("last:2", "as a scan does it"), ("all", "all parameters, visited steps")):
                key = f"{precision.title}, {what}"
                try:
                    entry[key] = measured_epoch(case, precision, track, repeats)
                except torch.OutOfMemoryError as error:
                    entry[key] = str(error).partition(".")[0]
        bench.keep(title, entry)


def scan(bench: Bench) -> None:
    """Whole processes, importing excluded: a plain fine-tune, and scans in both precisions."""
    network, rows, epochs = (TINY, 16, 1) if bench.quick else (replace(VIT_B, batch_size=32), 1200, scans.EPOCHS)
    title = f"scan: {network.title}, {rows} images, {epochs} epochs"
    say(title)
    table = photographs(bench.data, bench.scratch, rows)
    found = {
        "plain": scans.plain(bench, network, table, epochs, 2 if bench.quick else WORKERS),
        "scan": scans.scan(bench, network, table, "gpu", epochs),
        "scan, bfloat16": scans.scan(bench, network, table, "gpu", epochs, "--dtype", "bfloat16"),
    }
    bench.keep(
        title,
        {
            "settings": {"model": network.name, "rows": rows, "epochs": epochs, "batch_size": network.batch_size},
            "repeats": [found],
            "seconds": {way: figures["seconds"] for way, figures in found.items()},
            "scan / plain, both float32": found["scan"]["seconds"] / found["plain"]["seconds"],
            "peak on the GPU, GB": {way: figures.get("peak_gpu_bytes", 0) / 1e9 for way, figures in found.items()},
        },
    )


def photographs(data: Path, out: Path, rows: int) -> Path:
    """Write a table of ants, bees, birds and daisies in random order."""
    parts = [pd.read_parquet(data / f"{name}_224.parquet", columns=["jpeg", "label"]) for name in SETS]
    table = out / "photographs.parquet"
    pd.concat(parts).sample(rows, random_state=0).to_parquet(table, index=False)
    return table


def features(bench: Bench) -> None:
    """How fast a frozen network sees images that are decoded already."""
    config = ModelConfig(name="vit_tiny_patch16_224" if bench.quick else "vit_base_patch16_224", train="head")
    spec = timm_spec(config.name or "", config)
    see = cut_off_head(spec.network(2, seed=0).to(DEVICE).eval())[0]
    pixels = torch.randint(0, 256, (8 if bench.quick else 512, 3, 224, 224), dtype=torch.uint8)
    seconds = median_seconds(partial(compute, see, spec, pixels, DEVICE, lambda _: None), 1 if bench.quick else REPEATS)
    bench.keep(
        "features: ViT-B/16, 224 px", {"images a second": len(pixels) / seconds, "settings": {"rows": len(pixels)}}
    )


def _forget_peak() -> None:
    gc.collect()
    if DEVICE.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak() -> float:
    return torch.cuda.max_memory_allocated() / 1e9 if DEVICE.type == "cuda" else 0.0


def main(
    data: DataFolder = DATA,
    out: Annotated[Path, typer.Option(help="Where figures are kept.")] = ROOT / "benchmarks" / "results" / "gpu.json",
    only: Annotated[str, typer.Option(help="Which cases.")] = "steps,features,scan",
    quick: Annotated[
        bool, typer.Option("--quick", help="Try that everything runs, on next to nothing, without a GPU if need be.")
    ] = False,
) -> None:
    """Measure, print and keep what was found."""
    if DEVICE.type != "cuda" and not quick:
        raise typer.BadParameter("there is no CUDA GPU here; --quick tries on the CPU that everything runs")
    say(machine())
    with tempfile.TemporaryDirectory(prefix="labelaudit-gpu-") as folder:
        results = Path(folder) / "gpu.json" if quick else out
        bench = Bench(data.resolve(), data.resolve(), Path(folder), results, quick)
        cases = {"steps": steps, "features": features, "scan": scan}
        for name in only.split(","):
            cases[name](bench)


if __name__ == "__main__":
    typer.run(main)
