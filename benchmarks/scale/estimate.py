"""`python -m benchmarks.scale.estimate`: is "this audit will take about" true, alone and beside a busy program?

Each scan is a process of its own. The busy program multiplies matrices with all threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from benchmarks.folders import DATA, ROOT, DataFolder
from benchmarks.scale.one import vectors
from benchmarks.speed.processes import begin, machine, rounded, say
from labelaudit.commands.scan import scan
from labelaudit.progress import NullProgress

RUNS = {
    "sample_data": "600 images of digits",
    "headlines": "2,045 texts in 5 classes",
    "photographs": "3,000 photographs of 32 × 32 pixels, `cnn`",
    "20 classes": "20,000 rows of 64 numbers",
    "100 classes": "20,000 rows of 64 numbers",
    "500 classes": "5,000 rows of 64 numbers",
}
RESULTS = ROOT / "benchmarks" / "results" / "estimate.json"
BUSY_PROGRAM = "import torch\na = torch.randn(1500, 1500)\nwhile True: a @ a"
PHOTOGRAPHS, LONGEST = 3000, 600


class Said(NullProgress):
    """A progress that keeps what is said first, and when."""

    def __init__(self) -> None:
        self.seconds: float | None = None

    def time_left(self, seconds: float) -> None:
        """Keep the first one."""
        if self.seconds is None:
            self.seconds, self.since = seconds, time.perf_counter()


def main(
    data: DataFolder = DATA,
    only: Annotated[str, typer.Option(help="Which runs, as sample_data,headlines.")] = ",".join(RUNS),
) -> None:
    """Run all, print what was said and what it took, and keep both."""
    names = begin(only, RUNS, "run")
    runs: list[dict[str, Any]] = []
    for name in names:
        for how, others in (("alone", nullcontext()), ("beside a busy program", busy_program())):
            with others:
                found = measured(name, data)
            runs.append({"name": name, "what": RUNS[name], "how": how, **found})
            say(f"{name}, {how}: said {found['said']:.1f} s, took {found['took']:.1f} s")
    say(f"off by a factor of {max(map(off_by, runs)):.2f} at most")
    kept = {"date": date.today().isoformat(), "machine": machine(), "runs": runs}
    RESULTS.write_text(json.dumps(rounded(kept), indent=1) + "\n")


def off_by(run: Mapping[str, Any]) -> float:
    """How many times more, or less, it took than was said."""
    ratio: float = run["said"] / run["took"]
    return max(ratio, 1 / ratio)


def measured(name: str, data: Path) -> dict[str, float]:
    """What a run, in a process of its own, said and took, in seconds.

    Raises:
        RuntimeError: It failed; the message has the end of what it said.
    """
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.scale.estimate", "run", name, str(data.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def run(name: str, data: Path) -> dict[str, float]:
    """Scan; what was said before, and how long it took from then on."""
    said = Said()
    with tempfile.TemporaryDirectory() as folder:
        source, options = source_of(name, data, Path(folder))
        scan(source, progress=said, **options)
        took = time.perf_counter() - said.since
    assert said.seconds is not None
    return {"said": said.seconds, "took": took}


def source_of(name: str, data: Path, folder: Path) -> tuple[Any, dict[str, Any]]:
    """What is scanned, and with which options."""
    if name == "sample_data":
        return ROOT / "sample_data" / "train", {}
    if name == "headlines":
        return data / "hausa_headlines.parquet", {}
    if name == "photographs":
        table = folder / "photographs.parquet"
        pd.read_parquet(data / "cifar10n_train_30k.parquet").head(PHOTOGRAPHS).to_parquet(table)
        return table, {"model": "cnn"}
    classes = int(name.split()[0])
    inputs, labels, _ = vectors(int(RUNS[name].split()[0].replace(",", "")), classes, 64)
    return (inputs, labels), {"model": "lr"}


@contextmanager
def busy_program() -> Iterator[None]:
    """A program that uses all processors meanwhile."""
    with subprocess.Popen([sys.executable, "-c", BUSY_PROGRAM]) as other:
        time.sleep(3)
        try:
            yield
        finally:
            other.kill()


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if sys.argv[1:2] == ["run"]:
        print(json.dumps(run(sys.argv[2], Path(sys.argv[3]))))
    else:
        typer.run(main)
