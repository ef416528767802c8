"""Optimizers: each forward step and, beside it, its exact adjoint (docs/method.md, "Optimizers").

A step maps (θ, moments, gradient of the mini-batch) to (θ', moments'). Its adjoint maps the adjoint of (θ', moments')
to that of (θ, moments), and to c, the adjoint of the gradient. The gradient itself depends on θ, so that H c has to be
added to the adjoint of θ, with H the Hessian of the mean loss of the mini-batch; the sweep does that.

All vectors may have leading dimensions, for several networks or several queries at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.optim.sgd import sgd

from labelaudit.errors import InputError
from labelaudit.types import checked, require_number


@dataclass(frozen=True)
class Point:
    """A step as its adjoint needs it.

    Attributes:
        theta: θ before it, shape (P,).
        moments: The optimizer's own state before it, shape (M, P); empty unless `adjoint_needs_state`.
        gradient: The gradient it was given (after clipping), shape (P,); empty unless `adjoint_needs_state`.
        learning_rate: η.
        number: k, its number in the run, from 1.
    """

    theta: Tensor
    moments: Tensor
    gradient: Tensor
    learning_rate: float
    number: int


@dataclass
class Adjoint:
    """The adjoint of (θ, moments) for K queries at once: shapes (K, P) and (M, K, P)."""

    theta: Tensor
    moments: Tensor

    @classmethod
    def of(cls, query: Tensor, optimizer: Optimizer) -> Adjoint:
        """At the end of a window it is (q(t2), 0), with q of shape (K, P)."""
        return cls(query.clone(), query.new_zeros(optimizer.moments, *query.shape))


@runtime_checkable
class Optimizer(Protocol):
    """A rule to take steps by, and its adjoint."""

    @property
    def moments(self) -> int:
        """M, how many vectors of its own it carries along."""

    @property
    def adjoint_needs_state(self) -> bool:
        """Whether the adjoint depends on the moments and the gradient, as it does where they enter non-linearly."""

    def step(self, theta: Tensor, moments: Tensor, gradient: Tensor, learning_rate: float, number: int) -> None:
        """Take step `number` (from 1) in place: θ and gradient (…, P), moments (M, …, P)."""

    def pull_back(self, adjoint: Adjoint, point: Point) -> Tensor:
        """Carry the adjoint over a step in place, but for H c; return c, shape (K, P)."""


@checked
@dataclass(frozen=True)
class SGD:
    """v' = μv + g + λθ, θ' = θ − ηv', or with Nesterov's look-ahead θ' = θ − η(g + λθ + μv'); as torch.optim.SGD.

    Attributes:
        momentum: μ; 0 is plain SGD.
        weight_decay: λ, the L2 penalty's gradient factor.
        nesterov: Whether to look ahead.
    """

    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    adjoint_needs_state = False

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: One is out of its range.
        """
        require_number("momentum", self.momentum, least=0, below=1)
        require_number("weight_decay", self.weight_decay, least=0)

    @property
    def moments(self) -> int:
        """The velocity v, unless there is no momentum."""
        return int(self.momentum > 0)

    def step(self, theta: Tensor, moments: Tensor, gradient: Tensor, learning_rate: float, number: int) -> None:
        """Take a step in place."""
        if self.momentum == 0:
            theta.mul_(1 - learning_rate * self.weight_decay).sub_(gradient, alpha=learning_rate)
            return
        sgd(
            [theta],
            [gradient],
            [moments[0]],
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=learning_rate,
            dampening=0.0,
            nesterov=self.nesterov,
            maximize=False,
            foreach=False,
            fused=True,
        )

    def pull_back(self, adjoint: Adjoint, point: Point) -> Tensor:
        """With (a, b) the adjoint of (θ', v'): c = b − ηa, a ← a + λc, b ← μc.

        With Nesterov w = b − ημa, c = w − ηa, a ← a + λc, b ← μw. `adjoint.moments` holds b without its factor μ, so
        that c needs no memory of its own: it is good until the next call.
        """
        a, rate = adjoint.theta, point.learning_rate
        if self.momentum == 0:
            direction = a.mul(-rate)
        elif self.nesterov:
            looked_ahead = adjoint.moments[0].sub_(a, alpha=rate).mul_(self.momentum)  # w, in place of b
            direction = looked_ahead.sub(a, alpha=rate)
        else:
            direction = adjoint.moments[0].mul_(self.momentum).sub_(a, alpha=rate)
        a.add_(direction, alpha=self.weight_decay)
        return direction


