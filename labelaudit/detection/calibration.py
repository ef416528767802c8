"""From evidence to calibrated probabilities of a row's class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

from labelaudit.detection.transition import MIN_PROBABILITY
from labelaudit.training.thinning import thinned
from labelaudit.types import Floats, Labels

FEW_A_CLASS = 10  # rows on average, below which classes get no bias of their own: it would be chance
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


def few_a_class(rows: int, classes: int) -> bool:
    """Whether classes have too few rows for anything to be estimated of each."""
    return rows < FEW_A_CLASS * classes


def calibrate(
    evidence: Floats, labels: Labels, transition: Floats, start: Calibration | None = None, steps: int | None = None
) -> Calibration:
    """The weight and biases of largest likelihood of the given labels, Σ log Σ_c p(c | x) T[c, g].

    Because the labels' noise is in T, it does not blunt the weight.

    Args:
        evidence: Larger where a label is more plausible, shape (N, C).
        labels: Given class indices, shape (N,).
        transition: T, shape (C, C).
        start: Where to begin the search.
        steps: After how many to end it; None to go on.
    """
    some = _fitted_on(*evidence.shape)
    log_likelihood = torch.from_numpy(np.log(transition[:, labels[some]].T))

    def loss(log_p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        joint = log_p + log_likelihood
        return -joint.logsumexp(1).mean(), joint.softmax(1)

    return _fit(evidence, some, loss, start, steps)


def calibrate_to_given(evidence: Floats, labels: Labels) -> Calibration:
    """The same as if no label were wrong: what predicts the *given* labels best."""
    return calibrate(evidence, labels, np.maximum(np.eye(evidence.shape[1]), MIN_PROBABILITY))


def calibrate_to(evidence: Floats, target: Floats) -> Calibration:
    """The weight and biases with the least cross-entropy to probabilities found in another way, shape (N, C).

    For evidence that has seen the given labels: fitted to these, it would seem to know all of them.
    """
    some = _fitted_on(*evidence.shape)
    probabilities = torch.from_numpy(target[some])
    return _fit(evidence, some, lambda log_p: (-(probabilities * log_p).sum(1).mean(), probabilities))


def _fitted_on(rows: int, classes: int) -> slice:
    """The rows that a calibration is fitted to: some are enough for a weight alone."""
    return thinned(rows, classes) if few_a_class(rows, classes) else slice(None)


def _fit(
    evidence: Floats,
    some: slice,
    loss: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    start: Calibration | None = None,
    steps: int | None = None,
) -> Calibration:
    """Minimise a mean loss of log p = log softmax(z). One weight, one bias for each class: next to nothing to overfit.

    Where classes have few rows, the weight alone.

    Args:
        evidence: Shape (N, C).
        some: Of its rows, n, on which it is fitted.
        loss: Gives its value and the q (n, C) with which its derivative by z is (p − q) / n.
        start: Where to begin.
        steps: After how many to end.
    """
    start = start or Calibration.start(evidence.shape[1])
    inputs = torch.from_numpy(evidence[some])
    weight_alone = few_a_class(*evidence.shape)

    def objective(values: Floats) -> tuple[float, Floats]:
        parameters = torch.from_numpy(values)
        scores = parameters[0] * inputs
        log_p = (scores if weight_alone else scores.add_(parameters[1:])).log_softmax(1)
        value, q = loss(log_p)
        change = log_p.exp_().sub_(q).div_(len(inputs))
        if weight_alone:
            return value.item(), torch.tensordot(change, inputs)[None].numpy()
        gradient = torch.cat([torch.tensordot(change, inputs)[None], change.sum(0) + 2 * BIAS_PENALTY * parameters[1:]])
        return (value + BIAS_PENALTY * parameters[1:].square().sum()).item(), gradient.numpy()

    first = np.concatenate([[start.weight], [] if weight_alone else start.bias])
    bounds = [(0, None)] + [(None, None)] * (len(first) - 1)
    options = {} if steps is None else {"maxiter": steps}
    fitted = minimize(objective, first, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return Calibration(float(fitted[0]), np.zeros_like(start.bias) if weight_alone else fitted[1:])


def log_softmax(scores: Floats) -> Floats:
    """Log softmax along the last axis."""
    normalised: Floats = torch.from_numpy(scores).log_softmax(-1).numpy()
    return normalised
