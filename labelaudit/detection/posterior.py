"""How probable each label of a row is, from all that one run says of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from labelaudit.detection.calibration import calibrate, calibrate_to, log_softmax
from labelaudit.detection.noise import Noise
from labelaudit.types import Floats, Labels

LARGEST_LOG_ODDS = 30.0
LEAST_RATE = 1e-6  # of wrong labels that log odds are shifted to
PRIOR_ROWS = 50.0  # that a share of wrong labels known from elsewhere counts for
ITERATIONS = 1000
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Evidence:
    """One kind of evidence.

    Attributes:
        values: Larger where a label is more plausible, shape (N, C).
        weight: What it counts among the others.
    """

    values: Floats
    weight: float


def label_posterior(reference: Evidence, others: list[Evidence], labels: Labels, noise: Noise) -> Floats:
    """P(true label c | row, given label g), so that on average as many labels are wrong as the noise estimate says.

    The reference is calibrated to the given labels, with their noise in mind. All else is calibrated to what the
    reference says of the true labels: evidence that has learnt the given labels by heart agrees with all of them, and
    gets the little weight it deserves. The weighted geometric mean p(c), calibrated likewise, is joined with how the
    labels go wrong, p(c) T[c, g]. The log odds of the given label are then shifted, all by the same, until the mean
    probability of a wrong label is the estimated rate.

    Args:
        reference: What the noise was estimated from.
        others: More evidence.
        labels: Given class indices g, shape (N,).
        noise: How the labels go wrong.

    Returns:
        Probabilities, shape (N, C).
    """
    values = noise.true_label_evidence(reference.values)
    by_reference = calibrate(values, labels, noise.transition).log_probabilities(values)
    target = np.exp(log_softmax(by_reference + noise.log_likelihood(labels)))
    mean = by_reference
    if others:
        mean = reference.weight * by_reference
        for other in others:
            mean += other.weight * calibrate_to(other.values, target).log_probabilities(other.values)
        # Each kind is flattened where it says little, and a mean of flattened ones is too blunt to be joined with T.
        mean /= reference.weight + sum(other.weight for other in others)
        mean = calibrate_to(mean, target).log_probabilities(mean)
    posterior = np.exp(log_softmax(mean + noise.log_likelihood(labels)))
    return with_wrong(posterior, labels, shift_to_rate(1 - posterior[np.arange(len(labels)), labels], noise.rate))


def adapt_to_own_rate(posterior: Floats, labels: Labels, rate: float) -> Floats:
    """P(true label) of rows that have a share of wrong labels of their own, such as those added by an update.

    The odds of a wrong label are moved from the rate they were found with to the rows' own, which is found by
    expectation maximisation (Saerens et al., 2002); the earlier rate counts as much as `PRIOR_ROWS` rows.

    Args:
        posterior: P(true label c | row), as `label_posterior` has it, shape (N, C).
        labels: Given class indices, shape (N,).
        rate: The share of wrong labels it was found with.
    """
    rate = float(np.clip(rate, 1e-6, 1 - 1e-6))
    log_odds = _log_odds(1 - posterior[np.arange(len(labels)), labels])
    own, wrong = rate, expit(log_odds)
    for _ in range(ITERATIONS):
        before, own = own, float((wrong.sum() + PRIOR_ROWS * rate) / (len(labels) + PRIOR_ROWS))
        wrong = expit(log_odds + logit(own) - logit(rate))
        if abs(own - before) < TOLERANCE:
            break
    return with_wrong(posterior.copy(), labels, wrong)


def _log_odds(probability: Floats) -> Floats:
    clipped: Floats = np.clip(logit(probability), -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS)
    return clipped


def with_wrong(posterior: Floats, labels: Labels, wrong: Floats) -> Floats:
    """Give the given labels the probability 1 − wrong, and share the rest among the others as it was, in place.

    Args:
        posterior: P(true label c), shape (N, C).
        labels: Given class indices, shape (N,).
        wrong: P(given label is wrong), shape (N,).
    """
    rows = np.arange(len(labels))
    posterior[rows, labels] = 0
    rest = posterior.sum(1)
    np.divide(posterior, rest[:, None], out=posterior, where=rest[:, None] > 0)  # first: wrong / rest can overflow
    posterior *= wrong[:, None]
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


def shift_to_rate(wrong: Floats, rate: float) -> Floats:
    """Probabilities of a wrong label, shape (n,), with their log odds shifted until the rate is their mean."""
    log_odds = _log_odds(wrong)
    shifted: Floats = expit(log_odds + shift_of(log_odds, rate))
    return shifted


def shift_of(log_odds: Floats, rate: float) -> float:
    """What to add to log odds so that the mean probability is the rate."""
    bound = 2 * LARGEST_LOG_ODDS
    rate = float(np.clip(rate, LEAST_RATE, 1 - LEAST_RATE))
    return float(brentq(lambda shift: float(expit(log_odds + shift).mean()) - rate, -bound, bound))
