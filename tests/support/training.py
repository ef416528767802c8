"""Fine-tunes small enough for a test."""

from __future__ import annotations

from collections.abc import Callable

import torch

from labelaudit.data.batches import Batches
from labelaudit.models.flat import FlatModel
from labelaudit.progress import ignore
from labelaudit.training.fine_tune import Plan, Run, fine_tune
from labelaudit.training.optimizers import SGD, Optimizer
from labelaudit.training.recording import plan_recording
from labelaudit.training.window import parse_windows
from labelaudit.types import Schedule, TrajectoryMode
from tests.support.data import CPU


def flat(network: torch.nn.Module, dtype: torch.dtype = torch.float64) -> FlatModel:
    """The network on the CPU, all of it trained and tracked."""
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
    batches: Batches,
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
    return fine_tune(model, batches, rows, setting, seed, recording, progress)
