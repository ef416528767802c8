"""The plain fine-tune of a task that all methods share."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.detection.tasks import Task
from labelaudit.audit.setup import training_plan
from labelaudit.data.batches import Features
from labelaudit.models.flat import FlatModel
from labelaudit.progress import ignore
from labelaudit.runtime.machine import reproducible
from labelaudit.training.fine_tune import Run, fine_tune
from labelaudit.training.recording import plan_recording
from labelaudit.training.window import Window

CPU = torch.device("cpu")


def network_of(task: Task, seed: int) -> FlatModel:
    """The task's network before it is trained."""
    torch.manual_seed(seed)
    return FlatModel(task.network(task.inputs, task.classes), CPU, torch.float32)


def train(task: Task, rows: NDArray[np.int64], seed: int, *, keep: bool = False) -> Run:
    """A plain fine-tune on some of the rows; of the trajectory only the last step is kept, or all of it."""
    model = network_of(task, seed)
    plan = training_plan(task.training)
    total = plan.epochs * plan.steps_per_epoch(len(rows))
    window = Window("kept", 0 if keep else total - 1, total)
    recording = plan_recording([window], total, model.theta.nbytes, plan.optimizer, memory=1 << 30)
    batches = Features(task.inputs, torch.from_numpy(task.given))
    with reproducible():
        return fine_tune(model, batches, torch.from_numpy(rows), plan, seed, recording, ignore)
