"""Real data for the tests: the repository's sample, and the larger sets beside the checkout if they are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from labelaudit.config import Augmentation, Schedule, TrajectoryMode
from labelaudit.data.examples import Examples, Images, standardise_each
from labelaudit.models.flat import FlatModel
from labelaudit.progress import ignore
from labelaudit.training.fine_tune import Plan, Run, fine_tune
from labelaudit.training.optimizers import SGD, Optimizer
from labelaudit.training.recording import plan_recording
from labelaudit.training.window import parse_windows

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
) -> Images:
    return Images(pixels, labels, standardise_each, CPU, dtype, augmentation)


def flat(network: torch.nn.Module, dtype: torch.dtype = torch.float64) -> FlatModel:
    return FlatModel(network, CPU, dtype)


def plan(
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    epochs: int = 2,
    batch_size: int = 8,
    learning_rate: float = 0.05,
    schedule: Schedule = "constant",
    optimizer: Optimizer | None = None,
    warmup_steps: int = 0,
    clip_norm: float | None = None,
) -> Plan:
    return Plan(
        optimizer or SGD(momentum, weight_decay), epochs, batch_size, learning_rate, schedule, warmup_steps, clip_norm
    )


def train(
    model: FlatModel,
    examples: Examples,
    rows: torch.Tensor,
    setting: Plan,
    seed: int = 0,
    windows: str = "last",
    mode: TrajectoryMode = "memory",
    progress: Callable[[int], None] = ignore,
    keep_moments: bool = False,
) -> Run:
    """Fine-tune and record what the windows of that name need."""
    per_epoch = setting.steps_per_epoch(len(rows))
    recording = plan_recording(
        parse_windows(windows, setting.epochs, per_epoch),
        setting.epochs * per_epoch,
        model.theta.nbytes,
        setting.optimizer,
        memory=1 << 30,
        mode=mode,
        keep_moments=keep_moments,
    )
    return fine_tune(model, examples, rows, setting, seed, recording, progress)
