"""A small dataset with everything the commands write, made once, and a copy of it for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from labelaudit import Report
from tests.faults.processes import run, said
from tests.support.paths import SAMPLE
from tests.support.reports import decisions_of

QUICK = ("--model", "lr", "--epochs", "2", "--image-cache", "memory")


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """A folder with data, later data, a report, a baseline, a flip test, decisions and a corrected copy."""
    place = tmp_path_factory.mktemp("faults") / "work"
    for digit in "0179":
        for name, files in (("data", slice(0, 12)), ("later", slice(0, 13))):
            (place / name / digit).mkdir(parents=True)
            for file in sorted((SAMPLE / "train" / digit).iterdir())[files]:
                shutil.copy(file, place / name / digit)
    for arguments in (
        ["scan", "data", *QUICK, "--out", "report"],
        ["baseline", "data", *QUICK, "--epochs", "12", "--out", "baseline"],
        ["flip-test", "data", *QUICK, "--rate", "0.1", "--seeds", "1", "--out", "flips"],
    ):
        assert run(arguments, place)[0] == 0, said()
    first, second = Report.load(place / "report").table["id"].to_pylist()[:2]
    decisions_of(place / "old.csv", (first, "relabel", "7"))
    decisions_of(place / "new.csv", (first, "keep", ""), (second, "relabel", "9"))
    for command, out in (("apply", "fixed"), ("refine", "refined")):
        assert run([command, "report", "--decisions", "old.csv", "--out", out], place)[0] == 0, said()
    return place


@pytest.fixture
def place(made, tmp_path) -> Path:
    """A copy of it, to be broken."""
    shutil.copytree(made, tmp_path / "work")
    return tmp_path / "work"
