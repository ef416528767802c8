"""What one fold of an audit takes: memory, disk and time, stage by stage, and how its run is to be recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from labelaudit.config import InfluenceConfig
from labelaudit.data.examples import Examples
from labelaudit.errors import InputError
from labelaudit.influence.derivatives import choose_differentiation, forward_over_reverse
from labelaudit.influence.scoring import Scoring, Stretch
from labelaudit.models.flat import FlatModel
from labelaudit.training.fine_tune import Plan
from labelaudit.training.needs import PassCosts, measure_passes, vectors_memory
from labelaudit.training.recording import Recording, plan_recording
from labelaudit.training.window import Window, parse_windows
from labelaudit.units import gigabytes


@dataclass(frozen=True)
class FoldSize:
    """How large a fold is.

    Attributes:
        rows: N, those that train.
        query_rows: M.
        folds: How many folds there are; with several, query rows are predicted in the fine-tune, too.
        theta_bytes: Of all trained parameters that a process has.
        tracked_bytes: Of those that influence goes through.
    """

    rows: int
    query_rows: int
    folds: int
    theta_bytes: int
    tracked_bytes: int

    @classmethod
    def of(cls, model: FlatModel, rows: int, query_rows: int, folds: int) -> FoldSize:
        """The size of a fold that trains a network; of several processes that of the one which has most of it."""
        theta_bytes, tracked_bytes = (int(model.team.most(vector.nbytes)) for vector in (model.theta, model.tracked))
        return cls(rows, query_rows, folds, theta_bytes, tracked_bytes)


@dataclass(frozen=True)
class FoldNeeds:
    """What a fold takes.

    Attributes:
        recording: How its trajectory is kept.
        working_memory: Bytes beside the data and the trajectory.
        fine_tuning: Seconds.
        sweeping: Seconds, query and scoring included.
    """

    recording: Recording
    working_memory: int
    fine_tuning: float
    sweeping: float

    @property
    def memory(self) -> int:
        """Bytes beside the data."""
        return self.working_memory + self.recording.memory

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.fine_tuning + self.sweeping


def scan_window(settings: InfluenceConfig, plan: Plan, rows: int) -> Window:
    """The one window a scan ranks by.

    Raises:
        InputError: The setting names several, or one outside the run.
    """
    windows = parse_windows(
        settings.window, plan.epochs, plan.steps_per_epoch(rows), settings.removal, settings.query_at
    )
    if settings.window == "each":
        raise InputError("--window each names one window for every epoch; a scan ranks by one, such as last")
    return windows[0]


def fold_windows(settings: InfluenceConfig, plan: Plan, rows: int) -> list[Window]:
    """The window a scan ranks by and, if influence over the epochs is wanted, one for each of them.

    Raises:
        InputError: See `scan_window`.
    """
    windows = [scan_window(settings, plan, rows)]
    if settings.over_epochs:
        shape = plan.epochs, plan.steps_per_epoch(rows)
        windows += parse_windows("each", *shape, settings.removal, settings.query_at)
    return windows


def sweep_rows(windows: list[Window], scoring: Scoring, rows: int, plan: Plan) -> int:
    """Rows the sweep goes over, as it reports them."""
    steps = max(window.stop for window in windows) - min(window.first_step for window in windows)
    scored = sum(len(scoring.stretches(window)) for window in windows)
    return round(rows * steps / plan.steps_per_epoch(rows)) + rows * scored


def scored_at_the_end(window: Window, scoring: Scoring, total_steps: int) -> bool:
    """Whether all rows are scored once, at θ_T, where they also have to be predicted."""
    return scoring.stretches(window) == [Stretch(window.start, total_steps, total_steps)]


def measured_needs(
    model: FlatModel,
    examples: Examples,
    rows: Tensor,
    size: FoldSize,
    plan: Plan,
    settings: InfluenceConfig,
    *,
    memory: float,
    disk: float,
    timed: bool = True,
) -> FoldNeeds:
    """Measure passes over some of the rows, and plan a fold within some memory and disk.

    Where activations do not fit, the network is told to compute them anew in backward passes.

    Args:
        model: The network; what it does with activations may be changed.
        examples: Where inputs are.
        rows: Those to measure with, int64.
        size: Of the fold.
        plan: Its fine-tune.
        settings: Its window, and how influence is estimated.
        memory: Bytes a process may take; several come to the same plan.
        disk: Bytes the leader may take of the disk.
        timed: Whether anyone wants to know how long it will take.

    Raises:
        InputError: It does not fit; the message says what would.
    """
    exact = choose_differentiation(settings.derivatives, model) is forward_over_reverse
    memory, disk = model.team.least(memory), model.team.of_leader(disk)

    def measured() -> FoldNeeds:
        costs = measure_passes(model, examples, rows, plan, timed=timed)
        return fold_needs(size, plan, settings, costs, exact=exact, memory=int(memory), disk=int(disk))

    try:
        return measured()
    except InputError:
        if exact or not model.recompute_activations():  # forward mode does not go through that
            raise
        needs = measured()
        return replace(needs, recording=replace(needs.recording, recompute=True))


def fold_needs(
    size: FoldSize, plan: Plan, settings: InfluenceConfig, costs: PassCosts, *, exact: bool, memory: int, disk: int
) -> FoldNeeds:
    """Plan a fold within some memory and disk.

    Args:
        size: Its rows and parameters.
        plan: Its fine-tune.
        settings: Its window, and how influence is estimated.
        costs: What a row costs.
        exact: Whether derivatives are forward over reverse, which keeps tangents with the activations.
        memory: Bytes it may take.
        disk: Bytes of disk it may take.

    Raises:
        InputError: It does not fit; the message says what would.
    """
    windows, scoring = fold_windows(settings, plan, size.rows), Scoring(settings.estimator, settings.scoring_steps)
    total_steps = plan.epochs * plan.steps_per_epoch(size.rows)
    copies = vectors_memory(size.theta_bytes, size.tracked_bytes, plan.optimizer, clipping=plan.clip_norm is not None)
    working = (2 + exact) * costs.activations * min(plan.batch_size, size.rows) + copies
    if working > memory:
        raise InputError(
            f"the fine-tune needs {gigabytes(working)} of memory and {gigabytes(memory)} may be used: try a smaller "
            f"--batch-size (it is {plan.batch_size}), a smaller --image-size or a smaller --model"
        )
    recording = plan_recording(
        windows, total_steps, size.theta_bytes, plan.optimizer,
        memory=memory - working, disk=disk, mode=settings.trajectory,
    )  # fmt: skip
    lanes = {(window.first_step, window.stop) for window in windows}  # windows alike share one
    swept = size.rows * sum(stop - start for start, stop in lanes) / plan.steps_per_epoch(size.rows)
    replayed = size.rows * (recording.stop - recording.first) / plan.steps_per_epoch(size.rows)
    again = plan.optimizer.adjoint_needs_state or plan.clip_norm is not None
    scored = size.rows * sum(len(scoring.stretches(window)) for window in windows)
    predicted = scored + size.rows * (exact or not scored_at_the_end(windows[0], scoring, total_steps))
    fine_tuning = costs.train * size.rows * plan.epochs
    if size.folds > 1:
        fine_tuning += costs.predict * size.query_rows * max(0, plan.epochs - 2)
    ends = {window.stop for window in windows}
    presumed = size.folds > 1 and plan.epochs > 2 and total_steps in ends  # its temperature, which spares a pass
    predicted += size.query_rows * (len(ends) - presumed)
    sweeping = (
        costs.track * (swept * (4 if exact else 1) + size.query_rows * len(ends))
        + costs.again * swept * (not exact)
        + costs.train * (swept * again + replayed * (recording.interval > 1))
        + costs.predict * predicted
        + (costs.predict if exact else costs.predict_again) * scored
    )
    return FoldNeeds(recording, working, fine_tuning, sweeping)
