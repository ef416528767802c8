"""Real data for the tests: the repository's sample, and the larger sets beside the checkout if they are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from labelaudit.config import Augmentation, Schedule
from labelaudit.data.examples import Examples, standardise_each
from labelaudit.models.flat import FlatModel
from labelaudit.training.fine_tune import Plan
from labelaudit.training.sgd import SGD

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "sample_data"
SHARED = ROOT.parent / "shared"
CPU = torch.device("cpu")


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Find a file of the shared data, or skip the test, saying so."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"needs {name}, expected at {path}")
        return path

    return find


def digits(classes: tuple[int, ...], per_class: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first sample digits of some folders: uint8 (N, 1, 28, 28), interleaved by class, and class indices (N,)."""
    files = [sorted((SAMPLE / "train" / str(digit)).iterdir())[:per_class] for digit in classes]
    images = [np.asarray(Image.open(file)) for row in zip(*files, strict=True) for file in row]
    labels = torch.arange(len(classes)).repeat(per_class)
    return torch.from_numpy(np.stack(images))[:, None], labels


def examples_of(
    pixels: torch.Tensor, labels: torch.Tensor, dtype: torch.dtype = torch.float64, augmentation: Augmentation = "none"
) -> Examples:
    return Examples(pixels, labels, standardise_each, CPU, dtype, augmentation)


def flat(network: torch.nn.Module, dtype: torch.dtype = torch.float64) -> FlatModel:
    return FlatModel(network, CPU, dtype)


def plan(
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    epochs: int = 2,
    batch_size: int = 8,
    learning_rate: float = 0.05,
    schedule: Schedule = "constant",
) -> Plan:
    return Plan(SGD(momentum, weight_decay), epochs, batch_size, learning_rate, schedule)


def ignore(amount: int) -> None:
    """Progress nobody watches."""
