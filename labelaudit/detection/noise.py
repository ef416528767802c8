"""Which class is mistaken for which, and how many labels are wrong: two latent-class models of the labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from labelaudit.detection.calibration import Calibration, calibrate, calibrate_to_given
from labelaudit.detection.fitted_rows import few_a_class, fitted_rows, stratified
from labelaudit.detection.one_rate import OneRate, fit_one_rate
from labelaudit.detection.readings import Readings
from labelaudit.detection.share import BLIND_WEAKER, MIN_EVENNESS, Share, Signs, estimate_share, evenness, hidden_ratio
from labelaudit.detection.transition import (
    EvenTransition,
    Transition,
    likelihood_by,
    resize_transition,
    shrink_transition,
    spread_strength,
)
from labelaudit.runtime.large_arrays import blocks
from labelaudit.runtime.machine import threads_for
from labelaudit.types import Floats, Labels

STARTS = ((1.0, 0.05), (2.0, 0.1), (4.0, 0.25))  # times the weight without noise, and share of wrong labels
"""Where the iteration starts: from one start alone it stops early where three in ten labels are wrong."""
START_ROWS = 4000  # of as many the likeliest start is found
SORTED_BY = 8  # classes whose evidence tells the order of rows; more would take long where they are many
DIAGONAL_PRIOR = 5.0  # pseudo-counts of right labels in each class: a class of three rows says little of its noise
ITERATIONS = 60
STEPS = 2  # of the fit of p in each iteration; more do not save iterations, one alone is not enough
TOLERANCE = 1e-5
MIN_CLASS_PROBABILITY = 1e-3  # of a class once the learnt confusions are taken out of a prediction
SINGULAR = 0.02  # singular values of T below this share of the largest are not inverted
SIZES = (0.0, 0.25, 0.5, 0.65, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6, 2.0)  # multiples of T's off-diagonal that are tried
MIN_FREE_GAIN = 6.0  # nats by which two rates of two classes have to be more likely than one; 4.3 at 30% even noise
BELIEVED = 0.05  # nats a label by which other evidence may predict worse than the best
MIN_RATE = 1e-3  # of wrong labels in T where none are seen: a T of none would explain no label
MIN_LEARNT_GAIN = 10.0  # nats by which the second reading has to be more likely to be taken


@dataclass(frozen=True)
class Noise:
    """What is estimated of the wrong labels.

    Attributes:
        share: Their share, with its range and the verdict.
        transition: T[c, g] = P(given label g | true label c), rows sum to 1.
        evidence_weight: Of the evidence it was estimated from; near 0 where that does not go with the labels at all.
        given_label_calibration: The evidence's calibration to the *given* labels, where the network has learnt how
            labels are confused, and this is to be taken out of its predictions; else None.
    """

    share: Share
    transition: Transition
    evidence_weight: float
    given_label_calibration: Calibration | None = None

    @property
    def rate(self) -> float:
        """The share of wrong labels that probabilities add up to."""
        return self.share.point

    def carried_over(self, evidence: Floats, labels: Labels) -> Noise:
        """The same noise, for evidence of another kind than it was estimated from, shape (N, C)."""
        if self.given_label_calibration is None:
            return self
        some = fitted_rows(evidence, labels)
        return replace(self, given_label_calibration=calibrate_to_given(evidence[some].astype(float), labels[some]))

    def likelihood(self, labels: Labels) -> Floats:
        """P(given label | true label c) of each row, shape (N, C)."""
        return self._likelihood(labels)

    @cached_property
    def _likelihood(self) -> Callable[[Labels], Floats]:
        return likelihood_by(self.transition)

    def true_label_evidence(self, evidence: Floats) -> Floats:
        """Evidence for the true label: without the confusions of labels that the network has learnt, shape (N, C)."""
        if self.given_label_calibration is None:
            return evidence
        transition = self.transition.dense() if isinstance(self.transition, EvenTransition) else self.transition
        return without_confusions(np.exp(self.given_label_calibration.log_probabilities(evidence)), transition)


TrueLabelEvidence = Callable[[Floats], Floats]
"""T → evidence for the true label, shape (N, C): one reading of the evidence."""


@dataclass(frozen=True)
class NoiseModel:
    """One fitted model of how labels go wrong, with T at its most likely size.

    Attributes:
        transition: T, shape (C, C).
        calibration: Evidence for the true label → p(c | x).
        counts: Expected rows of true class c and given label g, shape (C, C).
        rate: Share of wrong labels.
        log_likelihood: Of the given labels, in nats.
        without: The same if none were wrong.
    """

    transition: Floats
    calibration: Calibration
    counts: Floats
    rate: float
    log_likelihood: float
    without: float


def estimate_noise(
    evidence: Floats,
    labels: Labels,
    others: Sequence[Floats] = (),
    *,
    is_weaker: bool = False,
    readings: Readings | None = None,
) -> Noise:
    """Fit P(given g | x) = Σ_c p(c | x) T[c, g], by expectation maximisation, under two readings of the evidence.

    First, the network wavers because it does not know the true class: p(c | x) = softmax_c(w e_c(x) + b_c). Labels that
    contradict confident evidence, however confident it is, are what T explains; contradictions where it wavers are left
    to p. Secondly, it wavers because it was trained on such labels and has learnt T with the classes: it predicts given
    labels q(x), and p is what is left of q T⁻¹. The second is taken where the given labels are more likely by it, as
    they are where mistakes depend on the class alone. How large T is, is decided by the likelihood as well, with T
    already shrunk; and what that says of the share of wrong labels, by `estimate_share`.

    The evidence must not know the row's own label (out of fold), or it will agree with wrong labels and the rate comes
    out too low.

    Where classes have few rows on average, there is one rate for all of them (`fit_one_rate`).

    Args:
        evidence: Larger where a label is more plausible, shape (N, C).
        labels: Given class indices, shape (N,).
        others: Evidence of other kinds that does not know it either, for the share; each of shape (N, C). One that
            predicts the labels clearly worse than the best errs by itself, and is not asked.
        is_weaker: Whether it is by networks that predict less than others could, and so err more by themselves.
        readings: What was found in such evidence before; added to.
    """
    readings = readings or Readings()
    some = fitted_rows(evidence, labels)
    # Rounding depends on the order of sums, and where the likelihood is flat the fits depend on rounding.
    some = some[np.lexsort((labels[some], *evidence[some, :SORTED_BY].T))]
    if few_a_class(*evidence.shape):
        return _with_one_rate([kind[some].astype(float) for kind in (evidence, *others)], labels[some], readings)
    found = [readings.of(_read, kind[some].astype(float), labels[some]) for kind in (evidence, *others)]
    chosen, confusions, signs = found[0]
    if is_weaker:
        signs = replace(signs, blind=BLIND_WEAKER)
    others_signs = [its_signs for _, _, its_signs in found[1:]]
    believed = _believed(others_signs, [model.log_likelihood for model, _, _ in found], len(some))
    share = estimate_share([signs, *believed], len(some))
    if is_weaker and share.disagreeing == signs.disagreeing:
        share = replace(share, basis="weaker view")
    return Noise(share, chosen.transition, chosen.calibration.weight, confusions)


def _believed(others: Sequence[Signs], log_likelihoods: Sequence[float], rows: int) -> list[Signs]:
    """The signs of kinds that do not predict clearly worse than the best; the reference's likelihood comes first."""
    least = max(log_likelihoods) - BELIEVED * rows
    return [signs for signs, found in zip(others, log_likelihoods[1:], strict=True) if found >= least]


