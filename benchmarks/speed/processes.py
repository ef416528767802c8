"""Measured processes, one after another, and what is kept of them."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch
from typer import BadParameter

from benchmarks.folders import ROOT
from labelaudit.runtime.files import write_atomically

Figures = dict[str, Any]
LONGEST = 540  # seconds of one process
BUSY = 0.5  # load of other programs above which timings mean little


@dataclass(frozen=True)
class Bench:
    """What every case is given.

    Attributes:
        data: Folder of the datasets.
        weights: Folder of the pretrained weights.
        scratch: A folder to write into.
        results: Where figures are kept.
        quick: Whether only to try that everything runs.
    """

    data: Path
    weights: Path
    scratch: Path
    results: Path
    quick: bool

    def run(self, module: str, *arguments: object) -> Figures:
        """Run `benchmarks.speed.MODULE` in a process of its own.

        Raises:
            RuntimeError: It failed or took too long; the message has the end of what it said.
        """
        figures = self.scratch / "figures.json"
        figures.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "benchmarks.speed.child",
            f"benchmarks.speed.{module}",
            str(figures),
            *map(str, arguments),
        ]
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        started = time.perf_counter()
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=LONGEST,
                check=False,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{module} took more than {LONGEST} s") from None
        if done.returncode != 0 or not figures.is_file():
            raise RuntimeError(f"{module} failed:\n" + done.stderr[-2000:])
        found: Figures = json.loads(figures.read_text())
        return found | {"process_seconds": time.perf_counter() - started}

    def scan(self, table: Path, out: str, *options: object) -> Figures:
        """Run `labelaudit scan`; its report is in the scratch folder under `out`."""
        return self.run("own", "scan", table, "--out", self.scratch / out, "--overwrite", "-q", *options)

    def keep(self, name: str, entry: Figures) -> None:
        """Add a case to the results, beside those of other runs, and print its summary."""
        kept = json.loads(self.results.read_text()) if self.results.is_file() else {"cases": {}}
        kept["cases"][name] = {"date": date.today().isoformat(), "machine": machine()} | rounded(entry)
        self.results.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.results, lambda path: path.write_text(json.dumps(kept, indent=1) + "\n"))
        for key, value in kept["cases"][name].items():
            if key not in ("date", "machine", "repeats", "settings"):
                say(f"  {key}: {json.dumps(value, ensure_ascii=False)}")


def machine() -> str:
    """What the figures were measured on."""
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} threads"
    return f"{platform.machine()}, {os.cpu_count()} cores, {where}, torch {torch.__version__}, float32"


def load_of_others() -> float:
    """How many processes ran in the last minute, on average."""
    return round(os.getloadavg()[0], 2)


def begin(only: str, known: Collection[str], what: str) -> list[str]:
    """Which of the known cases are asked for; the machine is told, and whether it is busy.

    Raises:
        BadParameter: There is no such case.
    """
    chosen = only.split(",")
    if unknown := set(chosen) - set(known):
        raise BadParameter(f"--only: there is no {what} {sorted(unknown)[0]!r}; there are {', '.join(known)}")
    say(f"{machine()}, load {load_of_others()}")
    if load_of_others() > BUSY:
        say("other programs are running: do not trust these times")
    return chosen


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Least, middle and greatest."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def rounded(value: Any) -> Any:
    """Floats to four significant digits, in whatever holds them."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list) else value
