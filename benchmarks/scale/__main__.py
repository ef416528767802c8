"""`python -m benchmarks.scale`: scans of made vectors with `lr`, each in a process of its own, one after another.

`--only` takes some of the series; rows are the longest.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import date
from math import prod
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import typer

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import EngFormatter, NullFormatter

from benchmarks.folders import ROOT
from benchmarks.speed.growth import grown, slope
from benchmarks.speed.processes import begin, machine, rounded, say

SERIES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "rows": ((10_000, 10, 64), (100_000, 10, 64), (1_000_000, 10, 64)),
    "classes": ((20_000, 10, 64), (20_000, 100, 64), (20_000, 1000, 64), (20_000, 10_000, 64)),
    "rows × classes": ((20_000, 100, 64), (60_000, 300, 64), (200_000, 1000, 64)),
    "width": ((10_000, 10, 16), (10_000, 10, 256), (10_000, 10, 4096)),
    "few a class": ((1_000, 500, 16), (6_000, 3_000, 16), (20_000, 10_000, 16)),
}
"""Of each series: rows, classes and width."""
VARIES = {"rows": ("rows",), "classes": ("classes",), "width": ("width",)}
"""What grows in a series; of the others rows and classes."""
RESULTS, PICTURE = ROOT / "benchmarks" / "results" / "scale.json", ROOT / "docs" / "scale.png"
LONGEST = 3600  # seconds of one process


def main(only: Annotated[str, typer.Option(help="Which series, as rows,classes.")] = ",".join(SERIES)) -> None:
    """Measure, print the slopes, and keep what was found."""
    names = begin(only, SERIES, "series")
    kept: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for name in names:
        points = []
        for rows, classes, width in SERIES[name]:
            figures = measured(rows, classes, width)
            points.append({"rows": rows, "classes": classes, "width": width, **figures})
            say(f"{name}: {rows:,} × {classes:,} × {width}: {figures['seconds']:.1f} s, {grown(figures) / 1e9:.2f} GB")
        kept[name] = rounded({"date": date.today().isoformat(), "machine": machine(), "points": points})
        say("  slopes of time and memory: {:.2f}, {:.2f}".format(*slopes(name, points)))
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    plot(kept, PICTURE)


def measured(rows: int, classes: int, width: int) -> dict[str, Any]:
    """What one scan took, in a process of its own.

    Raises:
        RuntimeError: It failed; the message has the end of what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.speed.child", "benchmarks.scale.one", str(figures)]
        sizes = map(str, (rows, classes, width))
        done = subprocess.run(
            [*command, *sizes], capture_output=True, text=True, timeout=LONGEST, check=False, cwd=ROOT
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-2000:])
        found: dict[str, Any] = json.loads(figures.read_text())
        return found


def sizes_of(name: str, points: list[dict[str, Any]]) -> list[float]:
    """What grows from one point of a series to the next."""
    return [float(prod(point[key] for key in VARIES.get(name, ("rows", "classes")))) for point in points]


def slopes(name: str, points: list[dict[str, Any]]) -> tuple[float, float]:
    """The exponents with which time and memory grow."""
    sizes = sizes_of(name, points)
    return slope(sizes, [point["seconds"] for point in points]), slope(sizes, [grown(point) for point in points])


def plot(kept: dict[str, Any], out: Path) -> None:
    """Seconds and memory of each series."""
    figure, axes = plt.subplots(2, len(kept), figsize=(3 * len(kept), 5), layout="constrained", squeeze=False)
    for column, (name, series) in enumerate(kept.items()):
        sizes = sizes_of(name, series["points"])
        of_time, of_memory = slopes(name, series["points"])
        shown = (
            ([point["seconds"] for point in series["points"]], of_time, "s"),
            ([grown(point) / 1e9 for point in series["points"]], of_memory, "GB beyond imports"),
        )
        for axis, (values, exponent, unit) in zip(axes[:, column], shown, strict=True):
            axis.loglog(sizes, values, "o-", color="#2a6f97")
            for size, value in zip(sizes, values, strict=True):
                axis.annotate(
                    f"{value:.2g}", (size, value), (0, 6), textcoords="offset points", ha="center", fontsize=7
                )
            axis.margins(0.15, 0.2)
            axis.set_title(f"{name}: slope {exponent:.2f}", fontsize=9)
            axis.set_ylabel(unit, fontsize=8)
            axis.set_xlabel(VARIES.get(name, ("rows × classes",))[0], fontsize=8)
            for scale in (axis.xaxis, axis.yaxis):
                scale.set_major_formatter(EngFormatter(sep=""))
                scale.set_minor_formatter(NullFormatter())
            axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    typer.run(main)