def _with_one_rate(kinds: Sequence[Floats], labels: Labels, readings: Readings) -> Noise:
    """The noise of classes with few rows: how many labels are wrong, but not which class is mistaken for which."""
    found = [readings.of(fit_one_rate, evidence, labels) for evidence in kinds]
    signs = [_signs_of_one_rate(evidence, labels, fit) for evidence, fit in zip(kinds, found, strict=True)]
    believed = _believed(signs[1:], [fit.log_likelihood for fit in found], len(labels))
    rate = max(found[0].rate, MIN_RATE)
    return Noise(
        estimate_share([signs[0], *believed], len(labels)),
        EvenTransition.of_rate(kinds[0].shape[1], rate),
        found[0].weight,
    )


def _signs_of_one_rate(evidence: Floats, labels: Labels, fit: OneRate) -> Signs:
    disagreeing = float((evidence.argmax(1) != labels).mean())
    gain = fit.log_likelihood - fit.without
    return Signs(float(fit.wrong.mean()), disagreeing, gain, hidden_ratio(0.0, MIN_EVENNESS))


def _read(evidence: Floats, labels: Labels) -> tuple[NoiseModel, Calibration | None, Signs]:
    """The likelier reading of some evidence, the calibration with which it is the second one, and what it shows."""
    to_given = calibrate_to_given(evidence, labels)
    predicted = np.exp(to_given.log_probabilities(evidence))
    wavering = _fit(lambda _: evidence, labels, *_start(evidence, labels, to_given))
    even = EvenTransition.of_rate(evidence.shape[1], STARTS[1][1]).dense()
    learnt = _fit(partial(without_confusions, predicted), labels, even, Calibration.start(len(even)))
    second = learnt.log_likelihood > wavering.log_likelihood + MIN_LEARNT_GAIN
    chosen, confusions = (learnt, to_given) if second else (wavering, None)
    disagreeing = float((predicted.argmax(1) != labels).mean())
    true_label = np.exp(wavering.calibration.log_probabilities(evidence))
    even_rates = evenness(true_label, predicted, wavering.transition, labels)
    hidden = hidden_ratio(spread_strength(wavering.counts), even_rates)
    return chosen, confusions, Signs(chosen.rate, disagreeing, chosen.log_likelihood - wavering.without, hidden)


