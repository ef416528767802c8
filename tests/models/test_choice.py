"""Which network images get where none is named."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from labelaudit.config import AuditConfig
from labelaudit.data.sources import load_dataset
from labelaudit.models import choice
from labelaudit.models.choice import choose_network
from labelaudit.settings import audit_config
from tests.support.progress import Notes


def images(shape: tuple[int, ...]):
    draw = np.random.default_rng(0)
    return load_dataset((draw.integers(0, 256, (6, *shape), dtype=np.uint8), list("ababab")))


PHOTOGRAPHS = images((48, 40, 3))


@pytest.fixture
def cache(monkeypatch):
    """What the Hugging Face cache is said to hold."""
    held: dict[str, int] = {}
    monkeypatch.setattr(choice, "cached_models", lambda owner: held if owner == "timm" else {})
    return held


def test_photographs_get_the_head_of_a_network_in_the_cache(cache):
    cache |= {"vit_base_patch16_224.augreg_in21k": 3 * 10**8, "resnet18.a1_in1k": 5 * 10**7, "no_model": 1}
    notes = Notes()
    model = choose_network(AuditConfig(), PHOTOGRAPHS, notes).model
    assert (model.name, model.pretrained, model.train) == ("resnet18.a1_in1k", True, "head")
    assert notes.notes == [
        "`model` is resnet18.a1_in1k, whose pretrained weights are in the cache, with `train` head; give `model` for "
        "another"
    ]


def test_of_others_the_smallest_is_taken_and_no_giant(cache):
    cache |= {"vit_base_patch16_224.augreg_in21k": 3 * 10**8, "vit_tiny_patch16_224.augreg_in21k": 2 * 10**7}
    assert choose_network(AuditConfig(), PHOTOGRAPHS, Notes()).model.name == "vit_tiny_patch16_224.augreg_in21k"
    cache.clear()
    cache["vit_giant_patch14_dinov2.lvd142m"] = 4 * 10**9
    assert choose_network(AuditConfig(), PHOTOGRAPHS, Notes()) == AuditConfig()


@pytest.mark.parametrize(
    ("options", "dataset"),
    [
        ({"model": "cnn"}, PHOTOGRAPHS),
        ({"augment": "flip-shift"}, PHOTOGRAPHS),  # not of features that are computed once
        ({}, images((28, 28, 3))),
        ({}, images((64, 64))),
        ({}, load_dataset((["one text", "another"], ["a", "b"]))),
    ],
)
def test_all_else_is_left_as_it_was(cache, options, dataset):
    cache["resnet18.a1_in1k"] = 5 * 10**7
    config, notes = audit_config(**options), Notes()
    assert choose_network(config, dataset, notes) == config
    assert notes.notes == []


def test_weights_say_which_network_they_are_of(cache, tmp_path):
    named = choose_network(audit_config(weights=tmp_path / "resnet18.a1_in1k.safetensors"), PHOTOGRAPHS, Notes()).model
    assert (named.name, named.pretrained, named.train) == ("resnet18", False, "head")
    other = audit_config(weights=tmp_path / "mine.safetensors")
    assert choose_network(other, PHOTOGRAPHS, Notes()) == other
    asked = choose_network(audit_config(pretrained=True, train="last:1"), images((28, 28)), Notes()).model
    assert (asked.name, asked.train) == ("resnet18", "last:1")


def test_png_bytes_are_photographs_too(cache):
    cache["resnet18.a1_in1k"] = 5 * 10**7
    file = io.BytesIO()
    Image.new("RGB", (100, 80)).save(file, "PNG")
    rows = [{"image": file.getvalue(), "label": name} for name in "ab"]
    assert choose_network(AuditConfig(), load_dataset(rows), Notes()).model.train == "head"
