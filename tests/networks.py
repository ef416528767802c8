"""Networks for tests that name them as a user does, `tests.networks:factory`."""

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
        img_size=image_size, patch_size=image_size // 4, in_chans=channels, num_classes=num_classes,
        embed_dim=16, depth=2, num_heads=2,
    )  # fmt: skip


class Mortal(nn.Module):
    """A network that, after so many calls, kills the process it is in."""

    def __init__(self, network: nn.Module, calls: int) -> None:
        super().__init__()
        self.network, self.calls = network, calls

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.calls -= 1
        if self.calls == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.network(inputs)


def mortal(num_classes: int, channels: int, image_size: int) -> nn.Module:
    """A small network that dies in process `DIES`, once, after `DIES_AFTER` calls."""
    once = Path(os.environ.get("DIES_ONCE", os.devnull))
    dies = os.environ.get("RANK") == os.environ.get("DIES", "none") and not once.exists()
    return Mortal(cnn(num_classes, channels, image_size), int(os.environ["DIES_AFTER"]) if dies else -1)