def _fit(to_true: TrueLabelEvidence, labels: Labels, transition: Floats, calibration: Calibration) -> NoiseModel:
    """One reading: T by expectation maximisation from a start, shrunk, at its most likely size.

    Two classes are taken to have one rate of wrong labels, but where two rates make the labels clearly more likely.
    """
    transition, calibration = _maximise(to_true, labels, transition, calibration)
    counts, _ = explain(to_true(transition), labels, transition, calibration)
    found = _sized(to_true, labels, shrink_transition(counts), calibration)
    if len(transition) == 2:
        free = _sized(to_true, labels, transition, calibration)
        if free.log_likelihood > found.log_likelihood + MIN_FREE_GAIN:
            return free
    return found


def _start(evidence: Floats, labels: Labels, to_given: Calibration) -> tuple[Floats, Calibration]:
    """The likeliest of some starts of the first reading, by what comes of each on some of the rows."""
    some = stratified(evidence, labels, START_ROWS)
    evidence, labels = evidence[some], labels[some]
    best: tuple[float, Floats, Calibration] | None = None
    for times, rate in STARTS:
        first = Calibration(times * to_given.weight, to_given.bias)
        even = EvenTransition.of_rate(evidence.shape[1], rate).dense()
        transition, calibration = _maximise(lambda _: evidence, labels, even, first)
        _, log_likelihood = explain(evidence, labels, transition, calibration)
        log_likelihood += DIAGONAL_PRIOR * float(np.log(np.diag(transition)).sum())
        if best is None or log_likelihood > best[0]:
            best = log_likelihood, transition, calibration
    assert best is not None
    return best[1:]


