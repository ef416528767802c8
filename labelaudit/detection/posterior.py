"""How probable each label of a row is, from all that one run says of it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch.nn.functional import cross_entropy

Floats = NDArray[np.float64]

BIAS_PENALTY = 1e-3  # keeps the biases, which matter only up to a constant, from drifting


def label_posterior(evidence: list[Floats], labels: NDArray[np.int64]) -> Floats:
    """P(label c | row) = softmax_c(b_c + Σ_k w_k e_k[row, c]), with w_k ≥ 0 and b of maximal likelihood.

    The likelihood is that of the given labels, right and wrong: where a kind of evidence often contradicts them, its
    weight shrinks, so that a weak network yields cautious probabilities instead of confident nonsense. With one
    weight for each kind of evidence and one bias for each class there is next to nothing to overfit.

    Args:
        evidence: Arrays of shape (N, C), larger where a label is more plausible.
        labels: Given class indices, shape (N,).

    Returns:
        Probabilities, shape (N, C).
    """
    stacked = torch.from_numpy(np.stack(evidence))
    given = torch.from_numpy(labels)
    kinds, _, classes = stacked.shape

    def logits(parameters: torch.Tensor) -> torch.Tensor:
        return parameters[kinds:] + torch.einsum("k,knc->nc", parameters[:kinds], stacked)

    def loss(values: Floats) -> tuple[float, Floats]:
        parameters = torch.tensor(values, requires_grad=True)
        value = cross_entropy(logits(parameters), given) + BIAS_PENALTY * parameters[kinds:].square().sum()
        (gradient,) = torch.autograd.grad(value, parameters)
        return value.item(), gradient.numpy()

    start = np.concatenate([np.ones(kinds), np.zeros(classes)])
    bounds = [(0, None)] * kinds + [(None, None)] * classes
    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    posterior: Floats = logits(torch.from_numpy(fitted.x)).softmax(1).numpy()
    return posterior


def relabel_evidence(influence: Floats) -> Floats:
    """DIT's evidence for each label: how much better the query fares with it than with the average label.

    Args:
        influence: Q_j(c) of the rows of one fold, shape (N, C).

    Returns:
        The same, centred in each row and of unit scale, so that folds compare; shape (N, C).
    """
    centred: Floats = influence - influence.mean(1, keepdims=True)
    scale = float(centred.std())
    return centred / max(scale, np.finfo(np.float64).tiny)  # all equal: all zero, nothing is said
