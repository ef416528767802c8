"""Derivatives of a batch along a direction u in parameter space: of its logits, and of its mean gradient (H u).

Neither way forms a per-sample gradient (docs/method.md, "One pass for both"); benchmarks/sweep_cost.py
measures the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy

from labelaudit.models.flat import FlatModel
from labelaudit.models.parts import SMALL_NETWORK
from labelaudit.models.sharded import ShardedModel
from labelaudit.types import DerivativeMethod

PERTURBATION = {torch.float32: 1e-3, torch.float64: 1e-5}
"""‖εu‖ of the central differences: the error is ε² from curvature and 1/ε from rounding."""


SMOOTH = (nn.Linear, nn.Flatten, nn.Identity, nn.Sequential)
"""What a network of has no kinks."""

DIRECTIONS_AT_ONCE = 32
"""Each keeps the tangents of a whole batch's activations."""


@dataclass(frozen=True)
class BatchDerivatives:
    """A batch at θ, differentiated along K directions u.

    With several processes each holds the whole batch, gathered from their shards.

    Attributes:
        logits: z, shape (B, C).
        logit_changes: ż = dz/dε at θ + εu, ε = 0, shape (K, B, C).
        hessian_vectors: H u with H the Hessian of the mean cross-entropy, shape (K, P_t); empty if not asked for.
    """

    logits: Tensor
    logit_changes: Tensor
    hessian_vectors: Tensor

    def loss_changes(self) -> Tensor:
        """<∇ℓ(x_j, c), u> = Σ_k p_k ż_k − ż_c for every u, row j and class c: float64 on the CPU, shape (K, B, C)."""
        changes = self.logit_changes.double().cpu()
        probabilities = self.logits.double().cpu().softmax(1)
        return (probabilities * changes).sum(2, keepdim=True) - changes


@runtime_checkable
class Differentiate(Protocol):
    """A function that differentiates a batch along directions."""

    def __call__(
        self,
        model: FlatModel,
        inputs: Tensor,
        labels: Tensor,
        directions: Tensor,
        *,
        hessian: bool,
        theta: Tensor | None = None,
        rows: int | None = None,
    ) -> BatchDerivatives:
        """Differentiate a batch at the model's θ, which is left as it was, along each u (K, P_t) of tracked parameters.

        Pass a copy of the tracked θ (P_t,) if there is one, to save another copy. Inputs and labels are this process's
        shard of a batch of `rows` rows; None for a batch that is not sharded.
        """


def choose_differentiation(method: DerivativeMethod, model: FlatModel) -> Differentiate:
    """The way to differentiate: as asked for, or else by precision, size and kind.

    Forward-over-reverse is exact, costs about twice as much time and memory as central differences, and does not go
    through every kernel and module. Central differences are within 1e-3 of it in float32 for smooth networks; across
    the kinks of ReLU networks their H u is an average that can differ by far more from the derivative at θ itself: the
    influence through all of a small convolutional network trained from nothing had nothing to do with the exact one
    (MNIST, 20% class to class: Spearman 0.09 and -0.24). So: central differences in float32, but for small networks
    with kinks, where exactness costs little. In mixed precision rounding errors exceed the differences: there
    forward-over-reverse runs in bfloat16, and central differences, if asked for, in float32.
    """
    if method == "auto":
        kinks = any(not isinstance(module, SMOOTH) for module in model.module.modules())
        exact = model.theta.dtype == torch.float64 or model.mixed or (model.parameters < SMALL_NETWORK and kinks)
        exact &= not isinstance(model, ShardedModel)
        method = "forward-over-reverse" if exact else "central-differences"
    return central_differences if method == "central-differences" else forward_over_reverse


def central_differences(
    model: FlatModel,
    inputs: Tensor,
    labels: Tensor,
    directions: Tensor,
    *,
    hessian: bool,
    theta: Tensor | None = None,
    rows: int | None = None,
    perturbation: float | None = None,
) -> BatchDerivatives:
    """Two ordinary passes at θ ± εu for each u, with ‖εu‖ = `perturbation` or what suits the precision."""
    rows = len(labels) if rows is None else rows
    theta = model.tracked.clone() if theta is None else theta
    logits, changes = torch.empty(0), []
    products = torch.empty_like(directions) if hessian else theta.new_empty(0)
    with torch.set_grad_enabled(hessian), model.tracking(), model.full_precision(), model.fixed_inputs(inputs):
        for number, direction in enumerate(directions):
            norm = model.norm(direction).item()
            epsilon = (perturbation or PERTURBATION[direction.dtype]) / norm if norm > 0 else 1.0
            ends = []
            for sign in (1, -1):
                torch.add(theta, direction, alpha=sign * epsilon, out=model.tracked)
                z = model(inputs)
                if hessian:
                    model.backward(cross_entropy(z, labels, reduction="sum") / rows)
                    if sign == 1:
                        products[number].copy_(model.tracked_gradient)
                    else:
                        products[number].sub_(model.tracked_gradient).div_(2 * epsilon)
                ends.append(z.detach())
            changes.append((ends[0] - ends[1]) / (2 * epsilon))
            logits = (ends[0] + ends[1]) / 2
    model.tracked.copy_(theta)
    return _gathered(model, rows, logits, torch.stack(changes), products)


def forward_over_reverse(
    model: FlatModel,
    inputs: Tensor,
    labels: Tensor,
    directions: Tensor,
    *,
    hessian: bool,
    theta: Tensor | None = None,
    rows: int | None = None,
) -> BatchDerivatives:
    """Forward-mode differentiation of the (gradient of the) batch; exact up to rounding."""
    total = len(labels) if rows is None else rows

    def logits_at(theta: Tensor) -> Tensor:
        return model.at(theta, inputs)

    def mean_loss(theta: Tensor) -> tuple[Tensor, Tensor]:
        logits = model.at(theta, inputs)
        return cross_entropy(logits, labels, reduction="sum") / total, logits

    gradient = torch.func.grad(mean_loss, has_aux=True)
    theta = model.tracked.detach()

    def along(direction: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if not hessian:
            logits, changes = torch.func.jvp(logits_at, (theta,), (direction,))  # type: ignore[misc]  # typed as three
            return logits, changes, theta.new_empty(0)
        (_, logits), (product, changes) = torch.func.jvp(gradient, (theta,), (direction,))  # type: ignore[misc]  # typed as three
        return logits, changes, product

    # Fused attention has no forward-mode derivative.
    with sdpa_kernel(SDPBackend.MATH), torch.set_grad_enabled(hessian), model.tracking():
        if len(directions) == 1:
            parts = [part[None] for part in along(directions[0])]
        else:
            parts = list(torch.func.vmap(along, chunk_size=DIRECTIONS_AT_ONCE)(directions))
    logits, changes, products = (part.detach() for part in parts)
    return _gathered(model, total, logits[0], changes, products)


def _gathered(model: FlatModel, rows: int, logits: Tensor, changes: Tensor, products: Tensor) -> BatchDerivatives:
    """All-gather the derivatives of a batch of `rows` rows from the shards of all processes."""
    if model.process_group.size == 1:
        return BatchDerivatives(logits, changes, products)
    own = torch.cat([logits[:, None], changes.movedim(0, 1)], 1)  # (own B, 1 + K, C): one collective for all
    both = model.process_group.all_gather(own, rows)
    return BatchDerivatives(both[:, 0], both[:, 1:].movedim(1, 0), model.all_reduce(products))
