"""How probable each label of a row is, from all that one run says of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from labelaudit.detection.calibration import Calibration, calibrate, calibrate_to
from labelaudit.detection.fitted_rows import calibrated_rows
from labelaudit.detection.noise import Noise
from labelaudit.progress import Advance, ignore
from labelaudit.runtime.large_arrays import blocks, cells, of_given
from labelaudit.types import Floats, Labels, Rows

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


def label_posterior(
    reference: Evidence, others: list[Evidence], labels: Labels, noise: Noise, advance: Advance = ignore
) -> Floats:
    """P(true label c | row, given label g), so that on average as many labels are wrong as the noise estimate says.

    The reference is calibrated to the given labels, with their noise in mind. All else is calibrated to what the
    reference says of the true labels: evidence that has learnt the given labels by heart agrees with all of them, and
    gets the little weight it deserves. The weighted geometric mean p(c), calibrated likewise, is joined with how the
    labels go wrong, p(c) T[c, g]. The log odds of the given label are then shifted, all by the same, until the mean
    probability of a wrong label is the estimated rate. Where rows are many, calibrations are fitted to some of them
    (`calibrated_rows`).

    Args:
        reference: What the noise was estimated from.
        others: More evidence.
        labels: Given class indices g, shape (N,).
        noise: How the labels go wrong.
        advance: Told of rows that are done.

    Returns:
        Probabilities, shape (N, C).
    """
    some = calibrated_rows(reference.values, labels)

    def by_reference(rows: slice | Rows) -> Floats:
        return noise.true_label_evidence(reference.values[rows].astype(float))

    fitted_on = by_reference(some)
    of_reference = calibrate(fitted_on, labels[some], noise.transition)
    target = _joined(of_reference.log_probabilities(fitted_on), noise.likelihood(labels[some]))
    calibrations = [calibrate_to(other.values[some].astype(float), target) for other in others]

    def mean(rows: slice | Rows) -> Floats:
        log_p = reference.weight * of_reference.log_probabilities(by_reference(rows))
        for other, calibration in zip(others, calibrations, strict=True):
            log_p += other.weight * calibration.log_probabilities(other.values[rows].astype(float))
        log_p /= reference.weight + sum(other.weight for other in others)
        return log_p

    posterior, wrong = cells(*reference.values.shape), np.empty(len(labels))
    # Each kind is flattened where it says little, and a mean of flattened ones is too blunt to be joined with T.
    of_mean = calibrate_to(mean(some), target) if others else Calibration.start(posterior.shape[1])
    for block in blocks(*posterior.shape):
        found = _joined(of_mean.log_probabilities(mean(block)), noise.likelihood(labels[block]))
        posterior[block], wrong[block] = found, 1 - of_given(found, labels[block])
        advance(len(found))
    return with_wrong(posterior, labels, shift_to_rate(wrong, noise.rate))


def _joined(log_p: Floats, likelihood: Floats) -> Floats:
    """P(true label c | row, given label), from log p(c | row) and P(given label | true label c), each (N, C)."""
    joint = np.exp(log_p)
    joint *= likelihood
    joint /= joint.sum(1, keepdims=True)
    return joint


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
    log_odds = _log_odds(1 - of_given(posterior, labels))
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
    for block in blocks(*posterior.shape):
        part, given, its_wrong = posterior[block], labels[block], wrong[block]
        rows = np.arange(len(given))
        part[rows, given] = 0
        rest = part.sum(1, keepdims=True)
        np.divide(part, rest, out=part, where=rest > 0)  # first: wrong / rest can overflow
        part *= its_wrong[:, None]
        part[rows, given] = 1 - its_wrong
    return posterior


def relabel_evidence(influence: Floats) -> Floats:
    """DIT's evidence for each label: how much better the query fares with it than with the average label.

    Args:
        influence: Q_j(c) of the rows of one fold, shape (N, C); changed in place.

    Returns:
        The same, centred in each row and of unit scale, so that folds compare; shape (N, C).
    """
    squares = 0.0
    for block in blocks(*influence.shape):
        influence[block] -= influence[block].mean(1, keepdims=True)
        squares += float(np.square(influence[block], dtype=np.float64).sum())
    scale = max(np.sqrt(squares / max(influence.size, 1)), np.finfo(np.float64).tiny)  # all equal: nothing is said
    for block in blocks(*influence.shape):
        influence[block] /= scale
    return influence


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
