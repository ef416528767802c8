"""Whole audits on a GPU: beside the CPU's, twice over, resumed, in bfloat16, and of every kind of data."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from labelaudit import flip_test, scan
from labelaudit.audit.frozen_features import frozen_features
from labelaudit.checking.baseline import save_baseline
from labelaudit.commands.check import check
from labelaudit.commands.dry_run import plan_scan
from labelaudit.commands.scan import scan_and_keep
from labelaudit.config import ModelConfig
from labelaudit.data.content import EncodedImages
from labelaudit.data.images import summarise_images
from labelaudit.data.sources import load_dataset
from labelaudit.models.registry import model_spec
from labelaudit.progress import NullProgress
from labelaudit.runtime.checkpoints import RunFolder
from labelaudit.settings import audit_config
from tests.support.paths import SAMPLE
from tests.support.progress import Interrupted, Notes, StopsAt

pytestmark = pytest.mark.gpu

COLUMNS = ["influence", "score", "loss", "p_label"]
VIT = {"model": "tests.support.networks:vit", "epochs": 3, "batch_size": 8, "device": "cuda"}


def columns(report):
    return report.to_pandas()[COLUMNS].to_numpy()


@pytest.mark.parametrize(
    "options",
    [
        {"model": "cnn", "augment": "flip-shift", "over_epochs": True},
        {"model": "dnn", "optimizer": "adamw", "clip_norm": 0.5, "estimator": "visited", "trajectory": "replay"},
        {"model": "tests.support.networks:vit", "derivatives": "central-differences", "track": "last:1"},
    ],
)
def test_in_float64_the_report_is_the_cpus(source, options):
    options = {"epochs": 3, "batch_size": 8, "dtype": "float64", "folds": 2, **options}
    here, there = (scan(source, device=device, **options) for device in ("cpu", "cuda"))
    assert there.metadata["device"].startswith("cuda")
    np.testing.assert_allclose(columns(there), columns(here), rtol=1e-5, atol=1e-9)
    assert there.table["suspect"] == here.table["suspect"]


def test_in_float32_the_sample_is_ranked_as_by_the_cpu():
    options = {"config": audit_config(epochs=10, device="cpu"), "test": SAMPLE / "test", "known": SAMPLE / "truth.csv"}
    here = scan(SAMPLE / "train", **options)
    there = scan(SAMPLE / "train", **(options | {"config": audit_config(epochs=10)}))  # the first GPU is the default
    assert there.metadata["device"].startswith("cuda")
    assert spearmanr(columns(here)[:, 1], columns(there)[:, 1]).statistic > 0.95
    first, other = (set(report.to_pandas().query("rank <= 30")["id"]) for report in (here, there))
    assert len(first & other) >= 24
    assert len(here.suspects()) <= 2 * len(there.suspects()) <= 4 * len(here.suspects())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dtype": "bfloat16"},
        {"derivatives": "central-differences", "trajectory": "replay"},
        {"model": "cnn"},
        {"model": "resnet18", "image_size": 32},
        {"model": "tf_efficientnet_lite0", "image_size": 32},
    ],
)
def test_two_runs_give_the_same_bits(source, options):
    """Networks of which an operation has no deterministic kernel are let off, if the user is told so."""
    notes = Notes()
    one, other = (scan(source, progress=notes, **(VIT | options)) for _ in range(2))
    if any("no deterministic kernel" in note for note in notes.notes):
        assert "model" in options, "all operations of a vision transformer have such kernels"
        pytest.skip(next(note for note in notes.notes if "deterministic" in note))
    assert np.array_equal(columns(one), columns(other))


def test_bfloat16_ranks_as_float32_does(source):
    notes = Notes()
    mixed = scan(source, progress=notes, **VIT, track="all", dtype="bfloat16")
    plain = scan(source, **VIT, track="all", derivatives="forward-over-reverse")
    assert spearmanr(columns(mixed)[:, 0], columns(plain)[:, 0]).statistic > 0.98
    assert not [note for note in notes.notes if "bfloat16" in note]


@pytest.mark.parametrize("trajectory", ["memory", "disk", "replay"])
@pytest.mark.parametrize("stage", ["fine-tuning", "sweeping back"])
def test_an_interrupted_run_goes_on_to_the_same_bits(source, tmp_path, stage, trajectory):
    options = {"config": audit_config(**VIT, trajectory=trajectory)}
    whole = scan(source, **options, run_folder=RunFolder(tmp_path / "whole", every_seconds=0))
    folder = tmp_path / "run"
    with pytest.raises(Interrupted):
        scan(source, **options, progress=StopsAt(stage, 4), run_folder=RunFolder(folder, every_seconds=0))
    resumed = scan(source, **options, run_folder=RunFolder(folder, resume=True, every_seconds=0))
    assert np.array_equal(columns(resumed), columns(whole))


def test_frozen_features_are_the_cpus(source):
    dataset = load_dataset(source)
    assert isinstance(dataset.content, EncodedImages)
    config = ModelConfig(name="test_efficientnet", train="head", image_size=32)
    spec = model_spec(config, summarise_images(dataset.content, dataset.problems))
    here, there = (
        frozen_features(dataset, dataset.content, spec, config, torch.device(device), NullProgress()).features
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(there, here, rtol=1e-2, atol=1e-3 * np.abs(here).max())  # convolutions with TF32
    report = scan(source, model="test_efficientnet", train="head", image_size=32, device="cuda")
    assert (report.to_pandas()["status"] == "scored").all()


@pytest.mark.parametrize("kind", ["texts", "cells", "vectors"])
def test_other_kinds_of_data_are_audited_there_as_on_the_cpu(tmp_path, kind):
    generator = np.random.default_rng(0)
    labels = generator.choice(["ham", "spam"], 80)
    if kind == "texts":
        words = {"ham": ["meeting", "report", "lunch", "thanks"], "spam": ["prize", "winner", "free", "click"]}
        frame = {"text": [" ".join(generator.choice([*words[label], "the", "a"], 6)) for label in labels]}
    else:
        frame = {f"x{i}": (labels == "spam") + generator.normal(0, 1, 80) for i in range(4)}
    data = tmp_path / "data.csv"
    if kind == "vectors":
        data = (np.stack(list(frame.values()), 1).astype(np.float32), labels)
    else:
        pd.DataFrame({**frame, "label": labels}).to_csv(data, index=False)
    here, there = (scan(data, device=device, dtype="float64", epochs=4) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(columns(there), columns(here), rtol=1e-5, atol=1e-9)


def test_flip_test_dry_run_and_check_run_there(source, tmp_path):
    flipped = flip_test(source, 0.1, seeds=1, config=audit_config(model="cnn", epochs=2, device="cuda"))
    assert len(flipped.reports) == 1
    config = audit_config(model="cnn", epochs=3, device="cuda")
    planned = plan_scan(source, None, config, tmp_path, NullProgress())
    assert planned.device == "cuda"
    assert all(stage.seconds > 0 for stage in planned.stages)
    shutil.copytree(source, tmp_path / "data")
    report, audit = scan_and_keep(tmp_path / "data", config=config)
    (tmp_path / "baseline").mkdir()
    save_baseline(tmp_path / "baseline", report, audit)
    more = sorted((SAMPLE / "train" / "0").iterdir())[24:28]
    for file in more:
        shutil.copy(file, tmp_path / "data" / "1" / f"new-{file.name}")  # zeros among the ones
    result = check(tmp_path / "data", tmp_path / "baseline", device="cuda")
    assert len(result.changes) == 4
