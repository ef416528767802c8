"""The short fine-tune that records its last epoch (Algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from labelaudit.config import Schedule
from labelaudit.data.examples import Examples
from labelaudit.errors import InputError
from labelaudit.models.flat import FlatModel
from labelaudit.training.schedule import learning_rate
from labelaudit.training.sgd import SGD
from labelaudit.training.trajectory import Step, Trajectory, recording_interval


@dataclass(frozen=True)
class Plan:
    """A fine-tune with nothing left to decide."""

    sgd: SGD
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Schedule


@dataclass(frozen=True)
class FineTune:
    """A finished fine-tune; the model itself holds θ_T.

    Attributes:
        plan: How it was done.
        trajectory: The last epoch.
        margins: Each training row's margin z_y − max_{c≠y} z_c, averaged over the epochs, each measured in the
            forward pass of the step that visits the row (AUM, Pleiss et al. 2020); float64, shape (N,).
        mean_logits: Its logits, averaged likewise; float64, shape (N, C).
    """

    plan: Plan
    trajectory: Trajectory
    margins: Tensor
    mean_logits: Tensor


def fine_tune(
    model: FlatModel,
    examples: Examples,
    rows: Tensor,
    plan: Plan,
    seed: int,
    memory_budget: int,
    progress: Callable[[int], None],
) -> FineTune:
    """Fine-tune `model` in place on `rows`, recording the last epoch.

    Args:
        model: The network.
        examples: Where the rows' inputs and labels are.
        rows: The training rows, int64, shape (N,).
        plan: Optimizer, schedule, epochs, batch size.
        seed: Decides the data order; the same seed gives the same bits.
        memory_budget: Bytes the trajectory may take before states are replayed instead of kept.
        progress: Called after each step with the number of rows it has seen.

    Raises:
        InputError: The loss is no longer finite.
    """
    order = torch.Generator().manual_seed(seed)
    steps_per_epoch = -(-len(rows) // plan.batch_size)
    interval = recording_interval(steps_per_epoch, model.theta.nbytes, memory_budget)
    trajectory = Trajectory(interval)
    velocity = torch.zeros_like(model.theta)
    margins = torch.zeros(len(rows), dtype=torch.float64)
    mean_logits: Tensor | None = None
    for epoch in range(plan.epochs):
        shuffle = torch.randperm(len(rows), generator=order)
        for number, places in enumerate(shuffle.split(plan.batch_size)):
            index = epoch * steps_per_epoch + number
            rate = learning_rate(plan.schedule, plan.learning_rate, index, plan.epochs * steps_per_epoch)
            step = Step(index, rows[places], rate)
            if epoch == plan.epochs - 1:
                trajectory.record(step, model.theta, velocity)
            logits = take_step(model, examples, plan.sgd, step, velocity)
            if not logits.isfinite().all():
                raise InputError(
                    f"the training loss became NaN or infinite in epoch {epoch + 1}, step {number + 1}: try a smaller "
                    f"--learning-rate (it was {plan.learning_rate:g})"
                )
            logits = logits.double().cpu()
            if mean_logits is None:
                mean_logits = torch.zeros(len(rows), logits.shape[1], dtype=torch.float64)
            mean_logits[places] += logits / plan.epochs
            margins[places] += margin(logits, examples.labels[step.rows]) / plan.epochs
            progress(len(places))
    assert mean_logits is not None
    return FineTune(plan, trajectory, margins, mean_logits)


def take_step(model: FlatModel, examples: Examples, sgd: SGD, step: Step, velocity: Tensor) -> Tensor:
    """Take one step on the model and `velocity` (P,) in place; return the batch's logits before it, (B, C)."""
    inputs, labels = examples.batch(step.rows, augmentation_seed=step.index)
    model.gradient.zero_()
    logits = model(inputs)
    cross_entropy(logits, labels).backward()
    sgd.step(model.theta, velocity, model.gradient, step.learning_rate)
    return logits.detach()


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """z_y − max_{c≠y} z_c, shape (B,), from logits (B, C) and class indices (B,)."""
    given = labels[:, None]
    best_other = logits.scatter(1, given, -torch.inf).amax(1)
    return logits.gather(1, given)[:, 0] - best_other
