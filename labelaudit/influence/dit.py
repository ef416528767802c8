"""Dynamic Influence Tracker: one sweep back over the recorded window (Algorithm 2, METHOD §2 and §3)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labelaudit.config import Estimator
from labelaudit.data.examples import Examples
from labelaudit.influence.derivatives import BatchDerivatives, Differentiate
from labelaudit.models.flat import FlatModel
from labelaudit.training.fine_tune import FineTune, take_step
from labelaudit.training.sgd import SGDAdjoint
from labelaudit.training.trajectory import Step


def sweep(
    model: FlatModel,
    examples: Examples,
    rows: Tensor,
    run: FineTune,
    query: Tensor,
    differentiate: Differentiate,
    estimator: Estimator,
    scoring_steps: int,
    progress: Callable[[int], None],
) -> Tensor:
    """How much the query would change if a row were left out of the window's steps, for every label it could have.

    For row j and class c the result is Q_j(c) = −Σ_t w_tj <∇ℓ(x_j, c; θ_t), c_t>, where c_t is the adjoint of the
    step's mini-batch gradient (`SGDAdjoint`). Its column of the given label is the influence of the row; the
    others say what the influence would be under another label. Removal is inside the window only.

    Args:
        model: The fine-tuned network; its θ is overwritten.
        examples: Where the rows' inputs and labels are.
        rows: The training rows, int64, shape (N,).
        run: The recorded fine-tune.
        query: q(t2), shape (P,).
        differentiate: How derivatives along a direction are computed.
        estimator: `visited` is the paper's sum over the steps that saw j, w_tj = 1[j ∈ S_t]/|S_t|. `expected` is
            its expectation over the draw of the mini-batches, w_tj = 1/N at every step, estimated from
            `scoring_steps` of the window's T_w steps with w_tj = T_w/(N·scoring_steps).
        scoring_steps: How many steps `expected` evaluates, evenly spaced.
        progress: Called with the number of rows of each pass.

    Returns:
        Q, float64, shape (N, C), in the query's unit; negative where leaving the row out would lower the query.
    """
    place = torch.full((len(examples.labels),), -1).index_copy(0, rows, torch.arange(len(rows)))
    steps = run.trajectory.steps
    chosen = _evenly_spaced(len(steps), scoring_steps) if estimator == "expected" else set()
    adjoint = SGDAdjoint(run.plan.sgd, query)
    influence = torch.zeros(len(rows), run.mean_logits.shape[1], dtype=torch.float64)

    def replay_step(step: Step, velocity: Tensor) -> None:
        take_step(model, examples, run.plan.sgd, step, velocity)

    first = steps[0].index
    for step, theta in run.trajectory.backwards(model.theta, replay_step):
        model.theta.copy_(theta)
        direction = adjoint.direction(step.learning_rate)
        inputs, labels = examples.batch(step.rows, augmentation_seed=step.index)
        batch = differentiate(model, inputs, labels, direction, hessian=True)
        adjoint.pull_back(direction, batch.hessian_vector)
        if estimator == "visited":
            influence[place[step.rows]] -= _loss_changes(batch) / len(step.rows)
        elif step.index - first in chosen:
            weight = len(steps) / (len(rows) * len(chosen))
            for part in torch.arange(len(rows)).split(run.plan.batch_size):
                inputs, labels = examples.batch(rows[part])
                batch = differentiate(model, inputs, labels, direction, hessian=False)
                influence[part] -= weight * _loss_changes(batch)
                progress(len(part))
        progress(len(step.rows))
    return influence


def _loss_changes(batch: BatchDerivatives) -> Tensor:
    """<∇ℓ(x_j, c), u> = Σ_k p_k ż_k − ż_c for every row j and class c: float64 on the CPU, shape (B, C)."""
    changes = batch.logit_changes.double().cpu()
    mean_change = (batch.logits.double().cpu().softmax(1) * changes).sum(1, keepdim=True)
    return mean_change - changes


def _evenly_spaced(steps: int, count: int) -> set[int]:
    """At most `count` of the step numbers 0 … steps−1, each in the middle of an equal share of them."""
    count = min(count, steps)
    return {int((i + 0.5) * steps / count) for i in range(count)}
