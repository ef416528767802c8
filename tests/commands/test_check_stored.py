"""What the gate takes of a stored baseline, and what it refuses."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from labelaudit import AuditConfig, InputError
from labelaudit.checking.baseline import NETWORKS, load_baseline, save_baseline
from labelaudit.checking.verdict import Limits
from labelaudit.commands.check import check
from labelaudit.commands.scan import scan_and_keep
from labelaudit.config import ModelConfig, SelectionRule
from labelaudit.report.report import Report
from labelaudit.runtime.tensor_files import load_tensors, save_tensors
from tests.support.paths import SAMPLE
from tests.support.updates import add, right_digits


def rewrite_metadata(baseline: Path, **values: object) -> None:
    report = Report.load(baseline)
    Report(report.table, report.metadata | values).save(baseline / "report.parquet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "data" / "5" / "x.png").rename(folder / "data" / "new class" / "x.png"),
         "class 'new class' \\(1 row, the first is new class/x.png\\) is not in the baseline, which knows 0, 1"),
        (lambda folder: [file.write_bytes(file.read_bytes() + b"\0") for file in folder.glob("data/*/*.png")],
         "none of the 252 rows of .* is in the baseline"),
        (lambda folder: (folder / "baseline" / NETWORKS).unlink(), "holds the report of a scan, and no baseline"),
        (lambda folder: (folder / "baseline" / NETWORKS).write_bytes(b"junk"), "networks.safetensors is damaged"),
        (lambda folder: rewrite_metadata(folder / "baseline", schema_version=99), "has report schema 99"),
        (lambda folder: rewrite_metadata(folder / "baseline", config={"model": "of another time"}),
         "was made by another version; make it anew"),
        (lambda folder: shutil.rmtree(folder / "baseline"), "does not exist; make one with: labelaudit baseline"),
        (lambda folder: (folder / "ok.txt").write_bytes(b"\xff\xfe\x00"), "cannot read .*ok.txt"),
    ],
)  # fmt: skip  # data, read as a table
def test_what_cannot_be_checked_is_refused(updated, change, message):
    (updated / "data" / "new class").mkdir()
    (updated / "ok.txt").write_text("")
    for number, name in enumerate(("x.png", "y.png")):
        shutil.copy(right_digits("5")[-1 - number], updated / "data" / "5" / name)
    change(updated)
    with pytest.raises(InputError, match=message):
        check(updated / "data", updated / "baseline", accepted=updated / "ok.txt")


def test_a_baseline_put_together_from_two_is_refused(updated):
    baseline = load_baseline(updated / "baseline")
    table = baseline.report.table
    other = Report(table, baseline.report.metadata | {"dataset_fingerprint": "another"})
    other.save(updated / "baseline" / "report.parquet")
    with pytest.raises(InputError, match="are of two audits"):
        load_baseline(updated / "baseline")


def test_another_networks_parameters_are_refused(updated):
    report, audit = scan_and_keep(updated / "data", config=AuditConfig(model=ModelConfig(name="lr")))
    path = updated / "baseline" / "report.parquet"
    own = {name: report.metadata[name] for name in ("dataset_fingerprint", "spot_check")}
    metadata = Report.load(path).metadata | own
    save_baseline(updated / "baseline", Report(report.table, metadata), audit)  # lr's networks, cnn's settings
    add(updated, "3", "3", 1)
    with pytest.raises(InputError, match="has 7,850 parameters, this one 50,186"):
        check(updated / "data", updated / "baseline")


def test_the_threshold_follows_the_baselines_aim(tmp_path):
    config = AuditConfig(model=ModelConfig(name="lr"), selection=SelectionRule(budget=40))
    report, audit = scan_and_keep(SAMPLE / "train", config=config)
    save_baseline(tmp_path, report, audit)
    baseline = load_baseline(tmp_path)
    scores = np.sort(report.to_pandas()["score"])[::-1]
    assert scores[39] > baseline.threshold > scores[40] - 1e-12
    assert baseline.config == config.model_copy(update={"source": report.dataset.settings})


FACTORY = "def make(num_classes, num_features):\n    from pathlib import Path\n    Path({mark!r}).touch()\n" + (
    "    import torch\n    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(num_features, num_classes))\n"
)


def test_what_a_baseline_names_is_never_imported(updated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evilmod.py").write_text(FACTORY.format(mark=str(tmp_path / "was-run")))
    rewrite_metadata(updated / "baseline", config=with_model(updated / "baseline", "evilmod:make"))
    add(updated, "0", "0", 1)
    for model in (None, "other:make"):
        with pytest.raises(InputError, match=r"`model`: .*evilmod:make"):
            check(updated / "data", updated / "baseline", model=model)
    report = Report.load(updated / "baseline")  # as `apply` and `report` do
    assert report.metadata["config"]["model"]["name"] == "evilmod:make"
    assert not (tmp_path / "was-run").exists()
    assert "evilmod" not in sys.modules
    with pytest.raises(InputError, match=r"`model`: lr is not what made the networks of .*evilmod:make"):
        check(updated / "data", updated / "baseline", model="lr")


def with_model(folder: Path, name: str) -> dict[str, object]:
    config = Report.load(folder).metadata["config"]
    return config | {"model": config["model"] | {"name": name}}


def test_a_factory_that_is_named_again_makes_the_networks(updated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mymodel17.py").write_text(FACTORY.format(mark=str(tmp_path / "was-run")))
    report, audit = scan_and_keep(updated / "data", config=AuditConfig(model=ModelConfig(name="mymodel17:make")))
    save_baseline(updated / "baseline", report, audit)
    add(updated, "0", "0", 1)
    result = check(updated / "data", updated / "baseline", model="mymodel17:make", limits=Limits(suspects=1))
    assert len(result.changes) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t | {"fold_of": t["fold_of"].clone().fill_(2**63 - 1)}, "the folds of its rows are not those"),
        (lambda t: t | {"fold_of": t["fold_of"][:-1]}, "it does not say the fold of each of the 250 rows"),
        (lambda t: t | {"fold_of": t["fold_of"].double()}, "it does not say the fold of each"),
        (lambda t: t | {"theta-0": t["theta-0"] * torch.nan}, "its networks are not one vector of finite numbers"),
        (lambda t: t | {"theta-0": t["theta-0"][None]}, "its networks are not one vector of finite numbers"),
        (lambda t: t | {"theta-7": t["theta-0"].clone()}, "its networks are not one vector of finite numbers"),
        (lambda t: {n: v for n, v in t.items() if n != "theta-1"}, "its networks are not one vector of finite numbers"),
        (lambda t: {n: v[1:] if n.startswith("theta") else v for n, v in t.items()}, "has .* parameters, this one"),
    ],
)  # fmt: skip  # data, read as a table
def test_networks_of_any_kind_are_checked(updated, change, message):
    add(updated, "0", "0", 1)
    tensors, metadata = load_tensors(updated / "baseline" / NETWORKS)
    save_tensors(updated / "baseline" / NETWORKS, change(tensors), metadata)
    with pytest.raises(InputError, match=message):
        check(updated / "data", updated / "baseline")


def test_a_flipped_bit_in_the_networks_is_damage(updated):
    file = updated / "baseline" / NETWORKS
    content = file.read_bytes()
    for place in range(8, len(content), len(content) // 40):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(InputError, match=r"networks.safetensors is damaged .*; make the baseline anew"):
            load_baseline(updated / "baseline")
