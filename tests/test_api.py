"""The Python API, as a user would call it."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import labelaudit
from labelaudit import InputError, Report, scan
from tests.conftest import ROOT, SAMPLE


@pytest.mark.parametrize("module", ["labelaudit.config", "labelaudit.scanning", "labelaudit.data.sources"])
def test_examples_in_docstrings_run(module, monkeypatch):
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Two blobs, five labels of 100 wrong."""
    generator = np.random.default_rng(0)
    truth = np.arange(100) % 2
    given = truth.copy()
    given[:5] = 1 - given[:5]
    values = generator.normal(size=(100, 3)) + 4 * truth[:, None]
    columns = {f"x{number}": values[:, number] for number in range(3)}
    return pd.DataFrame(columns | {"colour": np.where(truth, "red", "blue"), "label": given})


def test_a_data_frame(frame, tmp_path):
    report = scan(frame, epochs=20, budget=5)
    assert sorted(report.suspects()["row"]) == [0, 1, 2, 3, 4]
    assert report.metadata["source"]["kind"] == "table"
    assert report.metadata["input"] == "5 features"
    report.to_html(tmp_path / "report.html")
    assert "x0" in (tmp_path / "report.html").read_text(encoding="utf-8")
    report.save(tmp_path / "report.parquet")
    loaded = Report.load(tmp_path)
    assert loaded.table.equals(report.table)
    with pytest.raises(InputError, match=r"DataFrame does not exist .*where the data is now, say with --source"):
        loaded.to_html(tmp_path / "again.html")


def test_a_notebooks_view_is_escaped(frame):
    named = frame.assign(label=np.where(frame["label"] == 1, "<b>one</b>", "zero"))
    view = scan(named, epochs=5, budget=3)._repr_html_()
    assert "3 suspects in 100 rows" in view
    assert "&lt;b&gt;one" in view
    assert "<b>one" not in view


def test_a_network_of_ones_own(frame):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2))
    before = [parameter.clone() for parameter in network.parameters()]
    report = scan(frame, model=network, epochs=20, learning_rate=0.03, budget=5)
    assert report.metadata["model"] == "Sequential"
    assert set(report.suspects()["row"]) == {0, 1, 2, 3, 4}
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))  # copied, not changed


def test_a_network_of_ones_own_for_images():
    network = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))
    report = scan(SAMPLE / "train", model=network, epochs=1)
    assert report.metadata["parameters"] == 7850


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "--epochs: input should be greater than or equal to 1"),
        ({"augment": "shear"}, "--augment: input should be"),
        ({"epoch": 3}, "there is no option 'epoch'"),
        ({"precision": 0.5, "budget": 3}, "exclude each other"),
        ({"config": labelaudit.AuditConfig(), "seed": 1}, "give `config` or options such as seed, not both"),
    ],
)
def test_options_that_are_none(frame, options, message):
    with pytest.raises(InputError, match=message):
        scan(frame, **options)
