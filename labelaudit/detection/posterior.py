"""How probable each label of a row is, from all that one run says of it."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from labelaudit.detection.noise import Floats, Labels, Noise, calibrate, normalise

LARGEST_LOG_ODDS = 30.0


def label_posterior(evidence: list[tuple[Floats, float]], labels: Labels, noise: Noise) -> Floats:
    """P(true label c | row, given label g), so that on average as many labels are wrong as the noise estimate says.

    Each kind of evidence is calibrated by itself, for a fit of all together would give all the weight to the kind
    that has seen the given labels. Their weighted geometric mean p(c) is joined with how the labels go wrong:
    p(c) T[c, g], normalised. The log odds of the given label are then shifted, all by the same, until the mean
    probability of a wrong label is the estimated rate.

    Args:
        evidence: Arrays of shape (N, C), larger where a label is more plausible, each with its weight.
        labels: Given class indices g, shape (N,).
        noise: How the labels go wrong.

    Returns:
        Probabilities, shape (N, C).
    """
    total = sum(weight for _, weight in evidence)
    mean = np.zeros_like(evidence[0][0])
    for values, weight in evidence:
        mean += weight / total * calibrate(values, labels, noise.transition).log_probabilities(values)
    posterior = np.exp(normalise(mean + noise.log_likelihood(labels)))
    rows = np.arange(len(labels))
    right = posterior[rows, labels]
    log_odds = np.clip(logit(1 - right), -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS)
    wrong = expit(log_odds + _shift(log_odds, noise.rate))
    posterior[rows, labels] = 0
    others = posterior.sum(1)
    posterior *= np.divide(wrong, others, out=np.zeros_like(wrong), where=others > 0)[:, None]
    posterior[rows, labels] = 1 - wrong
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


def _shift(log_odds: Floats, rate: float) -> float:
    """What to add to log odds so that the mean probability is the rate."""
    bound = 2 * LARGEST_LOG_ODDS
    return float(brentq(lambda shift: float(expit(log_odds + shift).mean()) - rate, -bound, bound))
