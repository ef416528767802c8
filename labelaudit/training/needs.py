"""What a run will need, measured on some of its own rows before anything long starts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from labelaudit.data.batches import Batches
from labelaudit.errors import InputError
from labelaudit.models.flat import FlatModel
from labelaudit.training.fine_tune import Plan, backpropagate
from labelaudit.training.optimizers import Optimizer

PROBE_ROWS = 2
PROBE_SECONDS = 0.3  # a whole mini-batch is timed if it is expected to take no longer
QUICK = 0.03  # seconds in which passes are timed more often than once
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-8}


@dataclass(frozen=True)
class PassCosts:
    """What a row of a mini-batch costs a process, which may have several to share the mini-batch with.

    Attributes:
        train: Seconds of a forward and backward pass.
        predict: Seconds of a forward pass.
        track: Seconds of a forward pass, and a backward pass to the tracked parameters.
        again: Seconds of another one over the same rows, with what the tracked parameters do not reach kept.
        predict_again: Seconds of another forward pass likewise.
        activations: Bytes kept for the backward pass.
    """

    train: float
    predict: float
    track: float
    again: float
    predict_again: float
    activations: int


def measure_passes(model: FlatModel, batches: Batches, rows: Tensor, plan: Plan, *, timed: bool = True) -> PassCosts:
    """Weigh what a pass over a few of the rows keeps; time passes over them, or over a mini-batch if that is quick.

    A whole mini-batch might be just what does not fit. Without timing all seconds are 0.
    """
    batch_size = min(plan.batch_size, len(rows))
    inputs, labels = batches.batch(rows[: min(PROBE_ROWS, batch_size)])
    parameters = model.theta.untyped_storage().data_ptr()
    kept: dict[int, torch.UntypedStorage] = {}
    process_group = model.process_group

    def weigh(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() != parameters:
            kept[storage.data_ptr()] = storage
        return tensor

    def train() -> None:
        """Every process takes the same rows, as if they were its shard of more."""
        backpropagate(model, inputs, labels, len(labels) * process_group.size)

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(weigh, lambda tensor: tensor):
        cross_entropy(model(inputs), labels)
    activations = sum(storage.nbytes() for storage in kept.values())  # 0 for a block's parameters, gone if sharded
    activations //= len(labels) * process_group.size
    if not timed:
        return PassCosts(0, 0, 0, 0, 0, int(process_group.max(activations)))
    trained = process_group.max(_seconds(model, train))
    if trained * batch_size / len(labels) < PROBE_SECONDS:
        inputs, labels = batches.batch(rows[:batch_size])
        trained = process_group.max(_least_seconds(model, train))

    def fetch() -> None:
        batches.batch(rows[: len(labels)])

    def predict() -> None:
        with torch.no_grad():
            model(inputs)

    fetched = process_group.max(_least_seconds(model, fetch))
    with model.tracking():
        tracked = process_group.max(_least_seconds(model, train))
        with model.fixed_inputs(inputs):
            predicted = process_group.max(_seconds(model, predict))
            predicted_again = process_group.max(_least_seconds(model, predict))
    # What the first pass computed and the next ones need not; of times taken on a busy machine it may come out larger
    # than a whole tracked pass, which still holds a forward pass.
    spared, rows_of_all = max(0.0, predicted - predicted_again), len(labels) * process_group.size
    return PassCosts(
        train=(fetched + trained) / rows_of_all,
        predict=(fetched + predicted) / rows_of_all,
        track=(fetched + tracked) / rows_of_all,
        again=max(tracked - spared, predicted_again) / rows_of_all,
        predict_again=(predicted - spared) / rows_of_all,
        activations=int(process_group.max(activations)),
    )


def vectors_memory(theta_bytes: int, tracked_bytes: int, optimizer: Optimizer, *, clipping: bool) -> int:
    """Bytes of all vectors like θ: it, its gradient and θ_T; in the fine-tune the moments; in the sweep those tracked.

    Those are the adjoints, c, H c and Σ c; for AdamW the gradient twice and two vectors in between; for clipping the
    gradient twice.
    """
    more = 4 if optimizer.adjoint_needs_state else 2 * clipping
    moments = optimizer.moments
    return 3 * theta_bytes + max(moments * theta_bytes, (4 + moments + more) * tracked_bytes)


def _least_seconds(model: FlatModel, run: Callable[[], object]) -> float:
    """The least time of some runs, up to twenty while they are quick and no other process waits."""
    seconds: list[float] = []
    most = 20 if model.process_group.size == 1 else 1
    while not seconds or (len(seconds) < most and sum(seconds) < QUICK):
        seconds.append(_seconds(model, run))
    return min(seconds)


def _seconds(model: FlatModel, run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    if model.theta.is_cuda:
        torch.cuda.synchronize(model.theta.device)
    return time.perf_counter() - started


def check_per_sample_loss(model: FlatModel, batches: Batches, rows: Tensor) -> None:
    """Make sure that a row's logits depend on that row and θ alone, without which leaving a sample out means nothing.

    Raises:
        InputError: They depend on chance, as with active dropout, or on the other rows of the batch, as with active
            batch normalisation.
    """
    inputs, _ = batches.batch(rows[:PROBE_ROWS])
    with torch.no_grad(), model.full_precision():
        together, again = model(inputs), model(inputs)
        in_company = model(torch.cat([inputs, inputs[:1]]))[: len(inputs)]  # one row twice: another batch
    if together.ndim != 2 or len(together) != len(inputs):
        raise InputError(
            f"the network maps a batch of shape {tuple(inputs.shape)} to {tuple(together.shape)}; it should give one "
            "row of logits, one for each class, for each row of the batch"
        )
    tolerance = TOLERANCE[together.dtype] * (1 + together.abs().max().item())
    if (together - again).abs().max().item() > tolerance:
        raise InputError(
            "the network answers the same images differently each time, so that a loss is not one sample's: dropout or "
            "other noise is active although it is in evaluation mode. Make it follow module.training "
            "(nn.Dropout does; F.dropout needs training=self.training), or take it out"
        )
    if (together - in_company).abs().max().item() > tolerance:
        raise InputError(
            "the network's answer to an image depends on the other images of its batch, so that a loss is not one "
            "sample's: batch normalisation is active although it is in evaluation mode. Make it follow module.training "
            "(nn.BatchNorm2d with track_running_stats does), or use group or layer normalisation"
        )
