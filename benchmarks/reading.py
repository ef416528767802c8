"""How long reading a large table takes, and how much memory: `python -m benchmarks.reading --out FILE`."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 1_000_000
FORMATS = ("csv", "jsonl")


def write_tables(folder: Path, rows: int) -> None:
    """Ten columns: five measurements, two counts, two categories, one label; no text is quoted."""
    generator = np.random.default_rng(0)
    columns: dict[str, object] = {f"x{n}": generator.normal(size=rows).round(6) for n in range(5)}
    columns |= {f"n{n}": generator.integers(0, 1000, rows) for n in range(2)}
    columns |= {name: generator.choice([f"{name}-{n}" for n in range(50)], rows) for name in ("town", "colour")}
    frame = pd.DataFrame(columns | {"label": generator.choice(["yes", "no", "perhaps"], rows)})
    frame.to_csv(folder / "table.csv", index=False)
    frame.to_json(folder / "table.jsonl", orient="records", lines=True)


def read(path: Path) -> dict[str, float]:
    """Open a table and hash its rows, in this process; seconds, and the largest resident memory in GB."""
    from labelaudit.data.hashing import hash_rows
    from labelaudit.data.sources import load_dataset
    from labelaudit.progress import ignore

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    dataset = load_dataset(path)
    opened = time.perf_counter()
    after_opening = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    hash_rows(dataset, ignore)
    return {
        "rows": len(dataset),
        "seconds_to_read": round(opened - started, 2),
        "seconds_to_hash": round(time.perf_counter() - opened, 2),
        "memory_before_gb": round(before * 1024 / 1e9, 2),
        "memory_reading_gb": round(after_opening * 1024 / 1e9, 2),
        "memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
    }


def main() -> None:
    """Read each format in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--read", type=Path, help="read this file only, and print what it took")
    parser.add_argument("--write", type=Path, help="write the tables into this folder only")
    arguments = parser.parse_args()
    if arguments.read is not None:
        print(json.dumps(read(arguments.read)))
        return
    if arguments.write is not None:
        write_tables(arguments.write, arguments.rows)
        return
    results: dict[str, object] = {"pandas": version("pandas"), "pyarrow": version("pyarrow")}
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: the readers' largest memory would begin with this one's.
        write = ["--write", folder, "--rows", str(arguments.rows)]
        subprocess.run([sys.executable, "-m", "benchmarks.reading", *write], check=True)
        for name in FORMATS:
            path = Path(folder) / f"table.{name}"
            command = [sys.executable, "-m", "benchmarks.reading", "--read", str(path)]
            run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results[name] = {"megabytes": round(path.stat().st_size / 1e6, 1)} | json.loads(run.stdout)
            print(name, json.dumps(results[name]))
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
