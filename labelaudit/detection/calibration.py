"""From evidence to calibrated probabilities of a row's class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from labelaudit.detection.fitted_rows import few_a_class
from labelaudit.detection.transition import MIN_PROBABILITY, EvenTransition, Transition, likelihood_by
from labelaudit.runtime.large_arrays import blocks
from labelaudit.types import Floats, Labels

BIAS_PENALTY = 1e-3  # keeps the biases, which matter only up to a constant, from drifting


@dataclass(frozen=True)
class Calibration:
    """Evidence → probabilities: softmax(weight · evidence + bias).

    Attributes:
        weight: Not negative.
        bias: Shape (C,).
    """

    weight: float
    bias: Floats

    @classmethod
    def start(cls, classes: int) -> Calibration:
        """Evidence that is taken as log probabilities."""
        return cls(1.0, np.zeros(classes))

    def log_probabilities(self, evidence: Floats) -> Floats:
        """Log p(c | x), shape (N, C)."""
        return log_softmax(self.weight * evidence + self.bias)


def calibrate(
    evidence: Floats, labels: Labels, transition: Transition, start: Calibration | None = None, steps: int | None = None
) -> Calibration:
    """The weight and biases of largest likelihood of the given labels, Σ log Σ_c p(c | x) T[c, g].

    Because the labels' noise is in T, it does not blunt the weight.

    Args:
        evidence: Larger where a label is more plausible, shape (N, C).
        labels: Given class indices, shape (N,).
        transition: T.
        start: Where to begin the search.
        steps: After how many to end it; None to go on.
    """
    likelihood = likelihood_by(transition)

    def loss(scores: Tensor, p: Tensor, block: slice) -> tuple[Tensor, Tensor]:
        joint = p * torch.from_numpy(likelihood(labels[block]))
        of_given = joint.sum(1)
        return -of_given.log().sum(), joint.div_(of_given[:, None])

    return _fit(evidence, loss, start, steps)


def calibrate_to_given(evidence: Floats, labels: Labels) -> Calibration:
    """The same as if no label were wrong: what predicts the *given* labels best."""
    return calibrate(evidence, labels, EvenTransition(evidence.shape[1], 1.0, MIN_PROBABILITY))


def calibrate_to(evidence: Floats, target: Floats) -> Calibration:
    """The weight and biases with the least cross-entropy to probabilities found in another way, shape (N, C).

    For evidence that has seen the given labels: fitted to these, it would seem to know all of them.
    """

    def loss(scores: Tensor, p: Tensor, block: slice) -> tuple[Tensor, Tensor]:
        wanted = torch.from_numpy(target[block])
        return (scores.logsumexp(1) - torch.einsum("nc,nc->n", wanted, scores)).sum(), wanted

    return _fit(evidence, loss)


def _fit(
    evidence: Floats,
    loss: Callable[[Tensor, Tensor, slice], tuple[Tensor, Tensor]],
    start: Calibration | None = None,
    steps: int | None = None,
) -> Calibration:
    """Minimise a mean loss of scores z and p = softmax(z). One weight, one bias for each class: hardly to overfit.

    Where classes have few rows, the weight alone.

    Args:
        evidence: Shape (N, C).
        loss: Of z and p of a block of rows, gives the sum of their values, and the q with which the derivative by z
            is p − q.
        start: Where to begin.
        steps: After how many to end.
    """
    rows, classes = evidence.shape
    start = start or Calibration.start(classes)
    inputs = torch.from_numpy(evidence)
    weight_alone = few_a_class(rows, classes)

    def objective(values: Floats) -> tuple[float, Floats]:
        weight, bias = float(values[0]), torch.from_numpy(values[1:])
        value, by_weight, by_bias = 0.0, 0.0, torch.zeros_like(bias)
        for block in blocks(rows, classes):
            part = inputs[block].double()
            scores = weight * part if weight_alone else torch.add(bias, part, alpha=weight)
            p = scores.softmax(1)
            its_value, q = loss(scores, p, block)
            change = p.sub_(q)
            value += its_value.item()
            by_weight += torch.tensordot(change, part).item()
            if not weight_alone:
                by_bias += change.sum(0)
        value += rows * BIAS_PENALTY * bias.square().sum().item()
        by_bias += 2 * rows * BIAS_PENALTY * bias
        return value / rows, np.concatenate([[by_weight], by_bias.numpy()]) / rows

    first = np.concatenate([[start.weight], [] if weight_alone else start.bias])
    bounds = [(0, None)] + [(None, None)] * (len(first) - 1)
    options = {} if steps is None else {"maxiter": steps}
    fitted = minimize(objective, first, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return Calibration(float(fitted[0]), np.zeros_like(start.bias) if weight_alone else fitted[1:])


def log_softmax(scores: Floats) -> Floats:
    """Log softmax along the last axis."""
    normalised: Floats = torch.from_numpy(scores).log_softmax(-1).numpy()
    return normalised
