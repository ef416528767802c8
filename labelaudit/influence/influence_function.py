"""The baseline: influence functions at the final parameters (Definition 2; Koh and Liang 2017)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor

from labelaudit.errors import InputError
from labelaudit.influence.derivatives import Differentiate, choose_differentiation
from labelaudit.influence.estimate import Influence
from labelaudit.influence.queries import Query
from labelaudit.progress import Advance, ignore
from labelaudit.training.fine_tune import Run
from labelaudit.training.optimizers import SGD
from labelaudit.training.window import Window
from labelaudit.types import checked, require_number


@checked
@dataclass(frozen=True)
class Solver:
    """How v = (H + λI + damping·I)⁻¹ q is found, with H the Hessian of the mean training loss and λ the L2 penalty.

    Attributes:
        name: `cg`: conjugate gradients. `sgd`: stochastic descent on ½v'(H + …)v − q'v over mini-batches, with
            momentum .9, as the paper's experiments have it (after Hara et al. 2019).
        damping: Added to the diagonal; away from an optimum H may have negative eigenvalues.
        iterations: At most so many conjugate-gradient steps, or epochs of descent.
        learning_rate: Of the descent.
        batch_size: Rows of a product with H; in the descent, of a step.
    """

    name: Literal["cg", "sgd"] = "cg"
    damping: float = 0.0
    iterations: int = 100
    learning_rate: float = 0.01
    batch_size: int = 256

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: One is out of its range.
        """
        for name, least in (("damping", None), ("iterations", 1), ("learning_rate", 0), ("batch_size", 1)):
            require_number(name, getattr(self, name), least=least)


@checked
def influence_function(
    run: Run,
    window: Window,
    query: Query,
    progress: Advance = ignore,
    solver: Solver = Solver(),  # it is frozen
    differentiate: Differentiate | None = None,
) -> Influence:
    """Q_j = <∇ℓ_j, v>/N at θ_T, with v = (H + λI)⁻¹ q.

    It uses the final parameters only, nothing of the training before.

    Args:
        run: The run.
        window: The whole run; no other is possible.
        query: K quantities.
        progress: Called with the number of rows of each product with H.
        solver: How v is found.
        differentiate: How H v is computed.

    Returns:
        The estimated influence of each row on each quantity, values of shape (K, N).

    Raises:
        InputError: The window is not the whole run, or the linear system could not be solved.
    """
    if (window.first_step, window.stop) != (0, run.total_steps):
        raise InputError(f"influence functions only know the end of a run, not the window {window.name}; ask for full")
    started = time.perf_counter()
    model = run.model
    model.theta.copy_(run.final)
    differentiate = differentiate or choose_differentiation("auto", model)
    optimizer = run.plan.optimizer
    penalty = solver.damping + (optimizer.weight_decay if isinstance(optimizer, SGD) else 0.0)
    values = []
    for q in query.gradient(model):
        solve = _conjugate_gradients if solver.name == "cg" else _descent
        v = solve(run, q, penalty, solver, differentiate, progress)
        if not v.isfinite().all():
            raise InputError("the influence function's linear system has no finite solution: give it more damping")
        changes = []
        for rows in run.rows.split(solver.batch_size):
            inputs, labels = run.batches.batch(rows)
            batch = differentiate(model, inputs, labels, v[None], hessian=False)
            changes.append(batch.loss_changes()[0].gather(1, labels.cpu()[:, None])[:, 0])
        values.append(torch.cat(changes) / len(run.rows))
    name = f"influence function ({solver.name})"
    return Influence(name, window, query.names, torch.stack(values), time.perf_counter() - started)


def _conjugate_gradients(
    run: Run, q: Tensor, penalty: float, solver: Solver, differentiate: Differentiate, progress: Advance
) -> Tensor:
    def product(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        v = torch.as_tensor(vector).to(q)
        total = penalty * v
        for rows in run.rows.split(solver.batch_size):
            inputs, labels = run.batches.batch(rows)
            part = differentiate(run.model, inputs, labels, v[None], hessian=True).hessian_vectors[0]
            total += part * (len(rows) / len(run.rows))
            progress(len(rows))
        return total.double().cpu().numpy()

    operator = LinearOperator((len(q), len(q)), matvec=product, dtype=np.float64)
    solution, unfinished = cg(operator, q.double().cpu().numpy(), rtol=1e-6, maxiter=solver.iterations)
    if unfinished:
        raise InputError(
            f"the influence function's linear system is not solved in {solver.iterations} steps; away from an optimum "
            "the Hessian has negative eigenvalues: give it more damping, more iterations, or use Solver('sgd')"
        )
    return torch.from_numpy(solution).to(q)


def _descent(
    run: Run, q: Tensor, penalty: float, solver: Solver, differentiate: Differentiate, progress: Advance
) -> Tensor:
    v, velocity = torch.zeros_like(q), torch.zeros_like(q)
    order = torch.Generator().manual_seed(0)
    for _ in range(solver.iterations):
        for places in torch.randperm(len(run.rows), generator=order).split(solver.batch_size):
            inputs, labels = run.batches.batch(run.rows[places])
            product = differentiate(run.model, inputs, labels, v[None], hessian=True).hessian_vectors[0]
            velocity.mul_(0.9).add_(product).add_(v, alpha=penalty).sub_(q)
            v.sub_(velocity, alpha=solver.learning_rate)
            progress(len(places))
        if not math.isfinite(v.norm().item()):
            break
    return v
