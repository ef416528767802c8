"""Dynamic Influence Tracker: one sweep back over the recorded steps (docs/method.md, "The sweep"; Algorithm 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from labelaudit.influence.derivatives import BatchDerivatives, Differentiate
from labelaudit.influence.queries import Query
from labelaudit.influence.scoring import Scoring
from labelaudit.runtime.checkpoints import Checkpoints, Sharding
from labelaudit.runtime.large_arrays import cells, touched
from labelaudit.training.fine_tune import Run, backpropagate
from labelaudit.training.optimizers import Adjoint, Point, clip, clip_adjoint
from labelaudit.training.predict import inference_batch_size
from labelaudit.training.trajectory import State, Step
from labelaudit.training.window import Window


@dataclass
class _AdjointChain:
    """An adjoint that is carried back from step `stop` to step `start`, and the windows that read from it."""

    windows: list[int]
    stop: int
    start: int
    adjoint: Adjoint | None = None


@dataclass
class _SegmentSum:
    """Sum of the directions c_t over a window's current segment, shape (K, P_t), and the θ to score at, shape (P,)."""

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

    Args:
        run: The recorded fine-tune. Its model is left at θ_T.
        windows: What to estimate, W windows.
        query: K quantities.
        differentiate: How derivatives along a direction are computed.
        scoring: How contributions are summed.
        progress: Called with the number of rows of each pass.
        checkpoints: Where the sweep is saved from time to time, and resumed from.
        scored: Called with each batch of a pass that scores all rows (N,) for the first window, in their order.

    Returns:
        Q, float64 (float32 if it is large), shape (W, K, N, C), in the query's unit; negative where leaving the row out
        would lower the query.

    Raises:
        InputError: The run did not record a window.
    """
    return _Sweep(run, windows, query, differentiate, scoring, progress, scored).back(checkpoints)


class _Sweep:
    """Carries adjoints back over the recorded steps and adds up what each step contributes.

    Windows that leave a sample out inside only, and end together, share one adjoint chain, as do the K vectors of a
    query one pass; an adjoint is dropped at the start of the earliest window that reads it.
    """

    def __init__(
        self,
        run: Run,
        windows: Sequence[Window],
        query: Query,
        differentiate: Differentiate,
        scoring: Scoring,
        progress: Callable[[int], None],
        scored: Callable[[BatchDerivatives], None],
    ) -> None:
        for window in windows:
            run.check_recorded(window, moments=False)
        self.run, self.model, self.windows, self.query = run, run.model, windows, query
        self.differentiate, self.scoring, self.progress, self.scored = differentiate, scoring, progress, scored
        self.chains = _adjoint_chains(windows)
        self.segments = [scoring.segments(window) for window in windows]
        self.sums: dict[int, _SegmentSum] = {}
        self.place = run.places()
        shape = len(windows), len(query.names), len(run.rows), run.mean_logits.shape[1]
        self.influence = torch.from_numpy(cells(prod(shape[:3]), shape[3])).view(shape)
        self.model.theta.copy_(run.final)
        at_final = any(window.query_at == "final" for window in windows)
        self.final_gradient = query.gradient(self.model) if at_final else None

    def back(self, checkpoints: Checkpoints | None) -> Tensor:
        """Sweep from the end of the last window to the first step of the earliest; return the influence."""
        run, model = self.run, self.model
        first = min(window.first_step for window in self.windows)
        stop = max(window.stop for window in self.windows)
        resumed_at = self.load(checkpoints)
        reached = stop if resumed_at is None else resumed_at
        if resumed_at is None and stop == run.total_steps:
            self.arrive(stop)
        # One state more, for θ at the end of a window that ends before the run does.
        top = min(reached + 1, run.trajectory.stop)
        for step, state in run.trajectory.backwards(top, first, model.theta, run.replay):
            model.theta.copy_(state.theta)
            if step.index < reached:
                self.cross(step, state)
                self.progress(len(step.rows))
            if step.index < reached or resumed_at is None:
                self.arrive(step.index)
            # At the first step nothing is left to resume but what `scored` has seen.
            if checkpoints is not None and checkpoints.due() and step.index > first:
                self.save(checkpoints, step.index)
        model.theta.copy_(run.final)
        return self.influence

    def arrive(self, index: int) -> None:
        """At θ_t: start the chains that end here, and subtract q(t1) where a two-ended query asks for it."""
        for w, parts in enumerate(self.segments):
            if any(segment.at == segment.stop == index for segment in parts):
                at_end = index == self.run.total_steps
                self.sums[w] = self.empty_sum(self.run.final if at_end else self.model.theta.clone())
        gradient: Tensor | None = None
        for chain in self.chains:
            window = self.windows[chain.windows[0]]
            subtracts = window.removal == "start" and window.start == index > 0
            if chain.stop != index and not subtracts:
                continue
            if window.query_at == "final":
                assert self.final_gradient is not None
                vector = self.final_gradient
            else:
                vector = gradient = self.query.gradient(self.model) if gradient is None else gradient
            if chain.stop == index:
                chain.adjoint = Adjoint.of(vector, self.run.plan.optimizer)
            else:
                assert chain.adjoint is not None
                chain.adjoint.theta -= vector

    def cross(self, step: Step, state: State) -> None:
        """Carry the active chains over a step, and add what the step contributes."""
        active = [chain for chain in self.chains if chain.start <= step.index < chain.stop]
        if not active:
            return
        directions, batch = self.pull_back(step, state, [_adjoint_of(chain) for chain in active])
        reading = [[w for w in chain.windows if self.windows[w].first_step <= step.index] for chain in active]
        if self.scoring.estimator == "visited":
            for changes, readers in zip(batch.loss_changes().chunk(len(active)), reading, strict=True):
                for w in readers:
                    self.influence[w][:, self.place[step.rows]] -= (changes / len(step.rows)).to(self.influence.dtype)
                    touched(changes.nbytes)
        else:
            for part, readers in zip(directions.chunk(len(active)), reading, strict=True):
                for w in readers:
                    self.add_to_segment(w, step.index, state, part)
        for chain in active:
            if chain.start == step.index:
                chain.adjoint = None

    def pull_back(self, step: Step, state: State, adjoints: list[Adjoint]) -> tuple[Tensor, BatchDerivatives]:
        """Carry adjoints over a step whose θ the model has.

        Returns:
            The directions c_t, shape (L·K, P_t), and the batch's derivatives along them.
        """
        model, plan, rows = self.model, self.run.plan, len(step.rows)
        inputs, labels = self.run.batches.batch(step.rows, step.index, model.process_group.shard(rows))
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
        theta = state.theta[first:]
        batch = self.differentiate(model, inputs, labels, directions, hessian=True, theta=theta, rows=rows)
        for adjoint, product in zip(adjoints, batch.hessian_vectors.chunk(len(adjoints)), strict=True):
            adjoint.theta += product
        return directions, batch

    def add_to_segment(self, w: int, index: int, state: State, directions: Tensor) -> None:
        """Add a step's directions to the window's segment; at the segment's first step score all rows."""
        segment = next(part for part in self.segments[w] if part.start <= index < part.stop)
        if w not in self.sums:
            self.sums[w] = self.empty_sum()
        found = self.sums[w]
        found.directions += directions
        if index == segment.at:
            found.theta = state.theta.clone()
        if index == segment.start:
            self.score_rows(w, found)
            self.model.theta.copy_(state.theta)
            del self.sums[w]

    def score_rows(self, w: int, found: _SegmentSum) -> None:
        """Add −<∇ℓ_j(θ), Σ c_t> / N of every row j to a window's influence."""
        run, model = self.run, self.model
        assert found.theta is not None
        model.theta.copy_(found.theta)
        tracked = found.theta[len(found.theta) - len(model.tracked) :]
        at_once = inference_batch_size(run.batches, run.plan.batch_size, self.influence.shape[3])
        at_once *= model.process_group.size
        for part in torch.arange(len(run.rows)).split(at_once):
            shard = model.process_group.shard(len(part))
            inputs, labels = run.batches.batch(run.rows[part], shard=shard)
            batch = self.differentiate(
                model, inputs, labels, found.directions, hessian=False, theta=tracked, rows=len(part)
            )
            changes = batch.loss_changes()
            self.influence[w][:, int(part[0]) : int(part[-1]) + 1] -= changes / len(run.rows)
            touched(changes.nbytes)
            if w == 0:
                self.scored(batch)
            self.progress(len(part))

    def empty_sum(self, theta: Tensor | None = None) -> _SegmentSum:
        """No directions yet; θ if it is known already where the segment is scored."""
        return _SegmentSum(self.model.tracked.new_zeros(len(self.query.names), len(self.model.tracked)), theta)

    def save(self, checkpoints: Checkpoints, reached: int) -> None:
        """Save all that is needed to resume at step `reached`."""
        tensors = {"influence": self.influence, "reached": torch.tensor([reached])}
        sharding: dict[str, Sharding] = {}
        for w, found in self.sums.items():
            tensors[f"sum{w}"], sharding[f"sum{w}"] = found.directions, "tracked"
            if found.theta is not None:
                tensors[f"scored-at{w}"], sharding[f"scored-at{w}"] = found.theta, "parameters"
        for number, chain in enumerate(self.chains):
            if chain.adjoint is not None:
                tensors |= {f"theta{number}": chain.adjoint.theta, f"moments{number}": chain.adjoint.moments}
                sharding |= {f"theta{number}": "tracked", f"moments{number}": "tracked"}
        checkpoints.save("sweep", tensors, sharding)

    def load(self, checkpoints: Checkpoints | None) -> int | None:
        """Restore a saved sweep; return the step it had reached, None if none was saved."""
        saved = None if checkpoints is None else checkpoints.load("sweep")
        if saved is None:
            return None
        device = self.model.theta.device
        self.influence.copy_(saved["influence"])
        for number, chain in enumerate(self.chains):
            if f"theta{number}" in saved:
                chain.adjoint = Adjoint(saved[f"theta{number}"].to(device), saved[f"moments{number}"].to(device))
        for w in range(len(self.windows)):
            if f"sum{w}" in saved:
                theta = saved.get(f"scored-at{w}")
                self.sums[w] = _SegmentSum(saved[f"sum{w}"].to(device), None if theta is None else theta.to(device))
        return int(saved["reached"].item())


def _adjoint_chains(windows: Sequence[Window]) -> list[_AdjointChain]:
    """One chain a window; windows that leave a sample out inside only, and start from the same vector, share one."""
    chains: dict[object, _AdjointChain] = {}
    for number, window in enumerate(windows):
        key = (window.stop, window.query_at) if window.removal == "window" or window.start == 0 else number
        chain = chains.setdefault(key, _AdjointChain([], window.stop, window.first_step))
        chain.windows.append(number)
        chain.start = min(chain.start, window.first_step)
    return list(chains.values())


def _adjoint_of(chain: _AdjointChain) -> Adjoint:
    assert chain.adjoint is not None
    return chain.adjoint
