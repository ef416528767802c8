"""What is promised of a list of suspects: how many of them are wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelaudit.detection.ranking import Ranking


@dataclass(frozen=True)
class Precision:
    """The share of a list that is wrong.

    Attributes:
        mean: What is expected.
        low: Lower end of its interval; None where nobody looked at rows, for then there is none worth saying.
        high: Upper end, likewise.
    """

    mean: float
    low: float | None = None
    high: float | None = None


def expected_precision(ranking: Ranking) -> Precision | None:
    """The mean P(wrong) of the suspects; None without suspects."""
    if not ranking.suspect.any():
        return None
    return Precision(float(np.mean(ranking.score[ranking.suspect])))
