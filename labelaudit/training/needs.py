"""What a run will need, measured on some of its own rows before anything long starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from statistics import median

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from labelaudit.data.batches import Batches
from labelaudit.errors import InputError
from labelaudit.models.flat import FlatModel
from labelaudit.training.epoch_means import EpochMeans
from labelaudit.training.fine_tune import Plan, backpropagate, take_step
from labelaudit.training.optimizers import Optimizer
from labelaudit.training.trajectory import Step

PROBE_ROWS = 2
PROBE_SECONDS = 0.3  # a whole mini-batch is timed if it is expected to take no longer
QUICK, MOST_REPEATS = 0.03, 20  # passes are timed so often, unless that takes more seconds
FEWEST_REPEATS = 3  # unless that takes more than `PROBE_SECONDS`: of three, one that was disturbed does not count
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-8}


@dataclass(frozen=True)
class PassCosts:
    """What a row of a mini-batch costs a process, which may have several to share the mini-batch with.

    Attributes:
        train: Seconds of a step of the fine-tune.
        predict: Seconds of a forward pass.
        track: Seconds of a forward pass, and a backward pass to the tracked parameters.
        again: Seconds of another one over the same rows, with what the tracked parameters do not reach kept.
        predict_again: Seconds of another forward pass likewise.
        activations: Bytes kept for the backward pass.
        waiting: How many times as long passes take as the processor works on them: more than 1 where other programs
            use it. On a GPU 1, as it is not known there.
    """

    train: float
    predict: float
    track: float
    again: float
    predict_again: float
    activations: int
    waiting: float = 1.0


def measure_passes(model: FlatModel, batches: Batches, rows: Tensor, plan: Plan, *, timed: bool = True) -> PassCosts:
    """Weigh what a pass over a few of the rows keeps; time passes over them, or steps of mini-batches if that is quick.

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

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(weigh, lambda tensor: tensor):
        cross_entropy(model(inputs), labels)
    activations = sum(storage.nbytes() for storage in kept.values())  # 0 for a block's parameters, gone if sharded
    activations //= len(labels) * process_group.size
    activations = int(process_group.max(activations))
    if not timed:
        return PassCosts(0, 0, 0, 0, 0, activations)

    def train() -> None:
        """Every process takes the same rows, as if they were its shard of more."""
        backpropagate(model, inputs, labels, len(labels) * process_group.size)

    trained = process_group.max(_seconds(model, train)[0])
    quick = trained * batch_size / len(labels) < PROBE_SECONDS
    if quick:
        inputs, labels = batches.batch(rows[:batch_size])
    shuffled = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]
    whole = len(rows) - len(rows) % len(labels)  # rows in mini-batches of full size, whose times are asked for
    others = cycle(shuffled[:whole].split(len(labels)))

    def fetch() -> None:
        batches.batch(next(others))

    def predict() -> None:
        with torch.no_grad():
            model(inputs)

    fetched, _ = _typical(model, fetch)
    stepped, waiting = _typical(model, _steps(model, batches, plan, others) if quick else train)
    with model.tracking():
        tracked, _ = _typical(model, train)
        with model.fixed_inputs(inputs):
            predicted = process_group.max(_seconds(model, predict)[0])
            predicted_again, _ = _typical(model, predict)
    # What the first pass computed and the next ones need not; of times taken on a busy machine it may come out larger
    # than a whole tracked pass, which still holds a forward pass.
    spared, rows_of_all = max(0.0, predicted - predicted_again), len(labels) * process_group.size
    return PassCosts(
        train=(stepped if quick else fetched + stepped) / rows_of_all,
        predict=(fetched + predicted) / rows_of_all,
        track=(fetched + tracked) / rows_of_all,
        again=max(tracked - spared, predicted_again) / rows_of_all,
        predict_again=(predicted - spared) / rows_of_all,
        activations=activations,
        waiting=waiting,
    )


def _steps(model: FlatModel, batches: Batches, plan: Plan, mini_batches: Iterator[Tensor]) -> Callable[[], None]:
    """What takes a step of the fine-tune with the next rows, but leaves θ where it is.

    Every process has these rows as its shard.
    """
    moments = model.theta.new_zeros(plan.optimizer.moments, len(model.theta))
    means: EpochMeans | None = None

    def step() -> None:
        nonlocal means
        rows = next(mini_batches)
        of_all = rows.repeat(model.process_group.size)
        logits = take_step(model, batches, plan, Step(0, of_all, learning_rate=0.0), moments)
        means = means or EpochMeans(rows, batches.labels, logits.shape[1], 1)  # other rows' means go into its last one
        means.add(logits.double().cpu(), of_all, 0)

    return step


def vectors_memory(theta_bytes: int, tracked_bytes: int, optimizer: Optimizer, *, clipping: bool) -> int:
    """Bytes of all vectors like θ: it, its gradient and θ_T; in the fine-tune the moments; in the sweep those tracked.

    Those are the adjoints, c, H c and Σ c; for AdamW the gradient twice and two vectors in between; for clipping the
    gradient twice.
    """
    more = 4 if optimizer.adjoint_needs_state else 2 * clipping
    moments = optimizer.moments
    return 3 * theta_bytes + max(moments * theta_bytes, (4 + moments + more) * tracked_bytes)


def _typical(model: FlatModel, run: Callable[[], object]) -> tuple[float, float]:
    """The median time of some runs, and how many times as long they take as the processor works on them.

    Of several processes, which have to run as often, the most; of one run each.
    """
    times: list[tuple[float, float]] = []
    most = MOST_REPEATS if model.process_group.size == 1 else 1
    spent = 0.0
    while not times or (len(times) < most and spent < (QUICK if len(times) >= FEWEST_REPEATS else PROBE_SECONDS)):
        times.append(_seconds(model, run))
        spent += times[-1][0]
    waiting = 1.0 if model.theta.is_cuda else median(clock / max(worked, 1e-9) for clock, worked in times)
    return model.process_group.max(median(clock for clock, _ in times)), model.process_group.max(waiting)


def _seconds(model: FlatModel, run: Callable[[], object]) -> tuple[float, float]:
    """How long a run takes, and how long of it this thread has worked."""
    started, worked = time.perf_counter(), time.thread_time()
    run()
    if model.theta.is_cuda:
        torch.cuda.synchronize(model.theta.device)
    return time.perf_counter() - started, time.thread_time() - worked


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
