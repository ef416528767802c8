"""How labels go wrong where classes have few rows: one rate for all, and every other class as likely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

from labelaudit.training.thinning import thinned
from labelaudit.types import Floats, Labels

MOST_WRONG = 0.9  # of the labels
MAX_WEIGHT = 100.0
STARTS = ((1.0, 0.01), (1.0, 0.2))  # weight and rate
LEAST = 1e-9  # of a probability


@dataclass(frozen=True)
class OneRate:
    """P(given g | x) = (1 − ε) p_g + ε (1 − p_g)/(C − 1), with p = softmax(w e).

    Attributes:
        rate: ε.
        weight: w.
        right: p_g, shape (N,).
        wrong: P(given label is wrong), shape (N,).
        log_likelihood: Of the given labels, in nats.
        without: The same with ε = 0, at the weight that is best then.
    """

    rate: float
    weight: float
    right: Floats
    wrong: Floats
    log_likelihood: float
    without: float


def fit_one_rate(evidence: Floats, labels: Labels) -> OneRate:
    """The weight and the rate with which the given labels are most likely.

    Only the given label's probability is needed of each row, so that nothing of the size of T or of p is made again and
    again.

    Args:
        evidence: Larger where a label is more plausible, shape (N, C).
        labels: Given class indices, shape (N,).
    """
    classes = evidence.shape[1]
    some = thinned(*evidence.shape)
    fitted_on, its_labels = torch.from_numpy(evidence[some]), torch.from_numpy(labels[some])

    def likely_by(right: Floats, rate: float) -> Floats:
        """P(given g | x), from p_g."""
        likely: Floats = (1 - rate) * right + rate * (1 - right) / (classes - 1) + LEAST
        return likely

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weight, rate = parameters
        log_p, slope = _log_right(fitted_on, its_labels, weight)
        right = np.exp(log_p)
        likely = likely_by(right, rate)
        by_right = (1 - rate) - rate / (classes - 1)
        by_weight = -(by_right * right * slope / likely).mean()
        by_rate = -(((1 - right) / (classes - 1) - right) / likely).mean()
        return -float(np.log(likely).mean()), np.array([by_weight, by_rate])

    def fitted(start: tuple[float, float], most: float) -> tuple[float, Floats]:
        bounds = [(0, MAX_WEIGHT), (0, most)]
        found = minimize(loss, np.array(start), jac=True, method="L-BFGS-B", bounds=bounds)
        return float(found.fun), found.x

    everything, all_labels = torch.from_numpy(evidence), torch.from_numpy(labels)

    def likelihood(weight: float, rate: float) -> tuple[Floats, float]:
        """p_g of all rows, and the log likelihood of their labels."""
        right = np.exp(_log_right(everything, all_labels, weight)[0])
        return right, float(np.log(likely_by(right, rate)).sum())

    _, (weight_without, _) = fitted((1.0, 0.0), 0.0)
    _, (weight, rate) = min((fitted(start, MOST_WRONG) for start in STARTS), key=lambda found: found[0])
    without = likelihood(weight_without, 0)[1]
    right, log_likelihood = likelihood(weight, rate)
    as_wrong = rate * (1 - right) / (classes - 1)
    wrong = as_wrong / ((1 - rate) * right + as_wrong + np.finfo(np.float64).tiny)
    return OneRate(float(rate), float(weight), right, wrong, max(log_likelihood, without), without)


def _log_right(values: torch.Tensor, labels: torch.Tensor, weight: float) -> tuple[Floats, Floats]:
    """log p_g of rows (N, C), and its derivative by the weight: e_g − Σ_c p_c e_c."""
    of_given = values.gather(1, labels[:, None])[:, 0]
    scaled = weight * values
    normaliser = scaled.logsumexp(1)
    mean = torch.einsum("nc,nc->n", scaled.sub_(normaliser[:, None]).exp_(), values)
    return (weight * of_given - normaliser).numpy(), (of_given - mean).numpy()
