"""A dataset of real digits with its baseline, made once for all tests of the gate."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from labelaudit import AuditConfig
from labelaudit.checking.baseline import save_baseline
from labelaudit.commands.scan import scan_and_keep
from labelaudit.config import TrainingConfig
from tests.support.once import made_once
from tests.support.paths import SAMPLE
from tests.support.reports import report_of
from tests.support.updates import PER_CLASS, right_digits


def _make_baseline(folder: Path) -> None:
    for digit in map(str, range(10)):
        (folder / "data" / digit).mkdir(parents=True)
        for file in right_digits(digit)[:PER_CLASS]:
            shutil.copy(file, folder / "data" / digit)
    report, audit = scan_and_keep(folder / "data", config=AuditConfig(training=TrainingConfig(epochs=20)))
    (folder / "baseline").mkdir()
    save_baseline(folder / "baseline", report, audit)


@pytest.fixture(scope="session")
def original(tmp_path_factory) -> Path:
    """The first rightly labelled digits of each class, and their baseline beside them."""
    return made_once(tmp_path_factory, "original", _make_baseline)


@pytest.fixture
def updated(original, tmp_path) -> Path:
    """A copy to change, with its baseline."""
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def images(tmp_path):
    """Twelve digits, three of 1 and 7 each in folders, and a report that suggests 7 for 1/a.png."""
    folder = tmp_path / "images"
    for digit in "17":
        (folder / digit).mkdir(parents=True)
        for name, file in zip("abc", sorted((SAMPLE / "train" / digit).iterdir()), strict=False):
            shutil.copy(file, folder / digit / f"{name}.png")
    return folder, report_of(folder, {"1/a.png": "7"})
