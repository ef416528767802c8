"""What a fold takes: memory, disk and time, and how its trajectory is to be kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from labelaudit.audit.fold_plan import FoldPlan
from labelaudit.data.batches import Batches
from labelaudit.errors import InputError
from labelaudit.models.flat import FlatModel
from labelaudit.training.needs import PassCosts, measure_passes, vectors_memory
from labelaudit.training.recording import Recording, plan_recording
from labelaudit.types import TrajectoryMode
from labelaudit.units import format_bytes


@dataclass(frozen=True)
class FoldNeeds:
    """What a fold takes.

    Attributes:
        recording: How its trajectory is kept.
        working_memory: Bytes beside the data and the trajectory.
        fine_tuning: Seconds.
        sweeping: Seconds, query and scoring included.
        waiting: How many times as long passes took as the processor worked on them.
    """

    recording: Recording
    working_memory: int
    fine_tuning: float
    sweeping: float
    waiting: float = 1.0

    @property
    def memory(self) -> int:
        """Bytes beside the data."""
        return self.working_memory + self.recording.memory


def measured_needs(
    model: FlatModel,
    batches: Batches,
    rows: Tensor,
    plan: FoldPlan,
    mode: TrajectoryMode,
    *,
    memory: float,
    disk: float,
    timed: bool = True,
) -> FoldNeeds:
    """Measure passes over some of the rows, and fit a fold into some memory and disk.

    Where activations do not fit, the network is told to recompute them in backward passes.

    Args:
        model: The network; what it does with activations may be changed.
        batches: Where inputs are.
        rows: Those to measure with, int64.
        plan: The fold.
        mode: How the trajectory may be kept.
        memory: Bytes a process may take; several processes come to the same decision.
        disk: Bytes that rank 0 may take of the disk.
        timed: Whether passes are timed, too; else all seconds are 0.

    Raises:
        InputError: It does not fit; the message says what would.
    """
    memory, disk = model.process_group.min(memory), model.process_group.from_leader(disk)

    def measured() -> FoldNeeds:
        costs = measure_passes(model, batches, rows, plan.training, timed=timed)
        return fold_needs(plan, costs, mode, memory=int(memory), disk=int(disk))

    try:
        return measured()
    except InputError:
        if plan.forward_mode or not model.recompute_activations():  # forward mode does not go through that
            raise
        needs = measured()
        return replace(needs, recording=replace(needs.recording, recompute=True))


def fold_needs(plan: FoldPlan, costs: PassCosts, mode: TrajectoryMode, *, memory: int, disk: int) -> FoldNeeds:
    """Fit a fold into some memory and disk.

    Args:
        plan: The fold.
        costs: What a row costs.
        mode: How the trajectory may be kept.
        memory: Bytes it may take.
        disk: Bytes of disk it may take.

    Raises:
        InputError: It does not fit; the message says what would.
    """
    working = working_memory(plan, costs)
    if working > memory:
        raise InputError(
            f"the fine-tune needs {format_bytes(working)} of memory and {format_bytes(memory)} may be used: try a "
            f"smaller `batch_size` (it is {plan.training.batch_size}), a smaller `image_size` or a smaller `model`"
        )
    recording = plan_recording(
        plan.windows,
        plan.total_steps,
        plan.theta_bytes,
        plan.training.optimizer,
        memory=memory - working,
        disk=disk,
        mode=mode,
    )
    return FoldNeeds(recording, working, _fine_tuning(plan, costs), _sweeping(plan, costs, recording), costs.waiting)


def working_memory(plan: FoldPlan, costs: PassCosts) -> int:
    """Bytes of activations and of all vectors like θ."""
    training = plan.training
    clipping = training.clip_norm is not None
    copies = vectors_memory(plan.theta_bytes, plan.tracked_bytes, training.optimizer, clipping=clipping)
    return (2 + plan.forward_mode) * costs.activations * min(training.batch_size, plan.rows) + copies


def _fine_tuning(plan: FoldPlan, costs: PassCosts) -> float:
    seconds = costs.train * plan.rows * plan.training.epochs
    if plan.folds > 1:
        seconds += costs.predict * plan.query_rows * max(0, plan.training.epochs - 2)
    return seconds


def _sweeping(plan: FoldPlan, costs: PassCosts, recording: Recording) -> float:
    training, rows, forward_mode = plan.training, plan.rows, plan.forward_mode
    per_epoch = training.steps_per_epoch(rows)
    chains = {(window.first_step, window.stop) for window in plan.windows}  # windows alike share one
    swept = rows * sum(stop - start for start, stop in chains) / per_epoch
    replayed = rows * (recording.stop - recording.first) / per_epoch if recording.interval > 1 else 0
    needs_gradient = training.optimizer.adjoint_needs_state or training.clip_norm is not None
    ends = {window.stop for window in plan.windows}
    # The last prediction of the fine-tune gives the query's temperature at θ_T, which spares a pass.
    spared = plan.folds > 1 and training.epochs > 2 and plan.total_steps in ends
    scored = rows * plan.scoring_passes
    predicted = scored + plan.query_rows * (len(ends) - spared)
    if forward_mode or not plan.scores_at_the_end:
        predicted += rows
    return (
        costs.track * (swept * (4 if forward_mode else 1) + plan.query_rows * len(ends))
        + costs.again * swept * (not forward_mode)
        + costs.train * (swept * needs_gradient + replayed)
        + costs.predict * predicted
        + (costs.predict if forward_mode else costs.predict_again) * scored
    )
