"""What an audit costs in time and memory: `python -m benchmarks.speed`.

(a) a scan beside a plain fine-tune, (b) the sweep beside training its window, (c) other ways to find wrong labels,
(d) peak memory, (e) growth with rows, parameters and window. Those on a GPU are `python -m benchmarks.speed.gpu`.
Everything runs one after another; nothing else should run on the machine.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.folders import DATA, ROOT, WEIGHTS, DataFolder, WeightsFolder
from benchmarks.speed import growth, peers, scans, sweeps
from benchmarks.speed.plot import plot
from benchmarks.speed.processes import Bench, begin, say

CASES = {
    "a": (scans.times,),
    "b": (sweeps.on_cpu,),
    "c": (peers.compare,),
    "d": (scans.memory,),
    "e": (growth.with_rows, growth.with_parameters, growth.with_window, growth.million_rows),
}


def main(
    data: DataFolder = DATA,
    weights: WeightsFolder = WEIGHTS,
    only: Annotated[str, typer.Option(help="Which cases, as a,b.")] = ",".join(CASES),
    quick: Annotated[
        bool, typer.Option("--quick", help="Try that everything runs, on next to nothing; keep no figures.")
    ] = False,
) -> None:
    """Measure, print and keep what was found."""
    letters = begin(only, CASES, "case")
    failed = []
    with tempfile.TemporaryDirectory(prefix="labelaudit-speed-") as folder:
        scratch = Path(folder)
        results = (scratch if quick else ROOT / "benchmarks" / "results") / "speed.json"
        bench = Bench(data.resolve(), weights.resolve(), scratch, results, quick)
        for letter in letters:
            for case in CASES[letter]:
                started = time.perf_counter()
                try:
                    case(bench)
                except RuntimeError as error:
                    failed.append(f"{letter}: {case.__name__}")
                    say(f"{letter}: {case.__name__} FAILED: {error}")
                say(f"({letter}: {case.__name__} took {time.perf_counter() - started:.0f} s)")
        plot(results, scratch / "speed.png" if quick else ROOT / "docs" / "speed.png")
    if failed:
        say(f"failed: {', '.join(failed)}")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
