"""Dynamic Influence Tracker: one sweep back over the recorded steps (Algorithm 2, METHOD §2 and §3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from labelaudit.checkpoints import Checkpoints
from labelaudit.influence.derivatives import BatchDerivatives, Differentiate
from labelaudit.influence.queries import Query
from labelaudit.influence.scoring import Scoring
from labelaudit.training.fine_tune import Run, backpropagate
from labelaudit.training.optimizers import Adjoint, Point, clip, clip_adjoint
from labelaudit.training.predict import rows_at_once
from labelaudit.training.trajectory import State, Step
from labelaudit.training.window import Window


@dataclass
class _Lane:
    """An adjoint on its way back, and the windows that read from it."""

    windows: list[int]
    stop: int
    start: int
    adjoint: Adjoint | None = None


@dataclass
class _Gathered:
    """What a window has gathered of the stretch it is in: Σ c_t, shape (K, P_t), and the θ to score at, shape (P,)."""

    directions: Tensor
    theta: Tensor | None = None


def sweep(
    run: Run,
    windows: Sequence[Window],
    query: Query,
    differentiate: Differentiate,
    scoring: Scoring,
    progress: Callable[[int], None],
    checkpoints: Checkpoints | None = None,
    scored: Callable[[BatchDerivatives], None] = lambda batch: None,
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
        scored: Called with each batch of a pass that scores all rows (N,) for the first window, in their order.

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
    stretches = [scoring.stretches(window) for window in windows]
    gathered: dict[int, _Gathered] = {}

    def arrive(index: int) -> None:
        """At θ_t: begin the lanes that end here, and subtract q(t1) where a two-ended query asks for it."""
        for w, parts in enumerate(stretches):
            if any(stretch.at == stretch.stop == index for stretch in parts):
                gathered[w] = blank(run.final if index == run.total_steps else model.theta.clone())
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

    def blank(theta: Tensor | None = None) -> _Gathered:
        return _Gathered(model.tracked.new_zeros(len(query.names), len(model.tracked)), theta)

    def gather(w: int, index: int, state: State, directions: Tensor) -> None:
        """Add what a step contributes to a window's stretch, and at the stretch's first step score all rows."""
        stretch = next(part for part in stretches[w] if part.start <= index < part.stop)
        found = gathered.setdefault(w, blank())
        found.directions += directions
        if index == stretch.at:
            found.theta = state.theta.clone()
        if index > stretch.start:
            return
        assert found.theta is not None
        model.theta.copy_(found.theta)
        own = found.theta[len(found.theta) - len(model.tracked) :]
        at_once = rows_at_once(run.examples, run.plan.batch_size) * model.team.size
        for part in torch.arange(len(run.rows)).split(at_once):
            inputs, labels = run.examples.batch(run.rows[part], share=model.team.share(len(part)))
            batch = differentiate(model, inputs, labels, found.directions, hessian=False, theta=own, rows=len(part))
            influence[w][:, part] -= batch.loss_changes() / len(run.rows)
            if w == 0:
                scored(batch)
            progress(len(part))
        model.theta.copy_(state.theta)
        del gathered[w]

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
        else:
            for part, lane_windows in zip(directions.chunk(len(active)), reading, strict=True):
                for w in lane_windows:
                    gather(w, step.index, state, part)
        for lane in active:
            if lane.start == step.index:
                lane.adjoint = None

    loaded = _load(checkpoints, lanes, gathered, influence, model.theta.device) if checkpoints is not None else None
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
        # (At the end there is nothing left to go on with, but for what `scored` has seen.)
        if checkpoints is not None and checkpoints.due() and step.index > first:
            _save(checkpoints, lanes, gathered, influence, step.index)
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
    first = len(model.theta) - len(model.tracked)
    gradient, norm = model.tracked.new_empty(0), 0.0
    if plan.optimizer.adjoint_needs_state or plan.clip_norm is not None:
        backpropagate(model, inputs, labels, rows)
        length = model.norm(model.gradient)
        gradient, norm = model.tracked_gradient.clone(), length.item()
        if plan.clip_norm is not None:
            clip(model.gradient, length, plan.clip_norm)
    clipped = model.tracked_gradient.clone() if len(gradient) else gradient
    point = Point(model.tracked, state.moments[:, first:], clipped, step.learning_rate, step.index + 1)
    parts = [plan.optimizer.pull_back(adjoint, point) for adjoint in adjoints]
    if plan.clip_norm is not None:
        parts = [clip_adjoint(part, gradient, norm, plan.clip_norm, model.inner) for part in parts]
    directions = parts[0] if len(parts) == 1 else torch.cat(parts)
    batch = differentiate(model, inputs, labels, directions, hessian=True, theta=state.theta[first:], rows=rows)
    for adjoint, product in zip(adjoints, batch.hessian_vectors.chunk(len(adjoints)), strict=True):
        adjoint.theta += product
    return directions, batch


def _save(
    checkpoints: Checkpoints, lanes: list[_Lane], gathered: dict[int, _Gathered], influence: Tensor, reached: int
) -> None:
    tensors = {"influence": influence, "reached": torch.tensor([reached])}
    for w, found in gathered.items():
        tensors[f"gathered{w}"] = found.directions
        if found.theta is not None:
            tensors[f"scored-at{w}"] = found.theta
    for number, lane in enumerate(lanes):
        if lane.adjoint is not None:
            tensors |= {f"theta{number}": lane.adjoint.theta, f"moments{number}": lane.adjoint.moments}
    checkpoints.save("sweep", tensors)


def _load(
    checkpoints: Checkpoints,
    lanes: list[_Lane],
    gathered: dict[int, _Gathered],
    influence: Tensor,
    device: torch.device,
) -> int | None:
    """Put a saved sweep back where it was; return the step it had come back to, None if none was saved."""
    saved = checkpoints.load("sweep")
    if saved is None:
        return None
    influence.copy_(saved["influence"])
    for number, lane in enumerate(lanes):
        if f"theta{number}" in saved:
            lane.adjoint = Adjoint(saved[f"theta{number}"].to(device), saved[f"moments{number}"].to(device))
    for w in range(len(influence)):
        if f"gathered{w}" in saved:
            theta = saved.get(f"scored-at{w}")
            gathered[w] = _Gathered(saved[f"gathered{w}"].to(device), None if theta is None else theta.to(device))
    return int(saved["reached"].item())
