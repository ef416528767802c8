"""The noise transition matrix T[c, g] = P(given label g | true label c)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from labelaudit.types import Floats, Labels

STRENGTH_BOUNDS = (1e-3, 1e6)  # bounds of the priors' strengths: see `shrink_transition`
MIN_PROBABILITY = 1e-9  # the smallest probability in T
MIN_RIGHT = 0.02  # P(given label = true label) of any class


@dataclass(frozen=True)
class EvenTransition:
    """T of wrong labels that are as frequent in every class, and spread evenly over the others: two numbers.

    Attributes:
        classes: C.
        right: P(given label = true label).
        other: P(given label) of each other class.
    """

    classes: int
    right: float
    other: float

    @classmethod
    def of_rate(cls, classes: int, rate: float) -> EvenTransition:
        """T with a share of wrong labels."""
        return cls(classes, 1 - rate, rate / (classes - 1))

    def dense(self) -> Floats:
        """The matrix, shape (C, C)."""
        return self.of_given(np.arange(self.classes))

    def of_given(self, labels: Labels) -> Floats:
        """P(given label | true label c) of labels (n,), shape (n, C)."""
        likelihood = np.full((len(labels), self.classes), self.other)
        likelihood[np.arange(len(labels)), labels] = self.right
        return likelihood


Transition: TypeAlias = Floats | EvenTransition
"""T, shape (C, C), or what it is made of."""


def likelihood_by(transition: Transition) -> Callable[[Labels], Floats]:
    """From given labels (n,) to P(given label | true label c), shape (n, C)."""
    if isinstance(transition, EvenTransition):
        return transition.of_given
    by_given = np.ascontiguousarray(transition.T)
    return lambda labels: by_given[labels]


def shrink_transition(counts: Floats) -> Floats:
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
    mean = float(np.clip(wrong.sum() / counts.sum(), MIN_PROBABILITY, 1 - MIN_PROBABILITY))
    rate = np.full(classes, mean)
    if classes > 2:
        strength = _prior_strength(np.stack([wrong, right], axis=1), np.array([mean, 1 - mean]))
        rate = (wrong + strength * mean) / (wrong + right + strength)
        even = np.full(classes - 1, 1 / (classes - 1))
        strength = _prior_strength(named, even)
        named = (named + strength * even) / (wrong + strength)[:, None]
    else:
        named = np.ones((2, 1))
    transition = np.empty((classes, classes))
    transition[others] = np.maximum(rate[:, None] * named, MIN_PROBABILITY).ravel()
    np.fill_diagonal(transition, np.maximum(1 - rate, MIN_PROBABILITY))
    evened: Floats = transition / transition.sum(1, keepdims=True)
    return evened


def spread_strength(counts: Floats) -> float:
    """How evenly wrong labels are spread over the other classes: the s of their most likely Dirichlet prior.

    People mistake certain classes for each other, which makes s small (1 to 18 on the tuning data); of labels flipped
    at random it is 25 and more. Two classes have but one other, so that nothing is known: 0.

    Args:
        counts: Rows of class c that are called g, n[c, g], shape (C, C).
    """
    classes = len(counts)
    if classes == 2:
        return 0.0
    named = counts[~np.eye(classes, dtype=bool)].reshape(classes, classes - 1)
    return _prior_strength(named, np.full(classes - 1, 1 / (classes - 1)))


def _prior_strength(counts: Floats, mean: Floats) -> float:
    """The s for which counts (G, K) are most likely if each group's chances are drawn from Dirichlet(s · mean).

    Counts are expected ones, which `scipy.stats.dirichlet_multinomial` refuses.
    """
    totals = counts.sum(1)

    def loss(log_strength: float) -> float:
        s = np.exp(log_strength)
        chances = gammaln(counts + s * mean) - gammaln(s * mean)
        return float((gammaln(totals + s) - gammaln(s)).sum() - chances.sum())

    return float(np.exp(minimize_scalar(loss, bounds=tuple(np.log(STRENGTH_BOUNDS)), method="bounded").x))


def resize_transition(transition: Floats, size: float) -> Floats:
    """T with `size` times as many wrong labels, none of which is impossible, and some of which are right."""
    resized = size * transition
    np.fill_diagonal(resized, 0)
    np.fill_diagonal(resized, np.maximum(1 - resized.sum(1), MIN_RIGHT))
    resized = np.maximum(resized, MIN_PROBABILITY)
    sized: Floats = resized / resized.sum(1, keepdims=True)
    return sized
