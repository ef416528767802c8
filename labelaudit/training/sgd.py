"""SGD with momentum and weight decay: the forward step and, beside it, its exact adjoint (METHOD §3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SGD:
    """v' = μv + g + λθ, θ' = θ − ηv' (torch.optim.SGD's own convention); μ = 0 is plain SGD.

    Attributes:
        momentum: μ.
        weight_decay: λ, the L2 penalty's gradient factor.
    """

    momentum: float
    weight_decay: float

    def step(self, theta: Tensor, velocity: Tensor, gradient: Tensor, learning_rate: float) -> None:
        """Take one step in place; all vectors have shape (P,)."""
        velocity.mul_(self.momentum).add_(gradient).add_(theta, alpha=self.weight_decay)
        theta.sub_(velocity, alpha=learning_rate)


class SGDAdjoint:
    """The adjoint (a, b) of the state (θ, v), carried backwards through the steps of `SGD`.

    Going back through a step with learning rate η:

        c = b − ηa          (the adjoint of the step's mini-batch gradient)
        a ← a + λc + Hc
        b ← μc

    where H is the Hessian of the step's mean batch loss. The step adds −<∇ℓ_j, c>/|S| to the influence of each
    j in its batch S.
    """

    def __init__(self, sgd: SGD, query: Tensor) -> None:
        """Start at the window's end with a = q(t2), shape (P,), and b = 0."""
        self._sgd = sgd
        self._a = query.clone()
        self._b = torch.zeros_like(query)

    def direction(self, learning_rate: float) -> Tensor:
        """c = b − ηa, shape (P,): the direction along which the step's derivatives are needed."""
        return self._b - learning_rate * self._a

    def pull_back(self, direction: Tensor, hessian_vector: Tensor) -> None:
        """Carry (a, b) over the step, given c and Hc, both of shape (P,)."""
        self._a.add_(direction, alpha=self._sgd.weight_decay).add_(hessian_vector)
        self._b = direction.mul(self._sgd.momentum)
