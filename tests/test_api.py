"""The Python API, as a user would call it."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from torch import nn

import labelaudit
from labelaudit import InputError, Report, scan
from labelaudit.settings import settings
from tests.support.paths import ROOT, SAMPLE


@pytest.mark.parametrize("module", ["errors", "settings", "types", "commands.scan", "data.sources", "data.tokens"])
def test_examples_in_docstrings_run(module, monkeypatch):
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(importlib.import_module(f"labelaudit.{module}"))
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
    with pytest.raises(InputError, match=r"DataFrame does not exist .*where the data is now, say with `source`"):
        loaded.to_html(tmp_path / "again.html")


def test_inputs_and_labels(frame):
    values, labels = frame.drop(columns="label"), frame["label"].set_axis([f"c{row}" for row in range(100)])
    inputs = values.set_axis(labels.index)
    report = scan(inputs, labels, epochs=20, budget=5)
    assert sorted(report.suspects()["id"]) == ["c0", "c1", "c2", "c3", "c4"]
    assert scan((inputs, labels), epochs=20, budget=5).table.equals(report.table)
    with pytest.raises(InputError, match="100 inputs do not go with 99 labels"):
        scan(inputs, labels[1:])
    with pytest.raises(InputError, match="a column is named with `label_column`"):
        scan(frame, "label")


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
        ({"epochs": 0}, "`epochs`: input should be greater than or equal to 1"),
        ({"augment": "shear"}, "`augment`: input should be"),
        ({"epoch": 3}, "there is no option 'epoch'; did you mean 'epochs'?"),
        ({"optimizer": "adam"}, r"`optimizer`: input should be one of sgd, adamw \(it is adam\)"),
        ({"label_column": 3}, r"`label_column`: input should be a valid string \(it is 3\)"),
        ({"model": 3.5}, r"`model`: give the name of a network, such as 'lr', or a torch.nn.Module, not 3.5 \(float\)"),
        ({"model": ["lr"]}, r"`model`: give the name .* not \['lr'\] \(list\)"),
        ({"model": RandomForestClassifier()}, r"`model`: give the name .* not RandomForestClassifier\(\)"),
        ({"known": 3}, "`known`: give a string or a Path or None, not 3"),
        ({"config": {"seed": 1}}, "`config`: give an AuditConfig or None, not {'seed': 1} \\(dict\\)"),
        ({"progress": print}, "`progress`: give a Progress or None"),
        ({"precision": 0.5, "budget": 3}, "exclude each other"),
        ({"config": labelaudit.AuditConfig(), "seed": 1}, "give `config` or options such as seed, not both"),
    ],
)
def test_options_that_are_none(frame, options, message):
    with pytest.raises(InputError, match=message):
        scan(frame, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda data: labelaudit.flip_test(data, rate="0.1"), "`rate`: give a number or None, not '0.1'"),
        (lambda data: labelaudit.flip_test(data, rate=0.1, seeds=0), "`seeds`: a flip test needs at least one"),
        (lambda data: labelaudit.flip_test(data, rate=0.1, seeds=True), "`seeds`: give a whole number, not True"),
        (lambda data: labelaudit.flip_test(data, rate=0.1, noise="pairs"), "`noise`: give one of 'symmetric', 'pair'"),
        (lambda data: labelaudit.check(data, 3), "`baseline`: give a string or a Path, not 3"),
        (lambda data: labelaudit.check(data, "b", refresh=1), "`refresh`: give True or False, not 1"),
        (lambda data: labelaudit.load_dataset(data, {}), "`config`: give a SourceConfig or None, not {}"),
        (lambda data: labelaudit.track(None, data, data, data), "`network`: give a Module, not None"),
        (lambda data: labelaudit.Window("w", 0, 2, removal="begin"), "`removal`: give one of 'window', 'start'"),
        (lambda data: labelaudit.Scoring("expcted"), "`estimator`: give one of 'expected', 'visited'"),
        (lambda data: labelaudit.SGD(momentum="high"), "`momentum`: give a number, not 'high'"),
        (lambda data: labelaudit.SGD(momentum=1.0), "`momentum`: must be below 1"),
        (lambda data: labelaudit.SGD(weight_decay=float("nan")), "`weight_decay`: must be at least 0 .it is nan"),
        (lambda data: labelaudit.AdamW(betas=(0.9,)), "`betas`: give two numbers"),
        (lambda data: labelaudit.AdamW(epsilon=-1.0), "`epsilon`: must be at least 0"),
        (lambda data: labelaudit.Solver(iterations=0), "`iterations`: must be at least 1"),
        (lambda data: labelaudit.Solver(damping=float("inf")), "`damping`: must be finite"),
        (lambda data: labelaudit.Scoring(scoring_steps=0), "`scoring_steps`: must be at least 1"),
        (lambda data: labelaudit.Plan(labelaudit.SGD(), 0, 8, 0.1), "`epochs`: must be at least 1"),
        (lambda data: labelaudit.Plan(labelaudit.SGD(), 1, 8, float("nan")), "`learning_rate`: must be above 0"),
        (lambda data: labelaudit.agreement([1.0, 2.0, 3.0], [1.0]), "`estimate`: give an array, not"),
        (lambda data: Report.load(3), "`path`: give a string or a Path, not 3"),
    ],
)
def test_no_argument_is_ignored(frame, call, message):
    with pytest.raises(InputError, match=message):
        call(frame)


ODD = (
    object(),
    [],
    {},
    set(),
    b"x",
    lambda: 1,
    pd.DataFrame({"a": [1]}),
    np.zeros(2),
    torch.zeros(2),
    [object()],
    print,
)


@pytest.mark.parametrize("name", [setting.name for setting in settings()])
def test_no_setting_takes_what_it_does_not_understand(name):
    for value in ODD:
        with pytest.raises(InputError, match=f"^`{name}`: "):
            labelaudit.audit_config(**{name: value})
    # True is no number, a number is no truth value; a string never stands for either but in `folds`
    takes_bool = name in {"allow_missing", "pretrained", "nesterov", "over_epochs", "deterministic"}
    with pytest.raises(InputError, match=f"^`{name}`: "):
        labelaudit.audit_config(**{name: 1.5j if name == "folds" else (1 if takes_bool else True)})


@pytest.mark.parametrize("name", ["test", "known", "config", "progress", "run_folder", "model", "save_probabilities"])
def test_no_keyword_of_scan_takes_what_it_does_not_understand(frame, name):
    for value in (object(), b"x", 3.5, complex(1), "\0", "x" * 5000):
        with pytest.raises(InputError):
            scan(frame, **({name: value} | ({} if name == "config" else {"epochs": 1, "trees": "off"})))


@pytest.mark.parametrize(
    "source", [None, 3, object(), "", "\0", "x" * 5000, b"x", (1, 2), (None, None), iter([1]), print]
)
def test_what_is_no_source_is_refused(source):
    for labels in (None, ["a", "b"]):
        with pytest.raises(InputError):
            scan(source, labels, epochs=1)


def test_numbers_of_numpy_are_numbers(frame):
    report = scan(frame, epochs=np.int64(2), learning_rate=np.float64(0.01), budget=np.int64(4))
    assert len(report.suspects()) == 4
    assert labelaudit.SGD(momentum=np.float32(0.5)).momentum == 0.5
