"""Networks for tests that name them as a user does, `tests.support.networks:factory`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from labelaudit.models.paper import cnn


def vit(num_classes: int, channels: int, image_size: int) -> nn.Module:
    """Two blocks of a vision transformer."""
    return VisionTransformer(
        img_size=image_size,
        patch_size=image_size // 4,
        in_chans=channels,
        num_classes=num_classes,
        embed_dim=16,
        depth=2,
        num_heads=2,
    )


def linear(num_classes: int, num_features: int) -> nn.Module:
    """One layer."""
    return nn.Linear(num_features, num_classes)


class Mortal(nn.Module):
    """A network that kills the process it is in once there is a file below a folder."""

    def __init__(self, network: nn.Module, folder: Path, file: str) -> None:
        super().__init__()
        self.network, self.folder, self.file = network, folder, file

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if any(self.folder.rglob(self.file)):
            os.kill(os.getpid(), signal.SIGKILL)
        return self.network(inputs)


def mortal(num_classes: int, channels: int, image_size: int) -> nn.Module:
    """A small network that dies in process `DIES`, if there is one, amid the sweep of a run in `DIES_IN`."""
    network = cnn(num_classes, channels, image_size)
    if os.environ.get("RANK") != os.environ.get("DIES", "none"):
        return network
    return Mortal(network, Path(os.environ["DIES_IN"]), "sweep.safetensors")
