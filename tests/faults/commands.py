"""What each command that writes is promised to leave: the old output, or the new one, each whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labelaudit import Report
from labelaudit.checking.baseline import load_baseline
from labelaudit.runtime.commits import READY, current
from tests.faults.conftest import QUICK
from tests.support.reports import tree


@dataclass(frozen=True)
class Command:
    """A command that replaces an output.

    Attributes:
        arguments: Of the command line.
        output: What it replaces, relative to the working folder.
        state: What the output says, but for times. Raises an error if it is not whole.
        left: The files that are there in the end.
    """

    arguments: list[str]
    output: str
    state: Callable[[Path], object]
    left: set[str]


def report_state(file: Path) -> object:
    table = Report.load(file).table
    return table["id"].to_pylist(), table["score"].to_pylist(), table["influence"].to_pylist()


def page_fits(folder: Path) -> bool:
    """Whether the page is that of the Parquet file: both carry the dataset's fingerprint and the audit's hash."""
    page = current(folder / "report.html").read_text(encoding="utf-8")
    fingerprint = Report.load(folder).metadata["dataset_fingerprint"]
    return f"labelaudit:{fingerprint[:16]}:" in page and "</html>" in page


def scan_state(folder: Path) -> object:
    assert (folder / READY).exists() or page_fits(folder)
    return report_state(folder)


def flips_state(folder: Path) -> object:
    figures = json.loads(current(folder / "metrics.json").read_text(encoding="utf-8"))
    names = ["report.parquet", *(f"report-seed-{seed}.parquet" for seed in figures["seeds"][1:])]
    assert (folder / READY).exists() or sorted(path.name for path in folder.glob("*.parquet")) == sorted(names)
    return figures["summary"], [report_state(current(folder / name)) for name in names]


def baseline_state(folder: Path) -> object:
    found = load_baseline(folder)
    assert (folder / READY).exists() or page_fits(folder)
    return report_state(folder), found.fold_of.tolist(), [theta.tolist() for theta in found.thetas or ()]


def copy_state(folder: Path) -> object:
    return tree(folder)


def page_state(folder: Path) -> object:
    assert page_fits(folder)
    return len((folder / "report.html").read_text(encoding="utf-8"))


COMMANDS = {
    "scan": Command(
        ["scan", "data", *QUICK, "--seed", "1", "--out", "report", "--overwrite", "--checkpoint-every", "0"],
        "report", scan_state, {"report.parquet", "report.html"},
    ),
    "flip-test": Command(
        ["flip-test", "data", *QUICK, "--rate", "0.2", "--seeds", "2", "--out", "flips", "--overwrite",
         "--checkpoint-every", "0"],
        "flips", flips_state, {"metrics.json", "report.parquet", "report-seed-1.parquet"},
    ),
    "baseline": Command(
        ["baseline", "data", *QUICK, "--epochs", "12", "--seed", "3", "--out", "baseline", "--overwrite"],
        "baseline", baseline_state, {"report.parquet", "report.html", "networks.safetensors"},
    ),
    "check": Command(
        ["check", "later", "--baseline", "baseline", "--max-new-suspects", "99", "--refresh"],
        "baseline", baseline_state, {"report.parquet", "report.html", "networks.safetensors"},
    ),
    "apply": Command(
        ["apply", "report", "--decisions", "new.csv", "--out", "fixed", "--overwrite"], "fixed", copy_state,
        {"0", "1", "7", "9"},
    ),
    "refine": Command(
        ["refine", "report", "--decisions", "new.csv", "--out", "refined", "--overwrite"], "refined", scan_state,
        {"report.parquet", "report.html"},
    ),
    "report": Command(["report", "report", "--shown", "3"], "report", page_state, {"report.parquet", "report.html"}),
}  # fmt: skip  # data, read as a table
