"""What a few rows, drawn at random and looked at, say of a list of suspects, and of the share of wrong labels.

Rows are drawn by strata: the suspects, the most doubtful others, and the rest. Many are drawn where much is unknown,
and within a stratum every row is as likely as any other, so what is found holds whatever the scores are worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from labelaudit.types import Flags, Floats, Rows

CONFIDENCE = 0.95
LEVEL = 0.90  # of the range of the share
STRATA = ("suspects", "doubtful", "rest")
DOUBTFUL = 0.10  # of the rows, but as many as there are suspects at least
CLIPPED = (0.02, 0.98)  # mean scores of a stratum that its part of the draw reckons with
FEWEST = 2  # rows of each stratum that are drawn
JEFFREYS = 0.5  # both parameters of the prior of a stratum's share


def wrong_at_least(wrong: int, checked: int, confidence: float = CONFIDENCE) -> float:
    """The share of a list that is wrong at least, with a confidence: the one-sided Clopper–Pearson bound.

    Args:
        wrong: How many of the checked rows were wrong, 0 … `checked`.
        checked: How many rows were drawn at random from the list and checked.
        confidence: How often the bound holds at least, whatever the share is, in (0, 1).

    Example:
        >>> f"{wrong_at_least(27, 30):.0%}"
        '76%'
    """
    return float(beta.ppf(1 - confidence, wrong, checked - wrong + 1)) if wrong else 0.0


def wrong_between(wrong: int, checked: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The two-sided Clopper–Pearson interval of the share of a list that is wrong."""
    outside = (1 - confidence) / 2
    return wrong_at_least(wrong, checked, 1 - outside), 1 - wrong_at_least(checked - wrong, checked, 1 - outside)


def strata_of(score: Floats, suspect: Flags, left: Flags) -> list[Rows]:
    """The rows of each of `STRATA`, some of which may be empty.

    Args:
        score: P(wrong), shape (N,).
        suspect: Whether a row is a suspect, shape (N,).
        left: Whether a row belongs to a stratum at all, as it is scored and nobody has looked at it, shape (N,).
    """
    suspects = np.flatnonzero(suspect & left)
    others = np.flatnonzero(~suspect & left)
    others = others[np.argsort(-score[others], kind="stable")]
    doubtful = max(len(suspects), int(DOUBTFUL * left.sum()))
    return [suspects, others[:doubtful], others[doubtful:]]


def allocate(strata: Sequence[Rows], score: Floats, number: int) -> list[int]:
    """How many rows are drawn from each stratum.

    `FEWEST` from each; then one by one where it takes off most of the variance of the share, by what the scores say
    (Neyman's allocation in whole numbers). A larger draw has all rows of a smaller one.
    """
    sizes = np.array([len(rows) for rows in strata])
    p = np.array([np.clip(score[rows].mean() if len(rows) else 0, *CLIPPED) for rows in strata])
    spread = sizes * np.sqrt(p * (1 - p))
    drawn = np.minimum(FEWEST, sizes)
    while drawn.sum() < min(number, sizes.sum()):
        gain = np.where(drawn < sizes, spread / np.sqrt(np.maximum(drawn, 0.5) * (drawn + 1)), -1)
        drawn[int(gain.argmax())] += 1
    return [int(count) for count in drawn]


@dataclass(frozen=True)
class Looked:
    """What was found in one stratum.

    Attributes:
        rows: How many rows it has.
        wrong: How many of the drawn ones were wrong.
        right: How many were right.
        unsure: How many were left unsure.
        others_wrong: How many rows outside the draw were found wrong; they count for themselves only, for they were
            chosen by their looks.
        others_right: How many were found right.
    """

    rows: int
    wrong: int = 0
    right: int = 0
    unsure: int = 0
    others_wrong: int = 0
    others_right: int = 0

    @property
    def checked(self) -> int:
        """How many of the drawn rows were looked at."""
        return self.wrong + self.right + self.unsure

    def total(self, unsure_wrong: float) -> tuple[float, float]:
        """Mean and variance of how many rows are wrong, if some share of the unsure ones is (Beta-binomial)."""
        wrong, right = self.wrong + unsure_wrong * self.unsure, self.right + (1 - unsure_wrong) * self.unsure
        unseen = self.rows - self.others_wrong - self.others_right - self.checked
        a, b = wrong + JEFFREYS, right + JEFFREYS
        p = a / (a + b)
        return self.others_wrong + wrong + unseen * p, unseen * p * (1 - p) * (a + b + unseen) / (a + b + 1)

    def expected(self) -> float:
        """How many rows are wrong, without bias (Horvitz–Thompson): unsure ones are as the others that were drawn."""
        sure = self.wrong + self.right
        left = self.rows - self.others_wrong - self.others_right
        return self.others_wrong + left * (self.wrong / sure if sure else JEFFREYS)


def share_wrong(looked: Sequence[Looked], known_wrong: int = 0, known_right: int = 0) -> tuple[float, float, float]:
    """The share of wrong labels in all strata: what is expected, and its 90% range.

    The low end takes unsure rows for right, the high end for wrong. The sum over strata is taken for a Beta variable of
    the same mean and variance.

    Args:
        looked: What was found in each stratum.
        known_wrong: Rows outside of all strata that are known to be wrong.
        known_right: Those known to be right.
    """
    rows = known_wrong + known_right + sum(stratum.rows for stratum in looked)
    ends = []
    for unsure_wrong, quantile in ((0.0, (1 - LEVEL) / 2), (1.0, (1 + LEVEL) / 2)):
        totals = [stratum.total(unsure_wrong) for stratum in looked if stratum.rows]
        mean = (known_wrong + sum(total for total, _ in totals)) / rows
        variance = sum(variance for _, variance in totals) / rows**2
        ends.append(_beta_quantile(quantile, mean, variance))
    found_wrong = known_wrong + sum(stratum.wrong + stratum.others_wrong for stratum in looked)
    found_right = known_right + sum(stratum.right + stratum.others_right for stratum in looked)
    low, high = max(ends[0], found_wrong / rows), min(ends[1], 1 - found_right / rows)
    point = (known_wrong + sum(stratum.expected() for stratum in looked if stratum.rows)) / rows
    return min(max(point, low), high), low, high


def _beta_quantile(quantile: float, mean: float, variance: float) -> float:
    """A quantile of the Beta distribution with this mean and variance."""
    if variance <= 0:
        return mean
    strength = mean * (1 - mean) / variance - 1
    return float(beta.ppf(quantile, mean * strength, (1 - mean) * strength))
