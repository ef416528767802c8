"""(e): how time and memory grow with rows, with parameters and with the window; and a million rows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.speed.processes import Bench, Figures, say
from benchmarks.speed.tables import TINY, VIT_B, photographs

ROWS, QUICK_ROWS = (1_000, 3_000, 10_000, 30_000), (200, 400)
EPOCHS, QUICK_EPOCHS = (1, 2, 4), (1, 2)
MILLION, QUICK_MILLION = 1_000_000, 2_000
DISTINCT = 100  # images that the million rows point to
AT_MOST = 4e9  # bytes


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The exponent of growth: the slope of log value over log size."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def grown(figures: Figures) -> float:
    """Bytes a process took beyond what it has after importing."""
    return float(max(1, figures["peak_bytes"] - figures["peak_bytes_before"]))


def keep(bench: Bench, title: str, what: str, sizes: list[float], found: list[Figures], **more: Any) -> None:
    """Keep a series and its slopes."""
    bench.keep(
        title,
        {
            "settings": more,
            "repeats": [{what: size} | figures for size, figures in zip(sizes, found, strict=True)],
            what: sizes,
            "seconds": [figures["seconds"] for figures in found],
            "memory beyond the imports, MB": [grown(figures) / 1e6 for figures in found],
            "exponent of seconds": slope(sizes, [figures["seconds"] for figures in found]),
            "exponent of memory": slope(sizes, [grown(figures) for figures in found]),
            f"bytes for each of the {what}": (grown(found[-1]) - grown(found[0])) / (sizes[-1] - sizes[0]),
        },
    )


def with_rows(bench: Bench) -> None:
    """A scan of more and more rows of CIFAR-10N with the small cnn."""
    title = "e: rows, cnn on CIFAR-10N"
    say(title)
    frame = pd.read_parquet(bench.data / "cifar10n_train_30k.parquet", columns=["jpeg", "aggre_label"])
    sizes, found = [float(rows) for rows in (QUICK_ROWS if bench.quick else ROWS)], []
    for rows in sizes:
        table = bench.scratch / "rows.parquet"
        frame[: int(rows)].to_parquet(table, index=False)
        options = ["--model", "cnn", "--image-size", "16", "--epochs", "1", "--batch-size", "64"]
        found.append(bench.scan(table, "e", "--label-column", "aggre_label", *options))
        say(f"  {rows:.0f} rows: {found[-1]['seconds']:.1f} s")
    keep(bench, title, "rows", sizes, found, epochs=1, image_size=16, batch_size=64)


def with_parameters(bench: Bench) -> None:
    """A scan of a few photographs with larger and larger transformers."""
    title = "e: parameters, ViT-Tiny, S and B on 32 images of 112 px"
    say(title)
    side, rows, epochs = (32, 8, 1) if bench.quick else (112, 32, 1)
    table, _ = photographs(bench.data, bench.scratch, rows)
    names = [TINY.name, "vit_small_patch16_224", VIT_B.name][: 2 if bench.quick else 3]
    sizes, found = [], []
    for name in names:
        options = ["--model", name, "--image-size", side, "--epochs", epochs, "--batch-size", 4 if bench.quick else 8]
        figures = bench.run("plain", table, *options)
        sizes.append(float(figures["parameters"]))
        found.append(bench.scan(table, "e", *options))
        say(f"  {name}: {found[-1]['seconds']:.1f} s")
    keep(bench, title, "parameters", sizes, found, epochs=epochs, image_size=side, rows=rows)


def with_window(bench: Bench) -> None:
    """A scan with longer and longer windows, all states kept and every √T-th."""
    rows, side = (16, TINY.image_size) if bench.quick else (64, 96)
    table, _ = photographs(bench.data, bench.scratch, rows)
    for mode in ("memory", "replay"):
        title = f"e: window, ViT-Tiny on {rows} images, trajectory {mode}"
        say(title)
        sizes, found = [], []
        for epochs in QUICK_EPOCHS if bench.quick else EPOCHS:
            options = ["--model", TINY.name, "--image-size", side, "--batch-size", 4, "--epochs", epochs]
            found.append(bench.scan(table, "e", *options, "--window", "full", "--trajectory", mode))
            sizes.append(float(epochs * -(-(rows // 2) // 4)))
            say(f"  {sizes[-1]:.0f} steps: {found[-1]['seconds']:.1f} s")
        last = bench.scan(table, "e", *options, "--window", "last", "--trajectory", mode)
        say(f"  the last epoch of {epochs}: {last['seconds']:.1f} s")
        more = {"rows": rows, "batch_size": 4, "last epoch only, of as many": last}
        keep(bench, title, "steps in the window", sizes, found, **more)


def million_rows(bench: Bench) -> None:
    """A manifest of a million rows: planned, and scanned and reported, within 4 GB."""
    rows = QUICK_MILLION if bench.quick else MILLION
    manifest = write_manifest(bench, rows)
    options = ["--model", "lr", "--image-size", "8", "--epochs", "1", "--batch-size", "1024"]
    helped = [sys.executable, "-m", "labelaudit", "scan", "--help"]
    known = subprocess.run(helped, capture_output=True, text=True, check=False).stdout
    for what, more in (("planned (--dry-run)", ["--dry-run"]), ("scanned and reported", [])):
        title = f"e: {rows:,} rows of a manifest, {what}"
        if more and "--dry-run" not in known:
            say(f"{title}: skipped, this labelaudit has no --dry-run")
            continue
        say(title)
        figures = bench.scan(manifest, "million", *options, *more)
        bench.keep(
            title,
            {
                "settings": {"options": " ".join(options)},
                "repeats": [figures],
                "seconds": figures["seconds"],
                "peak, GB": figures["peak_bytes"] / 1e9,
                "within 4 GB": figures["peak_bytes"] <= AT_MOST,
            },
        )


def write_manifest(bench: Bench, rows: int) -> Path:
    """A manifest whose rows point to a few images of digits."""
    folder = bench.scratch / "digits"
    folder.mkdir(exist_ok=True)
    with np.load(bench.data / "mnist.npz") as arrays:
        images, labels = arrays["x_train"][:DISTINCT], arrays["y_train"][:DISTINCT]
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    place = np.arange(rows) % DISTINCT
    manifest = bench.scratch / "million.csv"
    pd.DataFrame(
        {
            "id": [f"row-{number}" for number in range(rows)],
            "path": np.array([f"digits/{number}.png" for number in range(DISTINCT)])[place],
            "label": labels[place],
        }
    ).to_csv(manifest, index=False)
    return manifest
