"""The figures of `speed.json` in one picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

Cases = dict[str, dict[str, Any]]
COLOURS = ("#2a6f97", "#e07a5f", "#81b29a", "#f2cc8f", "#6d597a")


def plot(results: Path, out: Path) -> None:
    """Draw what there is of (a) to (e)."""
    if not results.is_file():
        return
    cases: Cases = json.loads(results.read_text())["cases"]
    panels = {"a": _scans, "b": _sweeps, "c": _peers, "d": _memory, "e": _growth}
    chosen = {letter: {k[3:]: v for k, v in cases.items() if k.startswith(f"{letter}: ")} for letter in panels}
    figure, axes = plt.subplots(3, 2, figsize=(11, 11), layout="constrained")
    for axis, (letter, draw) in zip(axes.flat, panels.items(), strict=False):
        draw(axis, chosen[letter])
    _window(axes.flat[5], chosen["e"])
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        if axis.has_data():
            axis.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    figure.savefig(out, dpi=110)
    plt.close(figure)


def _bars(axis: Axes, groups: dict[str, dict[str, float]], errors: dict[str, dict[str, Any]] | None = None) -> None:
    """Horizontal bars, one group for each case, the first on top."""
    ways = list(dict.fromkeys(way for group in groups.values() for way in group))
    height = 0.8 / max(1, len(ways))
    for number, way in enumerate(ways):
        places = [place for place, group in enumerate(groups.values()) if way in group]
        values = [group[way] for group in groups.values() if way in group]
        spans = None
        if errors is not None:
            found = [group[way] for group in errors.values() if way in group]
            spans = [[f["median"] - f["min"] for f in found], [f["max"] - f["median"] for f in found]]
        axis.barh(
            [place + number * height for place in places],
            values,
            height,
            xerr=spans,
            label=way,
            color=COLOURS[number % len(COLOURS)],
        )
    axis.set_yticks([place + height * (len(ways) - 1) / 2 for place in range(len(groups))], [*groups], fontsize=8)
    axis.invert_yaxis()


def _scans(axis: Axes, cases: Cases) -> None:
    axis.set_title("(a) a scan, in plain fine-tunes")
    spreads = {name: {w.partition(" of ")[0]: s for w, s in c["scan / plain"].items()} for name, c in cases.items()}
    _bars(axis, {name: {way: s["median"] for way, s in ways.items()} for name, ways in spreads.items()}, spreads)
    axis.axvline(1, color="black", linewidth=0.8, label="a plain fine-tune")


def _sweeps(axis: Axes, cases: Cases) -> None:
    axis.set_title("(b) the sweep, in epochs of training")
    _bars(axis, {name: case["in epochs"] for name, case in cases.items() if "in epochs" in case})


def _peers(axis: Axes, cases: Cases) -> None:
    axis.set_title("(c) wrong labels found, and what it costs")
    for marker, (name, case) in zip("os^", cases.items(), strict=False):
        for number, (way, precision) in enumerate(case["average precision"].items()):
            label = f"{name.partition(',')[0]}: {way.partition(',')[0]}"
            axis.scatter(
                case["plain fine-tunes"][way], precision, color=COLOURS[number % 5], marker=marker, label=label
            )
    axis.set(xlabel="plain fine-tunes", ylabel="average precision", xlim=(0, None), ylim=(0, 1.02))


def _memory(axis: Axes, cases: Cases) -> None:
    axis.set_title("(d) memory beyond plain, in copies of θ")
    _bars(axis, {name: case["copies of the parameters more than plain"] for name, case in cases.items()})


def _growth(axis: Axes, cases: Cases) -> None:
    axis.set_title("(e) growth with rows and parameters")
    for number, what in enumerate(("rows", "parameters")):
        for case in (case for case in cases.values() if what in case):
            sizes = [size / case[what][0] for size in case[what]]
            for key, style in (("seconds", "-o"), ("memory beyond the imports, MB", ":s")):
                axis.plot(
                    sizes,
                    [v / case[key][0] for v in case[key]],
                    style,
                    color=COLOURS[number],
                    label=f"{key.partition(' ')[0]}, {what} from {case[what][0]:,.0f}",
                )
    axis.set(xscale="log", yscale="log", xlabel="times the smallest", ylabel="times the smallest's")


def _window(axis: Axes, cases: Cases) -> None:
    axis.set_title("(e) growth with the window")
    what = "steps in the window"
    for number, (name, case) in enumerate((n, c) for n, c in cases.items() if what in c):
        axis.plot(
            case[what],
            case["memory beyond the imports, MB"],
            "-o",
            color=COLOURS[number],
            label=name.rpartition(", ")[2],
        )
    axis.set(xlabel=what, ylabel="memory beyond the imports, MB", ylim=(0, None))