@checked
@dataclass(frozen=True)
class AdamW:
    """m' = β1 m + (1−β1) g, s' = β2 s + (1−β2) g², θ' = (1−ηλ)θ − η m̂/(√(ŝ+ε_root) + ε), hats: over 1−β^k.

    As torch.optim.AdamW, but for ε_root: without it the derivative of the square root at a parameter that hardly ever
    had a gradient is so large that influence means nothing.

    Attributes:
        weight_decay: λ, decoupled from the gradient.
        betas: (β1, β2).
        epsilon: ε.
        epsilon_root: ε_root; at least 1e-6 is advisable. At 0 the adjoint of a parameter that never had a gradient is
            not finite.
    """

    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    epsilon_root: float = 1e-6
    moments = 2
    adjoint_needs_state = True

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: One is out of its range.
        """
        for name in ("weight_decay", "epsilon", "epsilon_root"):
            require_number(name, getattr(self, name), least=0)
        if len(self.betas) != 2 or not all(isinstance(beta, Real) for beta in self.betas):
            raise InputError(f"give two numbers (they are {self.betas})", option="betas")
        for beta in self.betas:
            require_number("betas", beta, least=0, below=1)

    def step(self, theta: Tensor, moments: Tensor, gradient: Tensor, learning_rate: float, number: int) -> None:
        """Take a step in place."""
        beta1, beta2 = self.betas
        mean, square = moments[0], moments[1]
        mean.mul_(beta1).add_(gradient, alpha=1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        root = (square / (1 - beta2**number)).add_(self.epsilon_root).sqrt_()
        theta.mul_(1 - learning_rate * self.weight_decay)
        theta.addcdiv_(mean, root.add_(self.epsilon), value=-learning_rate / (1 - beta1**number))

    def pull_back(self, adjoint: Adjoint, point: Point) -> Tensor:
        """With D = √(ŝ+ε_root) + ε and (a, b_m, b_s) the adjoint of (θ', m', s').

        c_m = b_m − η/(1−β1^k) a/D, c_s = b_s + η a m̂/(D²·2√(ŝ+ε_root)(1−β2^k)), c = (1−β1)c_m + 2(1−β2) g c_s;
        a ← (1−ηλ)a, b_m ← β1 c_m, b_s ← β2 c_s.
        """
        (beta1, beta2), rate, g = self.betas, point.learning_rate, point.gradient
        unbias1, unbias2 = 1 - beta1**point.number, 1 - beta2**point.number
        mean = point.moments[0].mul(beta1).add_(g, alpha=1 - beta1).div_(unbias1)
        square = point.moments[1].mul(beta2).addcmul_(g, g, value=1 - beta2).div_(unbias2)
        root = square.add_(self.epsilon_root).sqrt_()
        denominator = root + self.epsilon
        a, of_mean, of_square = adjoint.theta, adjoint.moments[0], adjoint.moments[1]
        of_mean.addcdiv_(a, denominator, value=-rate / unbias1)
        of_square.addcmul_(a, mean.div_(denominator.square().mul_(root)), value=rate / (2 * unbias2))
        direction = of_mean.mul(1 - beta1).addcmul_(of_square, g, value=2 * (1 - beta2))
        a.mul_(1 - rate * self.weight_decay)
        of_mean.mul_(beta1)
        of_square.mul_(beta2)
        return direction


def clip(gradient: Tensor, norm: Tensor, max_norm: float) -> Tensor:
    """Scale gradients (…, P) of the lengths `norm` (…), if that is more than `max_norm`, to that, in place."""
    return gradient.mul_((max_norm / norm[..., None]).clamp(max=1))


def clip_adjoint(
    direction: Tensor,
    gradient: Tensor,
    norm: float,
    max_norm: float,
    inner: Callable[[Tensor, Tensor], Tensor] = torch.matmul,
) -> Tensor:
    """Carry the adjoint c (K, P) of the clipped gradient to the gradient g (P,) itself.

    That is (r/‖g‖)(c − ĝ⟨ĝ, c⟩) where g is longer than r, else c. Of both a part is enough where the rest of c is 0;
    `norm` is that of the whole of g, `inner` is `FlatModel.inner`.
    """
    if norm <= max_norm or not math.isfinite(norm):
        return direction
    unit = gradient / norm
    return (direction - inner(direction, unit)[:, None] * unit).mul_(max_norm / norm)
