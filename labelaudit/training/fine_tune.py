"""The short fine-tune that records what the sweep needs (docs/method.md, "Recording"; Algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from labelaudit.data.batches import Batches
from labelaudit.errors import InputError
from labelaudit.models.flat import FlatModel
from labelaudit.runtime.checkpoints import Checkpoints, Sharding, require_alike
from labelaudit.runtime.large_arrays import add_to, cells
from labelaudit.training.epoch_means import EpochMeans, places_of
from labelaudit.training.optimizers import Optimizer, clip
from labelaudit.training.predict import inference_batch_size, number_of_classes, predict
from labelaudit.training.recording import Recording
from labelaudit.training.schedule import learning_rate
from labelaudit.training.thinning import thinned
from labelaudit.training.trajectory import State, Step, Trajectory
from labelaudit.training.window import Window, parse_windows
from labelaudit.types import QueryAt, Removal, Schedule, checked

SHARDING: dict[str, Sharding] = {"theta": "parameters", "moments": "parameters"}  # of what a fine-tune saves


@checked
@dataclass(frozen=True)
class Plan:
    """A fine-tune with nothing left to decide.

    Attributes:
        optimizer: How a step is taken.
        epochs: Passes over the rows.
        batch_size: Rows in a step; the last step of an epoch takes what is left.
        learning_rate: η_0.
        schedule: How η_t goes on from there.
        warmup_steps: Steps in which it first rises.
        clip_norm: The longest gradient a step may have, None for any.
    """

    optimizer: Optimizer
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Schedule = "constant"
    warmup_steps: int = 0
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no fine-tune.

        Raises:
            InputError: A number is out of its range.
        """
        for name, least in (("epochs", 1), ("batch_size", 1), ("warmup_steps", 0)):
            if getattr(self, name) < least:
                raise InputError(f"must be at least {least} (it is {getattr(self, name)})", option=name)
        for name in ("learning_rate", "clip_norm"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise InputError(f"must be above 0 (it is {getattr(self, name)})", option=name)

    def steps_per_epoch(self, rows: int) -> int:
        """How many steps an epoch over that many rows has."""
        return -(-rows // self.batch_size)

    def steps(self, rows: Tensor, seed: int) -> Iterator[Step]:
        """All steps of the run over `rows` (N,), in the order the seed decides."""
        order = torch.Generator().manual_seed(seed)
        per_epoch = self.steps_per_epoch(len(rows))
        total = self.epochs * per_epoch
        for epoch in range(self.epochs):
            shuffle = torch.randperm(len(rows), generator=order)
            for number, places in enumerate(shuffle.split(self.batch_size), epoch * per_epoch):
                rate = learning_rate(self.schedule, self.learning_rate, number, total, self.warmup_steps)
                yield Step(number, rows[places], rate)


@dataclass(frozen=True)
class Run:
    """A finished fine-tune.

    Attributes:
        model: The network; its θ is whatever it was last set to.
        batches: Where inputs and labels are.
        rows: The training rows, int64, shape (N,).
        plan: How it was done.
        trajectory: What was recorded.
        final: θ_T, shape (P,).
        margins: Each training row's margin z_y − max_{c≠y} z_c, averaged over the epochs, each measured in the
            forward pass of the step that visits the row (AUM, Pleiss et al. 2020); float64, shape (N,).
        mean_logits: Its logits, averaged likewise; float64 (float32 if they are many, see `cells`), shape (N, C).
        epoch_losses: The mean training loss of each epoch, measured likewise; float64, shape (epochs,).
        held_out_logits: The logits of the held-out rows at the ends of all epochs but the first and the last, summed,
            likewise, shape (M, C).
        held_out_latest: Those at the last such end, of as many of these rows as a temperature takes (`thinned`), shape
            (m, C); (0, C) if there is none.
    """

    model: FlatModel
    batches: Batches
    rows: Tensor
    plan: Plan
    trajectory: Trajectory
    final: Tensor
    margins: Tensor
    mean_logits: Tensor
    epoch_losses: Tensor
    held_out_logits: Tensor
    held_out_latest: Tensor

    @property
    def total_steps(self) -> int:
        """T."""
        return self.plan.epochs * self.plan.steps_per_epoch(len(self.rows))

    def mean_held_out(self, final: Tensor) -> Tensor:
        """The held-out rows' mean logits over the ends of all epochs but the first, by those at the end of the last.

        `held_out_logits` becomes it, so that no third array of this size is needed: ask once.
        """
        add_to(self.held_out_logits, final, 1 / max(1, self.plan.epochs - 1))
        return self.held_out_logits

    def windows(self, text: str, removal: Removal = "window", query_at: QueryAt = "ends") -> list[Window]:
        """The windows of this run that a text names, see `parse_windows`."""
        return parse_windows(text, self.plan.epochs, self.plan.steps_per_epoch(len(self.rows)), removal, query_at)

    def check_recorded(self, window: Window, *, moments: bool) -> None:
        """Make sure that the states a window needs were recorded.

        Raises:
            InputError: They were not, or, if they are needed, not the optimizer's moments.
        """
        kept = self.trajectory
        recorded = kept.first <= window.first_step and min(window.stop + 1, self.total_steps) <= kept.stop
        if not recorded or window.stop > self.total_steps:
            raise InputError(
                f"the window {window.name} needs the steps {window.first_step + 1} to {window.stop}; recorded are "
                f"{kept.first + 1} to {kept.stop} of {self.total_steps}"
            )
        if moments and self.plan.optimizer.moments and not kept.keep_moments:
            raise InputError(
                f"the window {window.name} needs the optimizer's moments; record the run with keep_moments"
            )

    def places(self) -> Tensor:
        """Which of the training rows an example is, −1 for none; shape (len(examples.labels),)."""
        return places_of(self.rows, len(self.batches.labels))

    def replay(self, step: Step, moments: Tensor) -> Tensor:
        """Take a recorded step again."""
        return take_step(self.model, self.batches, self.plan, step, moments)

    def state(self, index: int) -> State:
        """The recorded state before step `index`; at T it is the final one, without moments. θ is overwritten."""
        if index == self.total_steps:
            return State(self.final, self.final.new_empty(0, len(self.final)))
        return self.trajectory.state(index, self.model.theta, self.replay)


def fine_tune(
    model: FlatModel,
    batches: Batches,
    rows: Tensor,
    plan: Plan,
    seed: int,
    recording: Recording,
    progress: Callable[[int], None],
    checkpoints: Checkpoints | None = None,
    held_out: Tensor | None = None,
) -> Run:
    """Fine-tune `model` in place on `rows`.

    Args:
        model: The network.
        batches: Where the rows' inputs and labels are.
        rows: The training rows, int64, shape (N,).
        plan: Optimizer, schedule, epochs, batch size.
        seed: Decides the data order; the same seed gives the same bits.
        recording: Which states to keep, and where.
        progress: Called after each step with the number of rows it has seen.
        checkpoints: Where to save the run from time to time, and to go on from if it was saved. A trajectory in memory
            is lost with the process, so that such a run goes on from before the window at the latest.
        held_out: Rows to predict at the end of each epoch but the first and the last, int64, shape (M,).

    Raises:
        InputError: The loss is no longer finite.
        RunError: Nothing more can be written.
    """
    trajectory = recording.trajectory(checkpoints, model.theta.device)
    moments = model.theta.new_zeros(plan.optimizer.moments, len(model.theta))
    classes = number_of_classes(model, batches, rows)
    means = EpochMeans(rows, batches.labels, classes, plan.epochs)
    held_out = rows[:0] if held_out is None else held_out
    held_out_logits = torch.from_numpy(cells(len(held_out), classes))
    held_out_latest = model.theta.new_zeros(held_out_logits[thinned(*held_out_logits.shape)].shape, device="cpu")
    reached = torch.zeros(1, dtype=torch.int64)
    progress_so_far = {
        "theta": model.theta,
        "moments": moments,
        "margins": means.margins,
        "mean_logits": means.mean_logits,
        "epoch_losses": means.epoch_losses,
        "held_out_logits": held_out_logits,
        "held_out_latest": held_out_latest,
        "step": reached,
        "recording": recording.as_tensor(),
    }
    _go_on(checkpoints, progress_so_far)
    per_epoch = plan.steps_per_epoch(len(rows))
    at_once = inference_batch_size(batches, plan.batch_size, classes)
    for step in plan.steps(rows, seed):
        done = step.index < reached.item()
        if recording.first <= step.index < recording.stop:
            trajectory.record(step, model.theta, moments, stored=done)
        if not done:
            if checkpoints is not None and checkpoints.due() and (recording.on_disk or step.index <= recording.first):
                checkpoints.save("training", progress_so_far, SHARDING)
            logits = take_step(model, batches, plan, step, moments).double().cpu()
            epoch = step.index // per_epoch
            _require_finite(logits, plan, epoch, step.index % per_epoch)
            means.add(logits, step.rows, epoch)
            if (step.index + 1) % per_epoch == 0 and len(held_out) and 0 < epoch < plan.epochs - 1:
                _take_in(predict(model, batches, held_out, at_once), held_out_logits, held_out_latest)
            reached.fill_(step.index + 1)
        progress(len(step.rows))
    if checkpoints is not None and recording.on_disk:
        checkpoints.save("training", progress_so_far, SHARDING)
    if plan.epochs < 3:
        held_out_latest = held_out_latest[:0]
    of_training = means.margins, means.mean_logits, means.epoch_losses
    final = model.theta.clone()
    return Run(model, batches, rows, plan, trajectory, final, *of_training, held_out_logits, held_out_latest)


def _take_in(logits: Tensor, total: Tensor, latest: Tensor) -> None:
    """Add logits to a total (M, C), and keep some of them as the latest ones."""
    latest.copy_(logits[thinned(*logits.shape)])
    add_to(total, logits)


def _go_on(checkpoints: Checkpoints | None, progress_so_far: dict[str, Tensor]) -> None:
    """Copy what was saved, if anything was, into the tensors."""
    if checkpoints is not None and (saved := checkpoints.load("training")) is not None:
        require_alike(saved, progress_so_far)
        for name, tensor in progress_so_far.items():
            tensor.copy_(saved[name])


def _require_finite(logits: Tensor, plan: Plan, epoch: int, step: int) -> None:
    if not logits.isfinite().all():
        raise InputError(
            f"the training loss became NaN or infinite in epoch {epoch + 1}, step {step + 1}: try a smaller "
            f"`learning_rate` (it was {plan.learning_rate:g})"
        )


def take_step(model: FlatModel, batches: Batches, plan: Plan, step: Step, moments: Tensor) -> Tensor:
    """Take one step on the model and `moments` (M, P) in place; return the batch's logits before it, (B, C)."""
    shard = model.process_group.shard(len(step.rows))
    inputs, labels = batches.batch(step.rows, step.index, shard)
    logits = backpropagate(model, inputs, labels, len(step.rows))
    if plan.clip_norm is not None:
        clip(model.gradient, model.norm(model.gradient), plan.clip_norm)
    plan.optimizer.step(model.theta, moments, model.gradient, step.learning_rate, step.index + 1)
    return logits


def backpropagate(model: FlatModel, inputs: Tensor, labels: Tensor, rows: int | None = None) -> Tensor:
    """Put the gradient of a batch's mean loss at θ into `model.gradient`; return its logits (B, C).

    Args:
        model: The network.
        inputs: This process's shard of the batch.
        labels: Its labels.
        rows: B, how many rows the whole batch has; None for those given.
    """
    rows = len(labels) if rows is None else rows
    logits = model(inputs)
    model.backward(cross_entropy(logits, labels, reduction="sum") / rows)
    model.all_reduce(model.gradient)
    return model.process_group.all_gather(logits.detach(), rows)
