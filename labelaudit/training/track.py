"""Train a network of one's own and record the run, for `dynamic_influence` and its kin."""

from __future__ import annotations

from torch import Tensor, nn

from labelaudit.data.batches import Batches
from labelaudit.models.flat import FlatModel
from labelaudit.progress import Advance, ignore
from labelaudit.runtime.machine import free_memory, reproducible
from labelaudit.training.fine_tune import Plan, Run, fine_tune
from labelaudit.training.needs import check_per_sample_loss
from labelaudit.training.recording import plan_recording
from labelaudit.training.window import Window
from labelaudit.types import checked


@checked
def track(
    network: nn.Module, batches: Batches, rows: Tensor, plan: Plan, seed: int = 0, progress: Advance = ignore
) -> Run:
    """Train `network` on some rows and record every step, so that any window of the run can be looked at.

    States are kept in memory, all of them if they fit into half of what is free, else every √T-th of T.

    Args:
        network: Maps inputs (B, …) to logits (B, C); trained in place, in evaluation mode, where it is and as precise
            as it is (float64 if influence is to be exact).
        batches: Inputs and labels.
        rows: The rows to train on, int64, shape (N,).
        plan: Optimizer, epochs, batch size, learning rate.
        seed: Decides the data order.
        progress: Called after each step with the number of rows it has seen.

    Returns:
        The recorded run, for `dynamic_influence`, `leave_one_out` and `influence_function`.

    Raises:
        InputError: The network's loss is not one sample's, the run does not fit into memory, or the training diverged.
    """
    first = next(network.parameters())
    model = FlatModel(network, first.device, first.dtype)
    check_per_sample_loss(model, batches, rows)
    steps = plan.epochs * plan.steps_per_epoch(len(rows))
    recording = plan_recording(
        [Window("full", 0, steps)],
        steps,
        model.theta.nbytes,
        plan.optimizer,
        memory=free_memory(first.device) // 2,
        keep_moments=True,
    )
    with reproducible():
        return fine_tune(model, batches, rows, plan, seed, recording, progress)
