"""Where a baseline is, and what is said of a place that has none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labelaudit.checking.baseline_folder import NETWORKS, baseline_folder
from labelaudit.errors import InputError


def made(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_folder_or_the_report_in_it():
    made(Path("b"), NETWORKS, "report.parquet")
    assert baseline_folder(Path("b")) == Path("b")
    assert baseline_folder(Path("b/report.parquet")) == Path("b")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone", "gone does not exist; make one with: labelaudit baseline SOURCE --out gone"),
        ("deep/gone", "deep/gone does not exist; make one with: labelaudit baseline SOURCE --out deep/gone"),
        ("deep/report.parquet", "deep/report.parquet does not exist; make one with: labelaudit baseline SOURCE "
         "--out deep"),
        ("empty", "empty holds no baseline; make one with: labelaudit baseline SOURCE --out empty"),
        ("data", "data holds no baseline; make one with: labelaudit baseline SOURCE --out labelaudit-baseline"),
        ("scan", "scan holds the report of a scan, and no baseline; make one with: labelaudit baseline SOURCE "
         "--like scan --out labelaudit-baseline"),
    ],
)  # fmt: skip  # data, read as a table
def test_how_to_make_one(path, message):
    made(Path("empty"))
    made(Path("data"), "t.csv")
    made(Path("scan"), "report.parquet")
    with pytest.raises(InputError, match=f"^`baseline`: {re.escape(message)}$"):
        baseline_folder(Path(path))


@pytest.mark.parametrize("path", ["project", "project/b/sub", "project/scan", "project/gone"])
def test_one_that_is_near_is_named(path):
    made(Path("project/b/sub"))
    made(Path("project/b"), NETWORKS)
    made(Path("project/scan"), "report.parquet")
    with pytest.raises(InputError, match=r"there is one in project/b$"):
        baseline_folder(Path(path))


def test_the_usual_place_is_looked_into():
    made(Path("labelaudit-baseline"), NETWORKS)
    made(Path("project/scan"), "report.parquet")
    with pytest.raises(InputError, match=r"there is one in labelaudit-baseline$"):
        baseline_folder(Path("project/scan"))
