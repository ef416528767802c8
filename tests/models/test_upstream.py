"""Passes over the same inputs share what tracked parameters do not reach, and give the very same numbers."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import timm
import torch
from torch import nn

from labelaudit.influence.derivatives import central_differences
from labelaudit.models.flat import FlatModel
from labelaudit.models.parts import parameters_of

INPUTS, LABELS = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1])


def flat(network: nn.Module, track: str) -> FlatModel:
    return FlatModel(network, torch.device("cpu"), torch.float32, parameters_of(network, track))


def counted(modules) -> dict[nn.Module, int]:
    """How often each of some modules, without parameters, computes from now on."""
    counts = {}
    for module in modules:
        counts[module] = 0
        module.register_forward_hook(lambda module, *_: counts.__setitem__(module, counts[module] + 1))
    return counts


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "resnet10t", "tf_efficientnet_lite0", "mobilenetv3_small_050"]
)
@pytest.mark.parametrize("hessian", [True, False])
def test_derivatives_are_those_of_whole_passes_bit_for_bit(name, hessian, monkeypatch):
    options = {"img_size": 32} if name.startswith("vit") else {}
    torch.manual_seed(0)
    model = flat(timm.create_model(name, num_classes=2, **options), "last:2")
    directions = torch.randn(2, len(model.tracked), generator=torch.Generator().manual_seed(1))
    shared = central_differences(model, INPUTS, LABELS, directions, hessian=hessian)
    monkeypatch.setattr(model, "fixed_inputs", lambda inputs: nullcontext())
    whole = central_differences(model, INPUTS, LABELS, directions, hessian=hessian)
    assert torch.equal(shared.logits, whole.logits)
    assert torch.equal(shared.logit_changes, whole.logit_changes)
    assert torch.equal(shared.hessian_vectors, whole.hessian_vectors)
    assert whole.logit_changes.any()


def test_only_the_first_of_several_passes_computes_the_blocks_before_the_tracked_ones():
    network = timm.create_model("vit_tiny_patch16_224", num_classes=2, img_size=32)
    model = flat(network, "last:2")
    activations = counted([block.mlp.act for block in network.blocks])
    directions = torch.ones(3, len(model.tracked))
    central_differences(model, INPUTS, LABELS, directions, hessian=True)
    found = list(activations.values())
    assert found == [2] * 10 + [7] * 2  # one look at the network, then one pass or six
    central_differences(model, INPUTS, LABELS, directions, hessian=True)
    assert list(activations.values()) == [3] * 10 + [13] * 2  # other inputs may follow: nothing outlives the passes


class Repeated(nn.Module):
    """One layer that is used twice, and written into by what comes after it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        once = self.first(x)
        twice = self.first(once.relu_())
        return self.last(twice.add_(once))


def test_a_module_called_twice_and_outputs_written_into(monkeypatch):
    torch.manual_seed(0)
    model = flat(Repeated(), "head")
    inputs, directions = torch.randn(3, 4), torch.randn(2, len(model.tracked))
    shared = central_differences(model, inputs, LABELS, directions, hessian=True)
    assert "forward" not in model.module.first.__dict__  # it is as it was
    monkeypatch.setattr(model, "fixed_inputs", lambda inputs: nullcontext())
    whole = central_differences(model, inputs, LABELS, directions, hessian=True)
    assert torch.equal(shared.logit_changes, whole.logit_changes)
    assert torch.equal(shared.hessian_vectors, whole.hessian_vectors)


def test_nothing_is_shared_where_all_is_tracked_or_activations_are_computed_anew():
    network = timm.create_model("vit_tiny_patch16_224", num_classes=2, img_size=32)
    everything = flat(network, "all")
    activations = counted([network.blocks[0].mlp.act])
    central_differences(everything, INPUTS, LABELS, torch.ones(1, len(everything.tracked)), hessian=True)
    assert list(activations.values()) == [3]
    again = timm.create_model("vit_tiny_patch16_224", num_classes=2, img_size=32)
    model = flat(again, "last:2")
    assert model.recompute_activations()
    activations = counted([again.blocks[0].mlp.act])
    central_differences(model, INPUTS, LABELS, torch.ones(1, len(model.tracked)), hessian=True)
    assert list(activations.values()) == [2]
