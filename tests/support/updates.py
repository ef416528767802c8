"""A dataset of real digits, and what may be added to it."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.paths import SAMPLE

TRUTH = {
    line.split(",")[0]: line.strip().split(",")[1]
    for line in (SAMPLE / "truth.csv").read_text(encoding="utf-8").splitlines()[1:]
}
PER_CLASS = 25  # in the baseline


def right_digits(digit: str) -> list[Path]:
    files = sorted((SAMPLE / "train" / digit).iterdir())
    return [file for file in files if TRUTH[f"{digit}/{file.name}"] == digit]


def add(folder: Path, digit: str, label: str, count: int) -> list[str]:
    """Add digits that are in no class yet, under a label, right or wrong; returns their ids."""
    ids = []
    there = {file.name.removeprefix(f"new-{digit}-") for file in folder.glob("data/*/*.png")}
    for file in [file for file in right_digits(digit) if file.name not in there][:count]:
        shutil.copy(file, folder / "data" / label / f"new-{digit}-{file.name}")
        ids.append(f"{label}/new-{digit}-{file.name}")
    return ids
