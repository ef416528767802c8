from __future__ import annotations

import timm
import torch
from torch import nn

from labelaudit.models.parts import parameters_of, train_only


def chosen(network, part):
    belongs = parameters_of(network, part)
    return [name for name, _ in network.named_parameters() if belongs(name)]


def test_timms_networks_say_what_their_blocks_are():
    vit = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=3, num_classes=2)
    everything = [name for name, _ in vit.named_parameters()]
    head = ["head.weight", "head.bias"]
    last = [name for name in everything if name.startswith(("blocks.2.", "norm."))]
    assert chosen(vit, "all") == everything
    assert chosen(vit, "head") == chosen(vit, "last:0") == head
    assert chosen(vit, "last:1") == last + head
    assert chosen(vit, "last:99") == everything


def test_of_other_networks_each_child_is_a_block():
    network = nn.Sequential(
        nn.Linear(2, 3), nn.Tanh(), nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), nn.Linear(3, 2)
    )
    assert chosen(network, "head") == ["3.weight", "3.bias"]
    assert chosen(network, "last:1") == ["2.0.weight", "2.0.bias", "2.1.weight", "2.1.bias", "3.weight", "3.bias"]


def test_what_is_not_to_be_trained_is_frozen():
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    network[1].bias.requires_grad_(requires_grad=False)
    train_only(network, "last:1")
    assert [name for name, p in network.named_parameters() if p.requires_grad] == ["1.weight", "2.weight", "2.bias"]
    assert torch.is_grad_enabled()
