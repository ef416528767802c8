"""The tables and the plot of docs/benchmarks.md, from the results.

`python -m benchmarks.detection.table --plot docs/detection.png`
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import numpy as np
import typer
from matplotlib.figure import Figure

from benchmarks.detection.tasks import CLEAN, SOURCES, TRUSTED

RESULTS = Path(__file__).parents[1] / "results" / "detection.json"
SCORE = "labelaudit score"
OURS = ("score", "(DIT)", "of the same run", "in the paper")  # how methods that are no peers end
SHORT = {
    SCORE: "**score**",
    "labelaudit influence (DIT)": "influence (DIT)",
    "DIT as in the paper": "DIT as in the paper",
    "final loss": "final loss",
    "mean margin (AUM)": "mean margin (AUM)",
    "self-confidence, 2 folds": "self-confidence, 2 folds",
    "self-confidence, 5 folds": "self-confidence, 5 folds",
    "cleanlab, 5 folds": "cleanlab, 5 folds",
    "boosted trees, 5 folds": "boosted trees, 5 folds",
    "10 nearest neighbours": "10 nearest neighbours",
    "TracIn (captum)": "TracIn (captum)",
    "self-influence (kronfluence)": "self-influence (kronfluence)",
}
PARTS = {
    "labelaudit influence (DIT)": "influence (DIT)",
    "final loss of the same run": "final loss",
    "mean margin of the same run": "mean margin",
    "out-of-fold loss of the same run": "out-of-fold loss",
    "boosted trees, 5 folds": "boosted trees",
}
SINGLE_PROCESS = "trained on the trusted rows alone"
WITH_TRUSTED = {
    SCORE: "**score**",
    "labelaudit influence (DIT)": "influence (DIT)",
    "DIT as in the paper": "DIT as in the paper",
    "TracIn (captum)": "TracIn (captum)",
    SINGLE_PROCESS: "trusted rows alone",
}
SAME_NETWORKS = {
    SCORE: "**score**",
    "final loss of the same run": "final loss, same networks",
    "mean margin of the same run": "AUM, same networks",
    "out-of-fold loss of the same run": "out-of-fold loss, same networks",
    "final loss": "final loss, all rows",
    "mean margin (AUM)": "AUM, all rows",
}
WITHOUT = ("final loss", "mean margin (AUM)", "self-confidence, 5 folds")
LIST = (
    ("noise_rate", "wrong labels", "{:.1%}"),
    ("noise_rate_low", "range from", "{:.1%}"),
    ("noise_rate_high", "to", "{:.1%}"),
    ("noise_rate_held", "covers", "{:.0%}"),
    ("noise_rate_measured", "measured", "{:.0%}"),
    ("noise_rate_estimated", "best guess", "{:.1%}"),
    ("suspects", "suspects", "{:.0f}"),
    ("suspects_precision_stated", "said to be wrong", "{:.0%}"),
    ("suspects_precision", "are wrong", "{:.0%}"),
    ("suspects_recall", "of all wrong labels", "{:.0%}"),
    ("suggestion_accuracy", "suggestions right", "{:.0%}"),
)

Tasks = dict[str, Any]


def main(plot: Annotated[Path | None, typer.Option(help="Where to put the picture (PNG).")] = None) -> None:
    """Print the tables, and draw."""
    found: Tasks = json.loads(RESULTS.read_text())["tasks"]
    order = [*SOURCES, *(f"{name}, {number} trusted" for name in SOURCES for number in TRUSTED), *CLEAN]
    tasks = {name: found[name] for name in order if name in found}
    plain = {name: task for name, task in tasks.items() if not name.endswith(" trusted")}
    ranked = {name: task for name, task in plain.items() if task["methods"]}
    print(
        precision_table(ranked),
        against_peers(ranked),
        against_parts(ranked),
        _precision(ranked, SAME_NETWORKS),
        with_trusted(tasks),
        lists(ranked),
        calibration(ranked),
        sep="\n\n",
    )
    for name in [name for name in plain if name not in ranked]:
        one = {key: figure["mean"] for key, figure in plain[name]["suspects"]["more probably wrong"].items()}
        print(
            f"\n{name}: {one['suspects']:.1f} suspects on average, range {one['noise_rate_low']:.1%} to "
            f"{one['noise_rate_high']:.1%}, measured in {one['noise_rate_measured']:.0%} of the runs"
        )
    print("\nMeasured:")
    for name, task in tasks.items():
        for how in sorted(set(task["measured"].values())):
            print(f"- {name}: {how}: {', '.join(key for key, value in task['measured'].items() if value == how)}")
    if plot is not None:
        draw(ranked).savefig(plot, dpi=110)


def precision_table(tasks: Tasks) -> str:
    """Average precision of every method on every task, the best in bold, and the mean cost."""
    costs = [
        [
            task["methods"][method]["cost"]["mean"]
            for task in tasks.values()
            if "cost" in task["methods"].get(method, {})
        ]
        for method in SHORT
    ]
    cost = ["*cost, mean*", *(f"{np.mean(values):.1f}" if values else "–" for values in costs)]
    return f"{_precision(tasks, SHORT)}\n{_row(cost)}"


def against_peers(tasks: Tasks) -> str:
    """The score beside the best method of others that costs no more; one whose cost was not measured counts, too."""
    rows = []
    for name, task in tasks.items():
        ours = task["methods"][SCORE]
        cheaper = {
            method: figures["average_precision"]["mean"]
            for method, figures in task["methods"].items()
            if not method.endswith(OURS) and figures.get("cost", {"mean": 0.0})["mean"] <= ours["cost"]["mean"]
        }
        best = max(cheaper, key=lambda method: cheaper[method])
        value = ours["average_precision"]["mean"]
        rows.append([name, f"{value:.3f}", best, f"{cheaper[best]:.3f}", f"{value / cheaper[best]:.3f}"])
    return _markdown(["", "score", "best at no more cost", "", "ratio"], rows)


def against_parts(tasks: Tasks) -> str:
    """The score beside what it is made of, each part by itself."""
    rows = []
    for name, task in tasks.items():
        score = task["methods"][SCORE]["average_precision"]["mean"]
        parts = {part: task["methods"][part]["average_precision"]["mean"] for part in PARTS if part in task["methods"]}
        best = max(parts, key=lambda part: parts[part])
        cells = [f"{parts[part]:.3f}" if part in parts else "–" for part in PARTS]
        rows.append([name, f"{score:.3f}", *cells, PARTS[best], f"{score - parts[best]:+.3f}"])
    return _markdown(["", "score", *PARTS.values(), "best part", "score − best part"], rows)


def with_trusted(tasks: Tasks) -> str:
    """Average precision where some rows are trusted, beside methods that make no use of them."""
    rows = []
    for name, task in tasks.items():
        if name.endswith(" trusted"):
            base = tasks[name.rsplit(", ", 1)[0]]["methods"]
            others = {f"{method} ": base[method] for method in WITHOUT if method in base}
            rows.append(_cells(name, task["methods"] | others, (*WITH_TRUSTED, *(f"{method} " for method in WITHOUT))))
    return _markdown(["", *WITH_TRUSTED.values(), *WITHOUT], rows)


def lists(tasks: Tasks) -> str:
    """What the list of suspects says of itself, and what is true."""
    rows = []
    for name, task in tasks.items():
        found, strict = task["suspects"]["more probably wrong"], task["suspects"]["precision 0.8"]
        cells = [text.format(found[key]["mean"]) if key in found else "–" for key, _, text in LIST]
        precise = strict.get("suspects_precision")
        rows.append(
            [name, *cells, f"{strict['suspects']['mean']:.0f}", "–" if precise is None else f"{precise['mean']:.0%}"]
        )
    return _markdown(["", *(title for _, title, _ in LIST), "`--precision 0.8`", "are wrong"], rows)


def calibration(tasks: Tasks) -> str:
    """How far stated and true precision are apart, and how wide and true the ranges are, in sentences."""
    found = [task["suspects"]["more probably wrong"] for task in tasks.values()]
    listed = [one for one in found if "suspects_precision" in one]
    signed = [one["suspects_precision"]["mean"] - one["suspects_precision_stated"]["mean"] for one in listed]
    widths = [one["noise_rate_high"]["mean"] - one["noise_rate_low"]["mean"] for one in found]
    return (
        f"Stated and true precision differ by {100 * precision_gap(tasks):.1f} points on average "
        f"({100 * np.mean(signed):+.1f} with sign). The range covers the truth in "
        f"{np.mean([one['noise_rate_held']['mean'] for one in found]):.0%} of the runs, and is "
        f"{100 * np.median(widths):.1f} points wide in the median."
    )


def precision_gap(tasks: Tasks) -> float:
    """The mean |stated − true| precision of the lists, over the tasks that have one."""
    found = [task["suspects"]["more probably wrong"] for task in tasks.values() if task["methods"]]
    return float(np.mean([one["suspects_precision_gap"]["mean"] for one in found if "suspects_precision_gap" in one]))


def draw(tasks: Tasks) -> Figure:
    """Average precision of each method, a row of points for each task."""
    matplotlib.use("Agg")
    figure = Figure(figsize=(9, 0.42 * len(tasks) + 1.6), layout="constrained")
    axes = figure.subplots()
    others = [method for method in SHORT if method != SCORE]
    colours = matplotlib.colormaps["tab20"].colors  # type: ignore[attr-defined]  # a list of colours has them
    named: set[str] = set()
    for place, task in enumerate(tasks.values()):
        for number, method in enumerate([*others, SCORE]):
            if method not in task["methods"]:
                continue
            figures = task["methods"][method]["average_precision"]
            ours = method == SCORE
            axes.errorbar(
                figures["mean"],
                -place,
                xerr=figures.get("std"),
                fmt="D" if ours else "osv^<>pXP*d"[number],
                color="black" if ours else colours[number],
                markersize=7 if ours else 5,
                elinewidth=1,
                label=None if method in named else SHORT[method].strip("*"),
            )
            named.add(method)
    axes.set_yticks([-place for place in range(len(tasks))], list(tasks))
    axes.set_xlabel("average precision (mean and standard deviation over the seeds)")
    axes.set_xlim(0, 1.02)
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def _precision(tasks: Tasks, columns: dict[str, str]) -> str:
    """Average precision of some methods, by their titles, on every task."""
    rows = [_cells(name, task["methods"], tuple(columns)) for name, task in tasks.items()]
    return _markdown(["", *columns.values()], rows)


def _cells(name: str, methods: dict[str, Any], columns: tuple[str, ...]) -> list[str]:
    found = {method: methods[method]["average_precision"] for method in columns if method in methods}
    best = max(figures["mean"] for figures in found.values())
    cells = [name]
    for method in columns:
        if method not in found:
            cells.append("–")
            continue
        figure = found[method]
        bold = "**" if figure["mean"] == best else ""
        deviation = f" ± {figure['std']:.3f}" if "std" in figure else ""
        cells.append(f"{bold}{figure['mean']:.3f}{bold}{deviation}")
    return cells


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(_row(line) for line in lines)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    typer.run(main)
