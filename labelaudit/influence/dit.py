"""Dynamic Influence Tracker: one sweep back over the recorded steps (Algorithm 2, METHOD §2 and §3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from labelaudit.checkpoints import Checkpoints
from labelaudit.config import Estimator
from labelaudit.influence.derivatives import BatchDerivatives, Differentiate
from labelaudit.influence.queries import Query
from labelaudit.training.fine_tune import Run, backpropagate
from labelaudit.training.optimizers import Adjoint, Point, clip, clip_adjoint
from labelaudit.training.trajectory import State, Step
from labelaudit.training.window import Window


@dataclass(frozen=True)
class Scoring:
    """How contributions are summed.

    Attributes:
        estimator: `visited` is the paper's sum over the steps that saw j, with weight 1[j ∈ S_t]/|S_t|. `expected` is
            its expectation over the draw of the mini-batches, with weight 1/N at every step, estimated from
            `scoring_steps` of the window's T_w steps with weight T_w/(N·scoring_steps).
        scoring_steps: How many steps of the window `expected` evaluates, evenly spaced.
    """

    estimator: Estimator = "visited"
    scoring_steps: int = 2

    def steps(self, window: Window) -> dict[int, float]:
        """The steps at which `expected` scores all rows for a window, and how many steps each stands for.

        What lies before a window that is removed from the start counts as a window of its own: the adjoint jumps at t1.
        """
        stretches = [(window.start, window.stop)]
        if window.first_step < window.start:
            stretches.append((window.first_step, window.start))
        stands_for = {}
        for start, stop in stretches:
            count = min(self.scoring_steps, stop - start)
            for i in range(count):
                stands_for[start + int((i + 0.5) * (stop - start) / count)] = (stop - start) / count
        return stands_for


@dataclass
class _Lane:
    """An adjoint on its way back, and the windows that read from it."""

    windows: list[int]
    stop: int
    start: int
    adjoint: Adjoint | None = None


def sweep(
    run: Run,
    windows: Sequence[Window],
    query: Query,
    differentiate: Differentiate,
    scoring: Scoring,
    progress: Callable[[int], None],
    checkpoints: Checkpoints | None = None,
) -> Tensor:
    """How much the query would change if a row were left out, for every label the row could have.

    For row j and class c the result is Q_j(c) = −Σ_t w_tj <∇ℓ(x_j, c; θ_t), c_t>, where c_t is the adjoint of the
    step's mini-batch gradient (`Optimizer.pull_back`). Its column of the given label is the influence of the row; the
    others say what the influence would be under another label.

    Windows that leave a sample out inside only, and end together, share one adjoint, as do the K vectors of a query one
    pass; an adjoint is dropped at the start of the earliest window that reads it.

    Args:
        run: The recorded fine-tune. Its model is left at θ_T.
        windows: What to estimate, W windows.
        query: K quantities.
        differentiate: How derivatives along a direction are computed.
        scoring: How contributions are summed.
        progress: Called with the number of rows of each pass.
        checkpoints: Where to save the sweep from time to time, and to go on from if it was saved.

    Returns:
        Q, float64, shape (W, K, N, C), in the query's unit; negative where leaving the row out would lower the query.

    Raises:
        InputError: The run did not record a window.
    """
    trajectory, model = run.trajectory, run.model
    model.theta.copy_(run.final)
    first, stop = min(window.first_step for window in windows), max(window.stop for window in windows)
    for window in windows:
        run.check_recorded(window, moments=False)
    final = query.gradient(model) if any(window.query_at == "final" for window in windows) else None
    lanes = _lanes(windows)
    influence = torch.zeros(
        len(windows), len(query.names), len(run.rows), run.mean_logits.shape[1], dtype=torch.float64
    )
    place = run.places()
    chosen = [scoring.steps(window) for window in windows]

    def arrive(index: int) -> None:
        """At θ_t: begin the lanes that end here, and subtract q(t1) where a two-ended query asks for it."""
        at_end: Tensor | None = None
        for lane in lanes:
            window = windows[lane.windows[0]]
            leaves = window.removal == "start" and window.start == index > 0
            if lane.stop != index and not leaves:
                continue
            if window.query_at == "final":
                assert final is not None
                vector = final
            else:
                vector = at_end = query.gradient(model) if at_end is None else at_end
            if lane.stop == index:
                lane.adjoint = Adjoint.of(vector, run.plan.optimizer)
            else:
                assert lane.adjoint is not None
                lane.adjoint.theta -= vector

    def cross(step: Step, state: State) -> None:
        """Carry the active lanes over a step, and add what it contributes."""
        active = [lane for lane in lanes if lane.start <= step.index < lane.stop]
        if not active:
            return
        directions, batch = _pull_back(run, step, state, [_adjoint_of(lane) for lane in active], differentiate)
        reading = [[w for w in lane.windows if windows[w].first_step <= step.index] for lane in active]
        if scoring.estimator == "visited":
            for changes, lane_windows in zip(batch.loss_changes().chunk(len(active)), reading, strict=True):
                for w in lane_windows:
                    influence[w][:, place[step.rows]] -= changes / len(step.rows)
        elif any(step.index in chosen[w] for lane_windows in reading for w in lane_windows):
            for part in torch.arange(len(run.rows)).split(run.plan.batch_size * model.team.size):
                inputs, labels = run.examples.batch(run.rows[part], share=model.team.share(len(part)))
                batch = differentiate(model, inputs, labels, directions, rows=len(part), hessian=False)
                for changes, lane_windows in zip(batch.loss_changes().chunk(len(active)), reading, strict=True):
                    for w in lane_windows:
                        if step.index in chosen[w]:
                            influence[w][:, part] -= changes * (chosen[w][step.index] / len(run.rows))
                progress(len(part))
        for lane in active:
            if lane.start == step.index:
                lane.adjoint = None

    loaded = _load(checkpoints, lanes, influence, model.theta.device) if checkpoints is not None else None
    reached = stop if loaded is None else loaded
    if loaded is None and stop == run.total_steps:
        arrive(stop)
    top = min(reached + 1, trajectory.stop)  # one more, for θ at the end of a window that ends before the run does
    for step, state in trajectory.backwards(top, first, model.theta, run.replay):
        model.theta.copy_(state.theta)
        if step.index < reached:
            cross(step, state)
            progress(len(step.rows))
        if step.index < reached or loaded is None:
            arrive(step.index)
        if checkpoints is not None and checkpoints.due():
            _save(checkpoints, lanes, influence, step.index)
    model.theta.copy_(run.final)
    return influence


def _lanes(windows: Sequence[Window]) -> list[_Lane]:
    """One lane for each window, but one for all that leave a sample out inside and share the vector they start from."""
    lanes: dict[object, _Lane] = {}
    for number, window in enumerate(windows):
        key = (window.stop, window.query_at) if window.removal == "window" or window.start == 0 else number
        lane = lanes.setdefault(key, _Lane([], window.stop, window.first_step))
        lane.windows.append(number)
        lane.start = min(lane.start, window.first_step)
    return list(lanes.values())


def _adjoint_of(lane: _Lane) -> Adjoint:
    assert lane.adjoint is not None
    return lane.adjoint


def _pull_back(
    run: Run, step: Step, state: State, adjoints: list[Adjoint], differentiate: Differentiate
) -> tuple[Tensor, BatchDerivatives]:
    """Carry adjoints over a step at whose θ the model is; return the directions (L·K, P) and the batch along them."""
    model, plan = run.model, run.plan
    rows = len(step.rows)
    inputs, labels = run.examples.batch(step.rows, step.index, model.team.share(rows))
    gradient = model.theta.new_empty(0)
    if plan.optimizer.adjoint_needs_state or plan.clip_norm is not None:
        backpropagate(model, inputs, labels, rows)
        gradient = model.gradient.clone()
    clipped = gradient if plan.clip_norm is None else clip(gradient.clone(), plan.clip_norm, model.norm)
    point = Point(model.theta, state.moments, clipped, step.learning_rate, step.index + 1)
    parts = [plan.optimizer.pull_back(adjoint, point) for adjoint in adjoints]
    if plan.clip_norm is not None:
        parts = [clip_adjoint(part, gradient, plan.clip_norm, model.norm, model.inner) for part in parts]
    directions = parts[0] if len(parts) == 1 else torch.cat(parts)
    batch = differentiate(model, inputs, labels, directions, rows=rows, hessian=True)
    for adjoint, product in zip(adjoints, batch.hessian_vectors.chunk(len(adjoints)), strict=True):
        adjoint.theta += product
    return directions, batch


def _save(checkpoints: Checkpoints, lanes: list[_Lane], influence: Tensor, reached: int) -> None:
    tensors = {"influence": influence, "reached": torch.tensor([reached])}
    for number, lane in enumerate(lanes):
        if lane.adjoint is not None:
            tensors |= {f"theta{number}": lane.adjoint.theta, f"moments{number}": lane.adjoint.moments}
    checkpoints.save("sweep", tensors)


def _load(checkpoints: Checkpoints, lanes: list[_Lane], influence: Tensor, device: torch.device) -> int | None:
    """Put a saved sweep into `lanes` and `influence`; return the step it had come back to, None if none was saved."""
    saved = checkpoints.load("sweep")
    if saved is None:
        return None
    influence.copy_(saved["influence"])
    for number, lane in enumerate(lanes):
        if f"theta{number}" in saved:
            lane.adjoint = Adjoint(saved[f"theta{number}"].to(device), saved[f"moments{number}"].to(device))
    return int(saved["reached"].item())
