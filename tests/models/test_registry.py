from __future__ import annotations

import re
import sys

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from labelaudit.config import ModelConfig
from labelaudit.data.images import ImageSummary
from labelaudit.errors import InputError
from labelaudit.models.registry import NEEDS_PRETRAINED, model_spec

GREY, COLOUR = ImageSummary(grayscale=True, side=28), ImageSummary(grayscale=False, side=500)
TINY = "test_vit"  # timm's own tiny test models
TINY_CNN = "test_efficientnet"


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("lr", [(3, 784), (3,)]),
        ("dnn", [(8, 784), (8,), (8, 8), (8,), (3, 8), (3,)]),
        ("cnn", [(32, 1, 3, 3), (32,), (64, 32, 3, 3), (64,), (3, 64 * 7 * 7), (3,)]),
    ],
)
def test_the_papers_networks(name, shapes):
    spec = model_spec(ModelConfig(name=name), GREY)
    network = spec.network(3, seed=0)
    assert [tuple(parameter.shape) for parameter in network.parameters()] == shapes
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 3)
    again, other = spec.network(3, seed=0), spec.network(3, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))
    assert not torch.equal(next(network.parameters()), next(other.parameters()))


def test_the_papers_cnn_pools_before_the_relu_bit_for_bit_alike():
    quick = model_spec(ModelConfig(name="cnn"), GREY).network(3, seed=0)
    layers = list(quick)
    paper = torch.nn.Sequential(*(layers[i] for i in (0, 2, 1, 3, 5, 4, 6, 7)))
    images, labels = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3
    results = []
    for network in (quick, paper):
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        results.append([loss, *torch.autograd.grad(loss, list(quick.parameters()))])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    assert [type(layer).__name__ for layer in paper][:3] == ["Conv2d", "ReLU", "MaxPool2d"]


def test_large_photographs_are_shrunk_with_a_note():
    spec = model_spec(ModelConfig(name="cnn"), COLOUR)
    assert (spec.channels, spec.image_size) == (3, 64)
    assert spec.notes == ("images are shrunk to 64×64", NEEDS_PRETRAINED)
    assert model_spec(ModelConfig(name="cnn", image_size=100), COLOUR).notes == (NEEDS_PRETRAINED,)
    assert model_spec(ModelConfig(name="cnn", image_size=28), COLOUR).notes == ()
    assert model_spec(ModelConfig(name="cnn", image_size=100), ImageSummary(grayscale=True, side=500)).notes == ()


def test_timm_models_use_their_own_input_transform():
    spec = model_spec(ModelConfig(name=TINY_CNN), GREY)
    config = timm.data.resolve_data_config({}, pretrained_cfg=timm.get_pretrained_cfg(TINY_CNN).to_dict())
    whole = timm.data.create_transform(**config)
    photo = Image.effect_noise((300, 200), 60).convert("RGB")
    resized = spec.resize(photo)
    pixels = torch.tensor(list(resized.tobytes()), dtype=torch.uint8).view(*resized.size[::-1], 3).permute(2, 0, 1)
    ours = spec.normalise(pixels[None] / 255)[0]
    assert torch.allclose(ours, whole(photo), atol=1e-6)
    assert spec.image_size == config["input_size"][1]
    assert "weights are random" in spec.notes[0]


def test_weights_fill_all_but_a_new_head_which_is_zero(tmp_path):
    source = timm.create_model(TINY)  # 1000 classes
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    torch.save({"state_dict": source.state_dict()}, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        network = model_spec(ModelConfig(name=TINY, weights=tmp_path / name), COLOUR).network(5, seed=0)
        head = network.get_classifier()
        assert not head.weight.any()
        assert head.weight.shape[0] == 5
        body = {key: value for key, value in network.state_dict().items() if not key.startswith("head.")}
        assert all(torch.equal(value, source.state_dict()[key]) for key, value in body.items())


def test_weights_may_be_for_another_image_size(tmp_path):
    save_file(timm.create_model(TINY).state_dict(), tmp_path / "w.safetensors")
    spec = model_spec(ModelConfig(name=TINY, weights=tmp_path / "w.safetensors", image_size=96), COLOUR)
    assert spec.image_size == 96
    assert spec.network(2, seed=0)(torch.zeros(1, 3, 96, 96)).shape == (1, 2)


@pytest.mark.parametrize("name", [TINY, "cnn"])
def test_weights_of_another_architecture_are_refused(tmp_path, name):
    save_file(timm.create_model(TINY_CNN).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="is of another architecture"):
        model_spec(ModelConfig(name=name, weights=tmp_path / "w.safetensors"), GREY).network(2, seed=0)


class Evil:
    def __reduce__(self):
        return print, ("unpickled",)


def test_weights_are_never_unpickled(tmp_path, capsys):
    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="cannot read"):
        model_spec(ModelConfig(name=TINY, weights=tmp_path / "evil.pth"), COLOUR).network(2, seed=0)
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist"), (b"nonsense", "cannot read")],
)
def test_weights_that_are_none(tmp_path, content, message):
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        model_spec(ModelConfig(name=TINY, weights=path), COLOUR).network(2, seed=0)


def test_small_models_load_whole_state_dicts(tmp_path):
    spec = model_spec(ModelConfig(name="dnn"), GREY)
    source = spec.network(3, seed=5)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    loaded = model_spec(ModelConfig(name="dnn", weights=tmp_path / "w.safetensors"), GREY)
    assert torch.equal(next(loaded.network(3, seed=0).parameters()), next(source.parameters()))
    with pytest.raises(InputError, match="does not fit dnn: size mismatch"):
        loaded.network(4, seed=0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ModelConfig(name="resnet19"), "no model 'resnet19'; the nearest names are resnet18"),
        (ModelConfig(name="§§"), "no model '§§' (lr, dnn, cnn"),
        (ModelConfig(name="cnn", pretrained=True), "no pretrained weights for cnn"),
        (ModelConfig(name=TINY, pretrained=True, weights="w"), "exclude each other"),
        (ModelConfig(name="nowhere:make"), "No module named 'nowhere'"),
        (ModelConfig(name="math:make"), "math has no 'make'"),
        (ModelConfig(name="math:pi"), "is not callable"),
    ],
)
def test_models_that_are_none(config, message):
    with pytest.raises(InputError, match=re.escape(message)):
        model_spec(config, GREY)


def test_a_users_own_factory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "my_nets.py").write_text(
        "from torch import nn\n"
        "def make(num_classes, image_size):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(image_size ** 2, num_classes))\n"
        "def wrong(num_classes):\n"
        "    return 'no module'\n"
        "def strange(depth):\n"
        "    return None\n"
    )
    network = model_spec(ModelConfig(name="my_nets:make"), GREY).network(4, seed=0)
    assert network(torch.zeros(1, 1, 28, 28)).shape == (1, 4)
    with pytest.raises(InputError, match=r"returned str, not a torch\.nn\.Module"):
        model_spec(ModelConfig(name="my_nets:wrong"), GREY).network(4, seed=0)
    with pytest.raises(InputError, match="the factory cannot be called"):
        model_spec(ModelConfig(name="my_nets:strange"), GREY).network(4, seed=0)
