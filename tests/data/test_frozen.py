from __future__ import annotations

import shutil

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from labelaudit import InputError, scan
from labelaudit.config import ModelConfig
from labelaudit.data.content import EncodedImages
from labelaudit.data.frozen import frozen_features
from labelaudit.data.images import summarise_images
from labelaudit.data.sources import load_dataset
from labelaudit.models.registry import model_spec
from labelaudit.progress import Silent
from tests.conftest import CPU, SAMPLE

NAME = "test_efficientnet"  # timm's own tiny test model


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A few digits, one file that is none, random weights in a file, and a cache of our own."""
    monkeypatch.setenv("LABELAUDIT_CACHE", str(tmp_path / "cache"))
    for digit in "17":
        (tmp_path / "data" / digit).mkdir(parents=True)
        for file in sorted((SAMPLE / "train" / digit).iterdir())[:10]:
            shutil.copy(file, tmp_path / "data" / digit)
    (tmp_path / "data" / "1" / "zzz.png").write_bytes(b"no image")
    torch.manual_seed(0)
    save_file(timm.create_model(NAME).state_dict(), tmp_path / "w.safetensors")
    return tmp_path


def features_of(folder):
    dataset = load_dataset(folder / "data")
    assert isinstance(dataset.content, EncodedImages)
    config = ModelConfig(name=NAME, weights=folder / "w.safetensors", train="head", image_size=32)
    spec = model_spec(config, summarise_images(dataset.content, dataset.problems))
    return dataset, spec, frozen_features(dataset, dataset.content, spec, config, CPU, Silent())


def test_features_are_what_the_head_sees_and_are_computed_once(small, monkeypatch):
    dataset, spec, (features, hashes, problems) = features_of(small)
    network = spec.network(2, seed=0).eval()
    pixels = torch.stack([
        torch.from_numpy(np.array(spec.resize(open_rgb(dataset, row)))).permute(2, 0, 1) for row in range(10)
    ])  # fmt: skip
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

    monkeypatch.setattr("labelaudit.data.frozen.compute", never)
    again = features_of(small)[2][0]
    assert np.array_equal(again, features, equal_nan=True)
    assert asked == [1]  # what is no image is tried again
    for file in (small / "cache").glob("features/*/*.safetensors"):
        file.write_bytes(b"damaged")
    assert not np.delete(features_of(small)[2][0], 10, axis=0).any()


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
    with pytest.raises(InputError, match="--train head needs readable images and a --model of timm"):
        scan(small / "data", model=model, train="head")
