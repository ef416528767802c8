"""(a) and (d): a whole `labelaudit scan` beside a plain fine-tune of the same rows, epochs and batches."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.speed.processes import Bench, Figures, say, spread
from benchmarks.speed.tables import LITE, TINY, VIT_B, VIT_S, Network, photographs

EPOCHS = 3


@dataclass(frozen=True)
class Pair:
    """One network's comparison.

    Attributes:
        network: The network.
        rows: To fine-tune on and audit.
        trusted: Rows of a test set for a scan with one; 0 for none such.
        repeats: How many times all are run, in turn.
    """

    network: Network
    rows: int
    trusted: int
    repeats: int


TIMES = (Pair(VIT_S, 96, 48, 3), Pair(VIT_S, 300, 96, 2), Pair(LITE, 128, 64, 3), Pair(VIT_B, 96, 0, 2))
QUICK_TIMES = (Pair(replace(LITE, title="EfficientNet-Lite0, 64 px", image_size=64), 32, 16, 1),)
MEMORY = (Pair(VIT_S, 64, 0, 1), Pair(VIT_B, 32, 0, 1))
QUICK_MEMORY = (Pair(TINY, 16, 0, 1),)


def times(bench: Bench) -> None:
    """(a) Wall time, in turn, data loading included, importing excluded."""
    for pair in QUICK_TIMES if bench.quick else TIMES:
        network, title = pair.network, f"a: {pair.network.title}, {pair.rows} images"
        say(title)
        table, trusted = photographs(bench.data, bench.scratch, pair.rows, pair.trusted)
        ways: dict[str, list[object]] = {"cross-audit": []}
        if pair.trusted:
            ways[f"with a test set of {pair.trusted}"] = ["--test", trusted]
        workers = fastest_workers(bench, network, table)
        repeats: list[dict[str, Figures]] = []
        for number in range(pair.repeats):
            found = {"plain": plain(bench, network, table, EPOCHS, workers)}
            for way, options in ways.items():
                found[way] = scan(bench, network, table, "a", EPOCHS, *options)
            repeats.append(found)
            say(f"  repeat {number + 1}: " + ", ".join(f"{way} {f['seconds']:.1f} s" for way, f in found.items()))
        entry: Figures = {
            "settings": {
                "model": network.name,
                "rows": pair.rows,
                "epochs": EPOCHS,
                "batch_size": network.batch_size,
                "plain_workers": workers,
                "plain_channels_last": network.channels_last,
            },
            "repeats": repeats,
            "scan / plain": {way: spread([r[way]["seconds"] / r["plain"]["seconds"] for r in repeats]) for way in ways},
            "scan / plain, CPU seconds": {
                way: spread([r[way]["cpu_seconds"] / r["plain"]["cpu_seconds"] for r in repeats]) for way in ways
            },
        }
        if "forward_backward_seconds" in repeats[0]["plain"]:
            entry["share of seconds outside forward and backward passes"] = {
                way: statistics.median(1 - r[way]["forward_backward_seconds"] / r[way]["seconds"] for r in repeats)
                for way in ("plain", *ways)
            }
        bench.keep(title, entry)


def memory(bench: Bench) -> None:
    """(d) Peak memory of the processes, in copies of the parameters beyond the plain fine-tune's."""
    for pair in QUICK_MEMORY if bench.quick else MEMORY:
        network, title = pair.network, f"d: {pair.network.title}, batches of {pair.network.batch_size}"
        say(title)
        table, _ = photographs(bench.data, bench.scratch, pair.rows)
        found = {"plain": plain(bench, network, table, 1, 2)}
        for way in ("auto", "disk"):
            found[f"scan, trajectory {way}"] = scan(bench, network, table, "d", 1, "--trajectory", way)
        copy = 4 * found["plain"]["parameters"]
        steps = -(-(pair.rows // 2) // network.batch_size)
        bench.keep(
            title,
            {
                "settings": {
                    "model": network.name,
                    "rows": pair.rows,
                    "epochs": 1,
                    "batch_size": network.batch_size,
                    "steps in the window": steps,
                    "one copy of the parameters, bytes": copy,
                },
                "repeats": [found],
                "peak, GB": {way: figures["peak_bytes"] / 1e9 for way, figures in found.items()},
                "before anything is read, GB": {way: f["peak_bytes_before"] / 1e9 for way, f in found.items()},
                "copies of the parameters more than plain": {
                    way: (figures["peak_bytes"] - found["plain"]["peak_bytes"]) / copy
                    for way, figures in found.items()
                    if way != "plain"
                },
            },
        )


def plain(bench: Bench, network: Network, table: Path, epochs: int, workers: int) -> Figures:
    """Run the plain fine-tune."""
    options = [*network.options(bench.weights), "--epochs", epochs, "--workers", workers, *network.layout]
    return bench.run("plain", table, *options)


def scan(bench: Bench, network: Network, table: Path, out: str, epochs: int, *options: object) -> Figures:
    """Run `labelaudit scan` with the same settings."""
    return bench.scan(table, out, *network.options(bench.weights), "--epochs", epochs, *options)


def fastest_workers(bench: Bench, network: Network, table: Path, choices: Sequence[int] = (0, 2)) -> int:
    """The number of workers with which the plain fine-tune is fastest, from an epoch with each; also warms up."""
    seconds = {workers: plain(bench, network, table, 1, workers)["seconds"] for workers in choices}
    say("  an epoch of the plain fine-tune: " + ", ".join(f"{n} workers {s:.1f} s" for n, s in seconds.items()))
    return min(seconds, key=lambda workers: seconds[workers])
