"""Derivatives of a batch along a direction u in parameter space: of its logits, and of its mean gradient (H u).

Neither way forms a per-sample gradient (METHOD §2); `benchmarks/sweep_cost.py` has what each costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy

from labelaudit.config import DerivativeMethod
from labelaudit.models.flat import FlatModel

PERTURBATION = {torch.float32: 1e-3, torch.float64: 1e-5}
"""‖εu‖ of the central differences: the error is ε² from curvature and 1/ε from rounding."""


SMALL_NETWORK = 1_000_000
"""Parameters below which twice the time of a sweep is still next to nothing."""


@dataclass(frozen=True)
class BatchDerivatives:
    """A batch at θ, differentiated along u.

    Attributes:
        logits: z, shape (B, C).
        logit_changes: ż = dz/dε at θ + εu, ε = 0, shape (B, C).
        hessian_vector: H u with H the Hessian of the mean cross-entropy, shape (P,); empty if not asked for.
    """

    logits: Tensor
    logit_changes: Tensor
    hessian_vector: Tensor


class Differentiate(Protocol):
    """A way to differentiate."""

    def __call__(
        self, model: FlatModel, inputs: Tensor, labels: Tensor, direction: Tensor, *, hessian: bool
    ) -> BatchDerivatives:
        """Differentiate a batch at the model's θ, which is left as it was, along u of shape (P,)."""


def choose_differentiation(method: DerivativeMethod, model: FlatModel) -> Differentiate:
    """The way to differentiate: as asked for, or else by precision and size.

    Forward-over-reverse is exact, costs about twice as much time and memory as central differences, and does not go
    through every kernel and module. Central differences are within 1e-3 of it in float32 for smooth networks; across
    the kinks of ReLU networks their H u is an average that can differ by far more from the derivative at θ itself,
    while their products do not. So: central differences in float32, but for small networks, where exactness costs
    little.
    """
    if method == "auto":
        exact = model.theta.dtype == torch.float64 or model.theta.numel() < SMALL_NETWORK
        method = "forward-over-reverse" if exact else "central-differences"
    return central_differences if method == "central-differences" else forward_over_reverse


def central_differences(
    model: FlatModel,
    inputs: Tensor,
    labels: Tensor,
    direction: Tensor,
    *,
    hessian: bool,
    perturbation: float | None = None,
) -> BatchDerivatives:
    """Two ordinary passes at θ ± εu, with ‖εu‖ = `perturbation` or what suits the precision."""
    norm = direction.norm().item()
    epsilon = (perturbation or PERTURBATION[direction.dtype]) / norm if norm > 0 else 1.0
    theta = model.theta.clone()
    logits, gradients = [], []
    with torch.set_grad_enabled(hessian):
        for sign in (1, -1):
            torch.add(theta, direction, alpha=sign * epsilon, out=model.theta)
            z = model(inputs)
            if hessian:
                model.gradient.zero_()
                cross_entropy(z, labels).backward()
                gradients.append(model.gradient.clone())
            logits.append(z.detach())
    model.theta.copy_(theta)
    changes = (logits[0] - logits[1]) / (2 * epsilon)
    hessian_vector = gradients[0].sub_(gradients[1]).div_(2 * epsilon) if hessian else theta.new_empty(0)
    return BatchDerivatives((logits[0] + logits[1]) / 2, changes, hessian_vector)


def forward_over_reverse(
    model: FlatModel, inputs: Tensor, labels: Tensor, direction: Tensor, *, hessian: bool
) -> BatchDerivatives:
    """Forward-mode differentiation of the (gradient of the) batch; exact up to rounding."""

    def logits_at(theta: Tensor) -> Tensor:
        return model.at(theta, inputs)

    def mean_loss(theta: Tensor) -> tuple[Tensor, Tensor]:
        logits = model.at(theta, inputs)
        return cross_entropy(logits, labels), logits

    # Fused attention has no forward-mode derivative. (torch types jvp's result as if it always had three parts.)
    with sdpa_kernel(SDPBackend.MATH):
        theta = model.theta.detach()
        if not hessian:
            with torch.no_grad():
                logits, changes = torch.func.jvp(logits_at, (theta,), (direction,))  # type: ignore[misc]
            return BatchDerivatives(logits, changes, theta.new_empty(0))
        gradient = torch.func.grad(mean_loss, has_aux=True)
        (_, logits), (hessian_vector, changes) = torch.func.jvp(gradient, (theta,), (direction,))  # type: ignore[misc]
    return BatchDerivatives(logits.detach(), changes.detach(), hessian_vector.detach())
