from __future__ import annotations

import itertools
import os
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from labelaudit import InputError, scan
from labelaudit.audit.frozen_features import frozen_features
from labelaudit.commands.dry_run import plan_scan
from labelaudit.commands.scan_plan import Stage
from labelaudit.config import ModelConfig
from labelaudit.data.content import EncodedImages
from labelaudit.data.images import summarise_images
from labelaudit.data.sources import load_dataset
from labelaudit.models.registry import model_spec
from labelaudit.progress import NullProgress
from labelaudit.runtime.tensor_files import load_tensors, save_tensors
from labelaudit.settings import audit_config
from tests.support.data import CPU, digit_folders

NAME = "test_efficientnet"  # timm's own tiny test model


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A few digits, one file that is none, random weights in a file, and a cache of our own."""
    monkeypatch.setenv("LABELAUDIT_CACHE", str(tmp_path / "cache"))
    digit_folders(tmp_path / "data", "17", 10)
    (tmp_path / "data" / "1" / "zzz.png").write_bytes(b"no image")
    torch.manual_seed(0)
    save_file(timm.create_model(NAME).state_dict(), tmp_path / "w.safetensors")
    return tmp_path


class Notes(NullProgress):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def features_of(folder, progress=None):
    dataset = load_dataset(folder / "data")
    assert isinstance(dataset.content, EncodedImages)
    config = ModelConfig(name=NAME, weights=folder / "w.safetensors", train="head", image_size=32)
    spec = model_spec(config, summarise_images(dataset.content, dataset.problems))
    return dataset, spec, frozen_features(dataset, dataset.content, spec, config, CPU, progress or NullProgress())


def test_features_are_what_the_head_sees_and_are_computed_once(small, monkeypatch):
    dataset, spec, found = features_of(small)
    features, hashes, problems = found.features, found.hashes, found.problems
    network = spec.network(2, seed=0).eval()
    pixels = torch.stack(
        [torch.from_numpy(np.array(spec.resize(open_rgb(dataset, row)))).permute(2, 0, 1) for row in range(10)]
    )
    with torch.no_grad():
        expected = network.forward_head(network.forward_features(spec.normalise(pixels / 255)), pre_logits=True)
    assert np.allclose(features[:10], expected, atol=1e-5)
    assert problems[10] == "not an image"
    assert np.isnan(features[10]).all()
    assert np.isfinite(np.delete(features, 10, axis=0)).all()
    assert len(set(hashes)) == 21

    asked = []

    def never(see, spec, pixels, device, progress):
        asked.append(len(pixels))
        return np.zeros((len(pixels), features.shape[1]), np.float32)

    monkeypatch.setattr("labelaudit.audit.frozen_features.compute", never)
    again = features_of(small)[2]
    assert np.array_equal(again.features, features, equal_nan=True)
    assert np.array_equal(again.thumbnails, found.thumbnails)
    small = [open_rgb(dataset, row).resize((32, 32), Image.Resampling.BILINEAR) for row in range(10)]
    assert np.array_equal(found.thumbnails[:10].transpose(0, 2, 3, 1), np.stack([np.array(image) for image in small]))
    assert asked == [1, 1]  # the network's width is asked, and what is no image is tried again


def flipped_bytes(file):
    content = bytearray(file.read_bytes())
    for place in range(len(content) - 400, len(content) - 200):
        content[place] ^= 0x55
    file.write_bytes(content)


def narrowed(file):
    """A whole file, with its SHA-256, of a network with fewer features."""
    tensors, metadata = load_tensors(file)
    save_tensors(file, {**tensors, "features": tensors["features"][:, 1:]}, metadata)


def not_finite(file):
    tensors, metadata = load_tensors(file)
    save_tensors(file, {**tensors, "features": tensors["features"] * torch.nan}, metadata)


def other_thumbnails(file):
    tensors, metadata = load_tensors(file)
    save_tensors(file, {**tensors, "thumbnails": tensors["thumbnails"][:, :, 1:]}, metadata)


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b"damaged"),
        flipped_bytes,
        narrowed,
        not_finite,
        other_thumbnails,
        lambda file: os.truncate(file, 300),
    ],
)
def test_damaged_features_are_computed_anew_with_a_note(small, damage):
    features = features_of(small)[2].features
    (file,) = (small / "cache").glob("features/*/*.safetensors")
    damage(file)
    notes = Notes()
    again = features_of(small, notes)[2].features
    assert np.array_equal(again, features, equal_nan=True)
    assert notes.texts == ["1 damaged file of cached features removed: they are computed anew"]
    assert features_of(small, Notes())[2] is not None


def test_thumbnails_that_are_not_cached_are_made_anew(small):
    found = features_of(small)[2]
    (file,) = (small / "cache").glob("features/*/*.safetensors")
    tensors, metadata = load_tensors(file)
    save_tensors(file, {"features": tensors["features"]}, metadata)
    notes = Notes()
    again = features_of(small, notes)[2]
    assert np.array_equal(again.thumbnails, found.thumbnails)
    assert notes.texts == []


def open_rgb(dataset, row):
    from labelaudit.data.images import open_image

    return open_image(dataset.content.read(row), 3)


def test_scanning_by_the_head_alone(small):
    report = scan(small / "data", model=NAME, weights=small / "w.safetensors", train="head", image_size=32)
    assert report.table["status"].to_pylist().count("scored") == 20
    assert report.metadata["model"] == f"{NAME}, head only"
    assert report.metadata["parameters"] == (report.metadata["parameters"] // 2) * 2
    assert report.metadata["source"]["kind"] == "image folder"


@pytest.mark.parametrize("model", ["cnn", None])
def test_only_networks_of_timm_have_a_head_to_train(small, model):
    with pytest.raises(InputError, match="`train` head needs readable images and a `model` of timm"):
        scan(small / "data", model=model, train="head")


def test_a_dry_run_knows_what_is_in_the_cache(small, tmp_path, monkeypatch):
    clock = SimpleNamespace(perf_counter=itertools.count().__next__)  # a second a look
    monkeypatch.setattr("labelaudit.progress.time", clock)
    options = {"model": NAME, "weights": small / "w.safetensors", "train": "head", "image_size": 32}
    config, progress = audit_config(**options), NullProgress()

    def features() -> Stage:
        return plan_scan(small / "data", None, config, tmp_path, progress).data

    first = features()
    assert first.name == "features of the images"
    scan(small / "data", config=config)
    again = features()
    assert again.name == "features of the images, 95% of them in the cache"  # 20 of 21: one is no image
    assert again.seconds == pytest.approx(first.seconds / 21)
