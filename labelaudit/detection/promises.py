"""What is promised of a list of suspects: how many of them are wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelaudit.detection.posterior import shift_to_rate
from labelaudit.detection.ranking import Ranking
from labelaudit.detection.share import Share
from labelaudit.types import Floats

DEVIATIONS = 2.0  # of a number of independent draws, that either end allows for


@dataclass(frozen=True)
class Precision:
    """The share of a list that is wrong.

    Attributes:
        mean: What is expected.
        low: Lower end of its interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


def expected_precision(ranking: Ranking, share: Share) -> Precision | None:
    """The expected share of wrong labels among the suspects; None without suspects.

    The ends of the interval are what it would be if the share of wrong labels in all rows were at either end of its own
    interval, less or more two deviations of as many independent draws.

    Args:
        ranking: The scores, and which rows are suspects.
        share: The share of wrong labels in all scored rows.
    """
    if not ranking.suspect.any():
        return None
    scored = np.isfinite(ranking.score)
    score, chosen = ranking.score[scored], ranking.suspect[scored]
    low, high = (shift_to_rate(score, end)[chosen] for end in (share.low, share.high))
    mean = float(score[chosen].mean())
    return Precision(
        mean,
        min(mean, max(0.0, float(low.mean()) - _deviation(low))),
        max(mean, min(1.0, float(high.mean()) + _deviation(high))),
    )


def _deviation(probabilities: Floats) -> float:
    return DEVIATIONS * float(np.sqrt((probabilities * (1 - probabilities)).sum())) / len(probabilities)
