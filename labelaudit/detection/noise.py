"""How many labels are wrong, and which class is mistaken for which: a latent-class model of the labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import gammaln

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

FIRST_GUESS = 0.1  # the share of wrong labels the iteration starts from
RIGHT_ROWS = 5.0  # pseudo-counts of right labels in each class: a class of three rows says little of its noise
STRENGTHS = (1e-3, 1e6)  # between which that of the draw towards an even T is sought: see `even_out`
LEAST = 1e-9  # that any chance is
BIAS_PENALTY = 1e-3  # keeps the biases, which matter only up to a constant, from drifting
ITERATIONS = 60
STEPS = 2  # of the fit of p in each iteration; more do not save iterations, one alone is not enough
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Noise:
    """What is estimated of the wrong labels.

    Attributes:
        rate: Their share.
        transition: T[c, g] = P(given label g | true label c), rows sum to 1, shape (C, C).
        evidence_weight: Of the evidence it was estimated from; near 0 where that does not go with the labels at all.
    """

    rate: float
    transition: Floats
    evidence_weight: float

    def log_likelihood(self, labels: Labels) -> Floats:
        """Log P(given label | true label c) of each row, shape (N, C)."""
        log_likelihood: Floats = np.log(self.transition[:, labels].T)
        return log_likelihood


def estimate_noise(evidence: Floats, labels: Labels) -> Noise:
    """Fit P(given g | x) = Σ_c p(c | x) T[c, g] with p(c | x) = softmax_c(w e_c(x) + b_c), by EM.

    Labels that contradict confident evidence, however confident it is, are what T explains; contradictions where the
    evidence wavers are left to p. The evidence must not know the row's own label (out of fold), or it will agree with
    wrong labels and the rate comes out too low.

    Args:
        evidence: Larger where a label is more plausible, shape (N, C).
        labels: Given class indices, shape (N,).
    """
    classes = evidence.shape[1]
    transition = np.full((classes, classes), FIRST_GUESS / (classes - 1))
    np.fill_diagonal(transition, 1 - FIRST_GUESS)
    calibration = Calibration.start(classes)
    for _ in range(ITERATIONS):
        true_label = normalise(calibration.log_probabilities(evidence) + np.log(transition[:, labels].T))
        padded = _count(true_label, labels) + 1 / classes + RIGHT_ROWS * np.eye(classes)
        previous, transition = transition, padded / padded.sum(1, keepdims=True)
        calibration = calibrate(evidence, labels, transition, calibration, STEPS)
        if np.abs(transition - previous).max() < TOLERANCE:
            break
    true_label = normalise(calibration.log_probabilities(evidence) + np.log(transition[:, labels].T))
    counts = _count(true_label, labels)
    return Noise(1 - float(np.trace(counts)) / len(labels), even_out(counts), calibration.weight)


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
        return normalise(self.weight * evidence + self.bias)


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
    log_likelihood = torch.from_numpy(np.log(transition[:, labels].T))

    def loss(log_p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        joint = log_p + log_likelihood
        return -joint.logsumexp(1).mean(), joint.softmax(1)

    return _fit(evidence, loss, start, steps)


def calibrate_to(evidence: Floats, target: Floats) -> Calibration:
    """The weight and biases with the least cross-entropy to probabilities found in another way, shape (N, C).

    For evidence that has seen the given labels: fitted to these, it would seem to know all of them.
    """
    probabilities = torch.from_numpy(target)
    return _fit(evidence, lambda log_p: (-(probabilities * log_p).sum(1).mean(), probabilities))


def _fit(
    evidence: Floats,
    loss: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    start: Calibration | None = None,
    steps: int | None = None,
) -> Calibration:
    """Minimise a mean loss of log p = log softmax(z). One weight, one bias for each class: next to nothing to overfit.

    Args:
        evidence: Shape (N, C).
        loss: Gives its value and the q (N, C) with which its derivative by z is (p − q) / N.
        start: Where to begin.
        steps: After how many to end.
    """
    start = start or Calibration.start(evidence.shape[1])
    inputs = torch.from_numpy(evidence)

    def objective(values: Floats) -> tuple[float, Floats]:
        parameters = torch.from_numpy(values)
        log_p = (parameters[0] * inputs + parameters[1:]).log_softmax(1)
        value, q = loss(log_p)
        change = log_p.exp_().sub_(q) / len(inputs)
        gradient = torch.cat([torch.tensordot(change, inputs)[None], change.sum(0) + 2 * BIAS_PENALTY * parameters[1:]])
        return (value + BIAS_PENALTY * parameters[1:].square().sum()).item(), gradient.numpy()

    first = np.concatenate([[start.weight], start.bias])
    bounds = [(0, None)] + [(None, None)] * len(start.bias)
    options = {} if steps is None else {"maxiter": steps}
    fitted = minimize(objective, first, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return Calibration(float(fitted[0]), fitted[1:])


def normalise(scores: Floats) -> Floats:
    """Log softmax along the last axis."""
    normalised: Floats = torch.from_numpy(scores).log_softmax(-1).numpy()
    return normalised


def _count(true_label: Floats, labels: Labels) -> Floats:
    """How many rows are thought to be of class c and are called g, by log P(true label c) of each row; shape (C, C)."""
    counts = np.zeros((true_label.shape[1],) * 2)
    np.add.at(counts.T, labels, np.exp(true_label))
    return counts


def even_out(counts: Floats) -> Floats:
    """T, drawn towards wrong labels that are as frequent in every class and spread evenly over the others.

    Much of what stands out in the counts is chance, or the network's own leaning to one class. How often a class is
    mistaken has a Beta prior around the mean rate, and for which other class a Dirichlet prior around an even spread,
    the same for all classes. How strongly they draw is what makes the counts most likely (empirical Bayes): where
    confusions stand out from chance, hardly at all. Two classes are too few to tell how much classes differ; they are
    taken to have one rate.

    Args:
        counts: Rows of class c that are called g, n[c, g], shape (C, C).
    """
    classes = len(counts)
    others = ~np.eye(classes, dtype=bool)
    named = counts[others].reshape(classes, classes - 1)
    wrong, right = named.sum(1), np.diag(counts)
    mean = float(np.clip(wrong.sum() / counts.sum(), LEAST, 1 - LEAST))
    rate = np.full(classes, mean)
    if classes > 2:
        strength = _strength(np.stack([wrong, right], axis=1), np.array([mean, 1 - mean]))
        rate = (wrong + strength * mean) / (wrong + right + strength)
        even = np.full(classes - 1, 1 / (classes - 1))
        strength = _strength(named, even)
        named = (named + strength * even) / (wrong + strength)[:, None]
    else:
        named = np.ones((2, 1))
    transition = np.empty((classes, classes))
    transition[others] = np.maximum(rate[:, None] * named, LEAST).ravel()
    np.fill_diagonal(transition, np.maximum(1 - rate, LEAST))
    evened: Floats = transition / transition.sum(1, keepdims=True)
    return evened


def _strength(counts: Floats, mean: Floats) -> float:
    """The s for which counts (G, K) are most likely if each group's chances are drawn from Dirichlet(s · mean)."""
    totals = counts.sum(1)

    def loss(log_strength: float) -> float:
        s = np.exp(log_strength)
        chances = gammaln(counts + s * mean) - gammaln(s * mean)
        return float((gammaln(totals + s) - gammaln(s)).sum() - chances.sum())

    return float(np.exp(minimize_scalar(loss, bounds=tuple(np.log(STRENGTHS)), method="bounded").x))
