"""The ground truth: train again without each sample (Definition 3)."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_all_start_methods, get_context

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from labelaudit.influence.estimate import Influence
from labelaudit.influence.queries import Query
from labelaudit.progress import Advance, ignore
from labelaudit.runtime.checkpoints import Checkpoints
from labelaudit.training.fine_tune import Run
from labelaudit.training.optimizers import clip
from labelaudit.training.window import Window
from labelaudit.types import checked

SIDE_BY_SIDE = 64  # retrainings in one batch; more would not be faster
SMALL_NETWORK = 200_000  # parameters; 64 copies of more than that do not fit a cache


@checked
def leave_one_out(
    run: Run,
    window: Window,
    query: Query,
    progress: Advance = ignore,
    *,
    processes: int = 1,
    checkpoints: Checkpoints | None = None,
) -> Influence:
    """Retrain without each row, and measure how the query changes.

    The counterfactual of the window is retrained exactly: without the row inside the window only, from the recorded
    state at its start, or without it from step 0. With `query_at="final"` it is the same linear function of θ that DIT
    takes, <q(T), θ_{−j} − θ>; else the query itself.

    Args:
        run: The recorded run, with moments where the optimizer has any (`keep_moments`).
        window: Which steps the row is left out of.
        query: K quantities.
        progress: Called with the number of rows left out since the last call.
        processes: Number of CPU processes (forked, where the system can).
        checkpoints: Where results of finished trainings are stored and resumed from; one folder for each run and query.

    Returns:
        The true influence of each row on each quantity, values of shape (K, N).

    Raises:
        InputError: The run did not record the window, or not its moments.
    """
    started = time.perf_counter()
    run.check_recorded(window, moments=True)
    if checkpoints is not None:
        checkpoints = checkpoints.part(re.sub(r"\W+", "-", repr(window)))
    task = _Task(run, window, query)
    parts = task.parts(SIDE_BY_SIDE if _batches_well(run) else 1)
    values = torch.full((len(query.names), len(run.rows)), torch.nan, dtype=torch.float64)
    missing = []
    for number, places in enumerate(parts):
        saved = None if checkpoints is None else checkpoints.load(f"left-out-{number}")
        if saved is None:
            missing.append(number)
        else:
            values[:, places] = saved["values"]
            progress(len(places))

    def keep(number: int, changes: Tensor) -> None:
        values[:, parts[number]] = changes
        if checkpoints is not None:
            checkpoints.save(f"left-out-{number}", {"values": changes})
        progress(len(parts[number]))

    if processes > 1 and missing and not run.model.theta.is_cuda and "fork" in get_all_start_methods():
        _in_processes(task, [(number, parts[number]) for number in missing], processes, keep)
    else:
        for number in missing:
            keep(number, task.changes(parts[number]))
    run.model.theta.copy_(run.final)
    return Influence("leave-one-out", window, query.names, values, time.perf_counter() - started)


def _batches_well(run: Run) -> bool:
    """Whether batched retraining is faster than sequential: only for networks of matrix products."""
    layers = [
        module for module in run.model.module.modules() if next(module.parameters(recurse=False), None) is not None
    ]
    return len(run.model.theta) <= SMALL_NETWORK and all(isinstance(layer, nn.Linear) for layer in layers)


class _Task:
    """The retraining of one window.

    Training without a row equals the recorded training up to the step that first visits it; only the rest is repeated.
    """

    def __init__(self, run: Run, window: Window, query: Query) -> None:
        self._run, self._window, self._query = run, window, query
        place = run.places()
        self._first_visit = torch.full((len(run.rows),), window.stop)
        recorded = run.trajectory.steps
        self._steps = recorded[window.first_step - run.trajectory.first : window.stop - run.trajectory.first]
        for step in reversed(self._steps):
            self._first_visit[place[step.rows]] = step.index
        self._ends = [(window.stop, 1)]
        if window.removal == "start" and window.start > 0:
            self._ends.append((window.start, -1))
        run.model.theta.copy_(run.final)
        self._final = query.gradient(run.model).double() if window.query_at == "final" else None
        self._whole: tuple[int, Tensor] | None = None
        self._queries: dict[int, Query] = {}
        self._actual: dict[int, Tensor] = {}
        for index, _ in self._ends:
            theta = run.state(index).theta.clone()
            run.model.theta.copy_(theta)
            self._queries[index] = query.frozen(run.model)
            self._actual[index] = self._measure(theta[None], index)[:, 0]

    def parts(self, size: int) -> list[Tensor]:
        """Positions of the training rows, in groups of at most `size` that are first visited in the same step."""
        visits = self._first_visit.unique().tolist()
        return [part for t in visits for part in torch.nonzero(self._first_visit == t)[:, 0].split(size)]

    def changes(self, places: Tensor) -> Tensor:
        """Change of the query without each row of a group from `parts` (positions (M,)); shape (K, M)."""
        thetas = self._retrain(self._run.rows[places], int(self._first_visit[places[0]].item()))
        total = torch.zeros(len(self._query.names), len(places), dtype=torch.float64)
        for index, sign in self._ends:
            if index in thetas:
                total += sign * (self._measure(thetas[index], index) - self._actual[index][:, None])
        return total

    def _measure(self, thetas: Tensor, index: int) -> Tensor:
        """The query's values (K, M) at M vectors θ, with its fitted temperature frozen at state `index`."""
        if self._final is not None:
            return (self._final @ thetas.double().T).cpu()
        values = []
        for theta in thetas:
            self._run.model.theta.copy_(theta)
            values.append(self._queries[index].value(self._run.model).cpu())
        return torch.stack(values, dim=1)

    def _retrain(self, left_out: Tensor, begin: int) -> dict[int, Tensor]:
        """θ (M, P) without each of the rows `left_out` (M,) from step `begin` on, where the query is measured.

        Measurements before `begin` are those of the recorded run, and not returned.
        """
        run, plan = self._run, self._run.plan
        if begin == self._window.stop:
            return {}
        state = run.state(begin)
        theta = state.theta.repeat(len(left_out), 1)
        moments = state.moments[:, None].repeat(1, len(left_out), 1)
        inputs, labels = run.batches.batch(run.rows[:1])

        def kept_loss(theta: Tensor, kept: Tensor) -> Tensor:
            losses = cross_entropy(run.model.at(theta, inputs), labels, reduction="none")
            return (losses * kept).sum() / len(losses)

        gradient_of = torch.func.grad(kept_loss)
        reached = {}
        for step in self._steps[begin - self._window.first_step :]:
            if any(begin < step.index == index for index, _ in self._ends):
                reached[step.index] = theta.clone()
            inputs, labels = run.batches.batch(step.rows, augmentation_seed=step.index)
            kept = (step.rows[None] != left_out[:, None]).to(theta)
            if step.index == begin:
                gradient = self._first_gradients(begin, state.theta, inputs, labels, kept.argmin(1))
            elif len(left_out) == 1:
                gradient = gradient_of(theta[0], kept[0])[None]
            else:
                gradient = torch.func.vmap(gradient_of)(theta, kept)
            if plan.clip_norm is not None:
                clip(gradient, gradient.norm(dim=-1), plan.clip_norm)
            plan.optimizer.step(theta, moments, gradient, step.learning_rate, step.index + 1)
        return reached | {self._window.stop: theta}

    def _first_gradients(self, index: int, theta: Tensor, inputs: Tensor, labels: Tensor, places: Tensor) -> Tensor:
        """The gradients (M, P) of a batch without each of M of its rows, at one θ: the whole batch's less each row's.

        Args:
            index: Which step it is.
            theta: Shape (P,).
            inputs: Of the batch, shape (B, …).
            labels: Shape (B,).
            places: Which row each leaves out, shape (M,).
        """

        def share(theta: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
            return cross_entropy(self._run.model.at(theta, inputs), labels, reduction="sum") / batch_size

        batch_size, gradient_of = len(labels), torch.func.grad(share)
        if self._whole is None or self._whole[0] != index:
            self._whole = index, gradient_of(theta, inputs, labels)
        own: Tensor
        if len(places) == 1:
            own = gradient_of(theta, inputs[places], labels[places])[None]
        else:
            own = torch.func.vmap(gradient_of, (None, 0, 0))(theta, inputs[places][:, None], labels[places][:, None])
        return self._whole[1] - own


_task: _Task | None = None  # of a worker process


def _begin_worker(task: _Task) -> None:
    global _task
    torch.set_num_threads(1)
    _task = task


def _work(places: Tensor) -> NDArray[np.float64]:
    assert _task is not None
    return _task.changes(places).numpy()  # a tensor would travel as shared memory, with an open file each


def _in_processes(
    task: _Task, parts: list[tuple[int, Tensor]], processes: int, keep: Callable[[int, Tensor], None]
) -> None:
    """Process the parts in forked processes, which share the task's memory as torch's DataLoader workers do."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)  # a worker has one thread
        with ProcessPoolExecutor(processes, get_context("fork"), _begin_worker, (task,)) as pool:
            futures = {pool.submit(_work, places): number for number, places in parts}
            for future in as_completed(futures):
                keep(futures[future], torch.from_numpy(future.result()))
