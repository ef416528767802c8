"""What a run will need, measured on one of its own mini-batches before anything long starts."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from labelaudit.config import Shard
from labelaudit.data.examples import Examples
from labelaudit.distributed import Team
from labelaudit.errors import InputError
from labelaudit.models.flat import FlatModel
from labelaudit.models.sharded import ShardedModel
from labelaudit.runtime import memory_of_process
from labelaudit.training.fine_tune import Plan, backpropagate

PROBE_ROWS = 4
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-8}
PARAMETER_COPIES = 8
"""θ, its gradient and θ_T; two adjoints, a direction, H c; θ again while it is perturbed. Moments come on top."""


@dataclass(frozen=True)
class StepCost:
    """One training step on a full mini-batch.

    Attributes:
        seconds: Wall time.
        activations: Bytes kept for the backward pass by each process.
    """

    seconds: float
    activations: int

    def working_memory(self, theta_bytes: int, moments: int, forward_mode: bool) -> int:
        """Bytes a fine-tune and its sweep need beside the trajectory; forward mode keeps tangents with activations."""
        return (2 + forward_mode) * self.activations + (PARAMETER_COPIES + 2 * moments) * theta_bytes


def place(
    module: nn.Module, device: torch.device, dtype: torch.dtype, team: Team, moments: int, shard: Shard
) -> FlatModel:
    """Put a network where it is trained: whole in each process of a team, or if need be spread over them.

    Raises:
        InputError: The processes start from different parameters, as with different files of weights.
    """
    if team.size > 1:
        digest = hashlib.sha256()
        for parameter in module.parameters():
            digest.update(parameter.detach().cpu().numpy().tobytes())
        team.same("initial parameters", digest.hexdigest())
    if team.size > 1 and shard != "never":
        parameters = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
        needed = (PARAMETER_COPIES + 2 * moments) * parameters * dtype.itemsize
        if shard == "always" or needed > team.least(memory_of_process(device, team.neighbours)):
            return ShardedModel(module, device, dtype, team)
    return FlatModel(module, device, dtype, team)


def measure_step(model: FlatModel, examples: Examples, rows: Tensor, plan: Plan) -> StepCost:
    """Time a forward and backward pass over a few rows, the better of two, weigh what it keeps, and scale up.

    A whole mini-batch might be just what does not fit.
    """
    inputs, labels = examples.batch(rows[: min(PROBE_ROWS, plan.batch_size)])
    parameters = model.theta.untyped_storage().data_ptr()
    total = len(labels) * model.team.size  # every process takes the same rows, as if they were its share of more
    share = total / min(plan.batch_size, len(rows))
    kept: dict[int, torch.UntypedStorage] = {}

    def weigh(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() != parameters:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(weigh, lambda tensor: tensor):
        backpropagate(model, inputs, labels, total)
    activations = sum(storage.nbytes() for storage in kept.values())  # 0 for a block's parameters, gone if sharded
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        backpropagate(model, inputs, labels, total)
        if model.theta.is_cuda:
            torch.cuda.synchronize(model.theta.device)
        seconds.append(time.perf_counter() - started)
    return StepCost(min(seconds) / share, int(activations / share))


def check_per_sample_loss(model: FlatModel, examples: Examples, rows: Tensor) -> None:
    """Make sure that a row's logits depend on that row and θ alone, without which leaving a sample out means nothing.

    Raises:
        InputError: They depend on chance, as with active dropout, or on the other rows of the batch, as with active
            batch normalisation.
    """
    inputs, _ = examples.batch(rows[:PROBE_ROWS])
    with torch.no_grad():
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


def as_time(seconds: float) -> str:
    """A duration for people."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
