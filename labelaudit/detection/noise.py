"""How many labels are wrong, and which class is mistaken for which: two latent-class models of the labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelaudit.detection.calibration import Calibration, calibrate, log_softmax
from labelaudit.detection.share import Fitted, Share, estimate_learnt_share, estimate_share, hidden_ratio
from labelaudit.detection.transition import MIN_PROBABILITY, resize_transition, shrink_transition
from labelaudit.types import Floats, Labels

INITIAL_NOISE_RATE = 0.1  # share of wrong labels at which the iteration starts
DIAGONAL_PRIOR = 5.0  # pseudo-counts of right labels in each class: a class of three rows says little of its noise
ITERATIONS = 60
STEPS = 2  # of the fit of p in each iteration; more do not save iterations, one alone is not enough
TOLERANCE = 1e-5
MIN_CLASS_PROBABILITY = 1e-3  # of a class once the learnt confusions are taken out of a prediction
SINGULAR = 0.02  # singular values of T below this share of the largest are not inverted
SIZES = (0.0, 0.25, 0.5, 0.65, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6, 2.0)  # multiples of T's off-diagonal that are tried
MIN_GAIN = 10.0  # nats by which the second reading has to be more likely to be taken
LIKELIHOOD_MARGIN = (
    3.0  # log-likelihood below the maximum, in nats, up to which a size is possible; 1.9 would be exact at 95%
)


@dataclass(frozen=True)
class Noise:
    """What is estimated of the wrong labels.

    Attributes:
        share: Their share, with an interval.
        transition: T[c, g] = P(given label g | true label c), rows sum to 1, shape (C, C).
        evidence_weight: Of the evidence it was estimated from; near 0 where that does not go with the labels at all.
        given_label_calibration: The evidence's calibration to the *given* labels, where the network has learnt how
            labels are confused, and this is to be taken out of its predictions; else None.
    """

    share: Share
    transition: Floats
    evidence_weight: float
    given_label_calibration: Calibration | None = None

    @property
    def rate(self) -> float:
        """The estimated share of wrong labels."""
        return self.share.point

    def log_likelihood(self, labels: Labels) -> Floats:
        """Log P(given label | true label c) of each row, shape (N, C)."""
        return _log_likelihood_of(self.transition, labels)

    def true_label_evidence(self, evidence: Floats) -> Floats:
        """Evidence for the true label: without the confusions of labels that the network has learnt, shape (N, C)."""
        return _without_confusions(evidence, self.given_label_calibration, self.transition)


@dataclass(frozen=True)
class NoiseModel:
    """One fitted model of how labels go wrong.

    Attributes:
        transition: T, shape (C, C).
        given_label_calibration: See `Noise`.
        rates: Share of wrong labels at each of the sizes of T.
        log_likelihoods: Of the given labels at each of these sizes, in nats.
        evidence_weight: See `Noise`.
        network_error: How often the network's most probable class is wrong, by its calibrated probabilities.
    """

    transition: Floats
    given_label_calibration: Calibration | None
    rates: tuple[float, ...]
    log_likelihoods: tuple[float, ...]
    evidence_weight: float
    network_error: float

    @property
    def log_likelihood(self) -> float:
        """The largest."""
        return max(self.log_likelihoods)

    @property
    def fitted(self) -> Fitted:
        """The most likely share of wrong labels, and the least and largest that are about as likely."""
        near = [rate for rate, ll in zip(self.rates, self.log_likelihoods, strict=True)
                if ll >= self.log_likelihood - LIKELIHOOD_MARGIN]  # fmt: skip
        return Fitted(self.rates[int(np.argmax(self.log_likelihoods))], min(near), max(near))


def estimate_noise(evidence: Floats, labels: Labels) -> Noise:
    """Fit P(given g | x) = Σ_c p(c | x) T[c, g], by expectation maximisation, under two readings of the evidence.

    First, the network wavers because it does not know the true class: p(c | x) = softmax_c(w e_c(x) + b_c). Labels that
    contradict confident evidence, however confident it is, are what T explains; contradictions where it wavers are left
    to p. Secondly, it wavers because it was trained on such labels and has learnt T with the classes: it predicts given
    labels q(x), and p is what is left of q T⁻¹. The second is taken where the given labels are more likely by it, as
    they are where mistakes depend on the class alone. How large T is, is decided by the likelihood as well, with T
    already shrunk; and what share of wrong labels that means, with what interval, by `estimate_share`.

    The evidence must not know the row's own label (out of fold), or it will agree with wrong labels and the rate comes
    out too low.

    Args:
        evidence: Larger where a label is more plausible, shape (N, C).
        labels: Given class indices, shape (N,).
    """
    classes, rows = evidence.shape[1], len(labels)
    to_given = calibrate(evidence, labels, np.maximum(np.eye(classes), MIN_PROBABILITY))
    wavering, learnt = (_fit(evidence, labels, calibration) for calibration in (None, to_given))
    contradicted = float((evidence.argmax(1) != labels).mean())
    if learnt.log_likelihood > wavering.log_likelihood + MIN_GAIN:
        chosen, share = learnt, estimate_learnt_share(wavering.fitted, learnt.fitted, contradicted, rows)
    else:
        error, fitted = wavering.network_error, wavering.fitted
        ratio = hidden_ratio(structure_of(wavering.transition), error, fitted.point)
        share = estimate_share(fitted, ratio, error, contradicted, rows, two_classes=classes == 2)
        chosen = wavering
    size = max(SIZES[int(np.argmax(chosen.log_likelihoods))], SIZES[1])  # a T of none would explain no label
    transition = resize_transition(chosen.transition, size)
    return Noise(share, transition, chosen.evidence_weight, chosen.given_label_calibration)


def structure_of(transition: Floats) -> float:
    """How far wrong labels are from being spread evenly over the other classes: total variation, 0 … 1.

    Two classes have but one other; the answer is 0.
    """
    classes = len(transition)
    wrong = np.where(np.eye(classes, dtype=bool), 0.0, transition)
    per_class = wrong.sum(1)
    even = (1 - np.eye(classes)) / max(classes - 1, 1)
    distance = 0.5 * np.abs(wrong / np.maximum(per_class, MIN_PROBABILITY)[:, None] - even).sum(1)
    return float(distance @ per_class / max(per_class.sum(), MIN_PROBABILITY))


def _fit(evidence: Floats, labels: Labels, to_given: Calibration | None) -> NoiseModel:
    """One reading: T by expectation maximisation, shrunk, and the likelihood of T at several sizes."""
    classes = evidence.shape[1]
    transition = np.full((classes, classes), INITIAL_NOISE_RATE / (classes - 1))
    np.fill_diagonal(transition, 1 - INITIAL_NOISE_RATE)
    calibration = Calibration.start(classes)
    for _ in range(ITERATIONS):
        true_evidence = _without_confusions(evidence, to_given, transition)
        true_label = log_softmax(calibration.log_probabilities(true_evidence) + _log_likelihood_of(transition, labels))
        padded = _count(true_label, labels) + 1 / classes + DIAGONAL_PRIOR * np.eye(classes)
        previous, transition = transition, padded / padded.sum(1, keepdims=True)
        calibration = calibrate(true_evidence, labels, transition, calibration, STEPS)
        if np.abs(transition - previous).max() < TOLERANCE:
            break
    true_evidence = _without_confusions(evidence, to_given, transition)
    true_label = log_softmax(calibration.log_probabilities(true_evidence) + _log_likelihood_of(transition, labels))
    shrunk = shrink_transition(_count(true_label, labels))
    rates, log_likelihoods = [], []
    for size in SIZES:
        sized = resize_transition(shrunk, size)
        true_evidence = _without_confusions(evidence, to_given, sized)
        calibration = calibrate(true_evidence, labels, sized, calibration)
        joint = calibration.log_probabilities(true_evidence) + _log_likelihood_of(sized, labels)
        log_likelihoods.append(float(np.logaddexp.reduce(joint, axis=1).sum()))
        rates.append(float(1 - np.exp(log_softmax(joint)[np.arange(len(labels)), labels]).mean()))
        if size == 1:
            weight = calibration.weight
            error = 1 - float(np.exp(calibration.log_probabilities(true_evidence).max(1)).mean())
    return NoiseModel(shrunk, to_given, tuple(rates), tuple(log_likelihoods), weight, error)


def _without_confusions(evidence: Floats, to_given: Calibration | None, transition: Floats) -> Floats:
    """Log of what is left of the predictions q of given labels after q T⁻¹; the evidence itself without `to_given`."""
    if to_given is None:
        return evidence
    predicted = np.exp(to_given.log_probabilities(evidence))
    left: Floats = np.maximum(predicted @ np.linalg.pinv(transition, rcond=SINGULAR), MIN_CLASS_PROBABILITY)
    shares: Floats = np.log(left / left.sum(1, keepdims=True))
    return shares


def _log_likelihood_of(transition: Floats, labels: Labels) -> Floats:
    log_likelihood: Floats = np.log(transition[:, labels].T)
    return log_likelihood


def _count(true_label: Floats, labels: Labels) -> Floats:
    """Expected rows of true class c and given label g, by log P(true label c) of each row; shape (C, C)."""
    counts = np.zeros((true_label.shape[1],) * 2)
    np.add.at(counts.T, labels, np.exp(true_label))
    return counts