def _maximise(
    to_true: TrueLabelEvidence, labels: Labels, transition: Floats, calibration: Calibration
) -> tuple[Floats, Calibration]:
    """T and the calibration by expectation maximisation."""
    classes = len(transition)
    evidence = to_true(transition)
    for _ in range(ITERATIONS):
        counts, _ = explain(evidence, labels, transition, calibration)
        padded = counts + 1 / classes + DIAGONAL_PRIOR * np.eye(classes)
        previous, transition = transition, padded / padded.sum(1, keepdims=True)
        evidence = to_true(transition)
        calibration = calibrate(evidence, labels, transition, calibration, STEPS)
        if np.abs(transition - previous).max() < TOLERANCE:
            break
    return transition, calibration


def _sized(to_true: TrueLabelEvidence, labels: Labels, transition: Floats, calibration: Calibration) -> NoiseModel:
    """The model with as many times the wrong labels of T as make the given labels most likely."""
    best: NoiseModel | None = None
    without = 0.0
    for size in SIZES:
        sized = resize_transition(transition, size)
        evidence = to_true(sized)
        calibration = calibrate(evidence, labels, sized, calibration)
        counts, log_likelihood = explain(evidence, labels, sized, calibration)
        if size == 0:
            without = log_likelihood
        if best is None or log_likelihood > best.log_likelihood:
            rate = 1 - float(np.diag(counts).sum()) / len(labels)
            if size == 0:  # a T of none would explain no label
                sized = resize_transition(transition, SIZES[1])
            best = NoiseModel(sized, calibration, counts, rate, log_likelihood, without)
    assert best is not None
    return best


def explain(evidence: Floats, labels: Labels, transition: Floats, calibration: Calibration) -> tuple[Floats, float]:
    """Expected rows of true class c and given label g, shape (C, C), and the log-likelihood of the given labels.

    Args:
        evidence: For the true label, shape (N, C).
        labels: Given class indices, shape (N,).
        transition: T.
        calibration: Of the evidence.
    """
    likelihood, by_given, log_likelihood = likelihood_by(transition), np.zeros_like(transition), 0.0
    for block in blocks(*evidence.shape):
        joint = np.exp(calibration.log_probabilities(evidence[block]))
        joint *= likelihood(labels[block])
        of_given = joint.sum(1)
        joint /= of_given[:, None]
        count(joint, labels[block], by_given)
        log_likelihood += float(np.log(of_given).sum())
    return by_given.T, log_likelihood


def without_confusions(predicted: Floats, transition: Floats) -> Floats:
    """Log of what is left of the predictions q of given labels, shape (N, C), after q T⁻¹."""
    with threads_for(predicted.size * len(transition)):
        left = (torch.from_numpy(predicted) @ _inverse(transition)).clamp_(min=MIN_CLASS_PROBABILITY)
    shares: Floats = left.div_(left.sum(1, keepdim=True)).log_().numpy()
    return shares


def _inverse(transition: Floats) -> Tensor:
    """T⁻¹, without what T does next to nothing for, shape (C, C).

    Where T is known to have no singular value to be left out (Johnson, 1989), it is inverted as it is: a tenth of the
    time of taking it apart.
    """
    others = transition - np.diag(np.diag(transition))
    least = (np.diag(transition) - (others.sum(0) + others.sum(1)) / 2).min()
    largest = np.sqrt(transition.sum(0).max() * transition.sum(1).max())
    tensor = torch.from_numpy(transition)
    safe = least > SINGULAR * largest
    inverse: Tensor = torch.linalg.inv(tensor) if safe else torch.linalg.pinv(tensor, rtol=SINGULAR)
    return inverse


def count(posterior: Floats, labels: Labels, by_given: Floats) -> None:
    """Add P(true label c) of each row, shape (N, C), to the expected rows of given label g and true class c, (C, C)."""
    torch.from_numpy(by_given).index_add_(0, torch.from_numpy(labels), torch.from_numpy(posterior))
