"""The command line in a folder of its own, and a small dataset there."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from labelaudit.cli.app import app
from tests.support.data import digit_folders


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str):
        return CliRunner().invoke(app, list(arguments), catch_exceptions=False)

    return invoke


@pytest.fixture
def small(tmp_path) -> Path:
    digit_folders(tmp_path / "data", "17", 8)
    return tmp_path / "data"
