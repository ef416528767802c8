"""(c): other ways to find wrong labels, on the same network, images and settings: wall time and average precision."""

from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from benchmarks.speed.processes import Bench, Figures, say
from benchmarks.speed.scans import EPOCHS, plain, scan
from benchmarks.speed.tables import LITE, TINY, VIT_S, Network, flipped_photographs

ROWS, QUICK_ROWS = 200, 24
RATE = 0.1  # of labels that are flipped
WORKERS = 2
PEERS = {  # what it is called: the package it needs, the module of ours that runs it
    "cleanlab, 5-fold cross-validation": ("cleanlab", "by_cleanlab"),
    "kronfluence, self-influence (EK-FAC)": ("kronfluence", "by_kronfluence"),
    "captum, TracInCP self-influence, 3 checkpoints": ("captum", "by_captum"),
}


def compare(bench: Bench) -> None:
    """Run all, one after another, each in a process of its own; each trains what it needs itself."""
    for network in (TINY,) if bench.quick else (VIT_S, LITE):
        compare_on(bench, network)


def compare_on(bench: Bench, network: Network) -> None:
    """Run all with one network."""
    rows, epochs = (QUICK_ROWS, 1) if bench.quick else (ROWS, EPOCHS)
    title = f"c: {network.title}, {rows} photographs, {RATE:.0%} of the labels flipped"
    say(title)
    table, wrong = flipped_photographs(bench.data, bench.scratch, rows, RATE)
    found: dict[str, Figures] = {"plain fine-tune": plain(bench, network, table, epochs, WORKERS)}
    found["labelaudit scan"] = scan(bench, network, table, "c", epochs)
    report = pd.read_parquet(bench.scratch / "c" / "report.parquet").sort_values("row")
    found["labelaudit scan"]["average_precision"] = float(average_precision_score(wrong, report["score"]))
    say("  " + ", ".join(f"{way} {figures['seconds']:.1f} s" for way, figures in found.items()))
    left_out: dict[str, str] = {}
    for name, (package, module) in PEERS.items():
        if importlib.util.find_spec(package) is None:
            say(f"  {name}: skipped, {package} is not installed (pip install 'labelaudit[compare]')")
            continue
        scores = bench.scratch / "scores.npy"
        options = ["--epochs", epochs, "--workers", WORKERS, "--scores", scores, *network.layout]
        try:
            found[name] = bench.run(module, table, *network.options(bench.weights), *options)
        except RuntimeError as error:
            left_out[name] = str(error).strip().splitlines()[-1]
            say(f"  {name}: left out, {error}")
            continue
        found[name]["average_precision"] = float(average_precision_score(wrong, np.load(scores)))
        say(f"  {name} {found[name]['seconds']:.1f} s")
    unit = found["plain fine-tune"]["seconds"]
    ours = found["labelaudit scan"]["seconds"]
    bench.keep(
        title,
        {
            "settings": {
                "model": network.name,
                "rows": rows,
                "epochs": epochs,
                "batch_size": network.batch_size,
                "flipped": int(wrong.sum()),
                "seeds": 1,
            },
            "repeats": [found],
            "left out": left_out,
            "seconds": {way: figures["seconds"] for way, figures in found.items()},
            "plain fine-tunes": {way: figures["seconds"] / unit for way, figures in found.items()},
            "times labelaudit's": {way: figures["seconds"] / ours for way, figures in found.items()},
            "average precision": {way: f["average_precision"] for way, f in found.items() if "average_precision" in f},
            "peak, GB": {way: figures["peak_bytes"] / 1e9 for way, figures in found.items()},
        },
    )
