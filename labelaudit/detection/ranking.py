"""Signals → the order of suspicion, the suspects and the suggested labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelaudit.config import RankBy
from labelaudit.data.dataset import NO_LABEL
from labelaudit.detection.posterior import Floats
from labelaudit.detection.signals import Signals


@dataclass(frozen=True)
class Ranking:
    """The verdict on the N audited rows.

    Attributes:
        score: 1 − P(given label | row), NaN where not scored, shape (N,).
        rank: 1 for the most suspect, 0 where not scored, shape (N,).
        suggested: The class that is more probable than the given one, `NO_LABEL` where there is none, shape (N,).
        suspect: Scored at least the threshold, and the suggested class is more probable than all others together, so
            that a network that knows nothing has no suspects, however many classes there are; shape (N,).
    """

    score: Floats
    rank: NDArray[np.int64]
    suggested: NDArray[np.int64]
    suspect: NDArray[np.bool_]


def rank_rows(signals: Signals, labels: NDArray[np.int64], rank_by: RankBy, threshold: float) -> Ranking:
    """Rank the rows by score, or by influence alone, ascending; ties keep the input's order.

    Args:
        signals: What the audit said.
        labels: The audited class indices, shape (N,).
        rank_by: What `rank` follows.
        threshold: The least score of a suspect.
    """
    scored = np.flatnonzero(signals.scored)
    score = np.full(len(labels), np.nan)
    score[scored] = 1 - signals.posterior[scored, labels[scored]]
    suspicion = score if rank_by == "score" else -signals.influence
    rank = np.zeros(len(labels), dtype=np.int64)
    rank[scored[np.argsort(-suspicion[scored], kind="stable")]] = np.arange(1, len(scored) + 1)
    suggested = np.full(len(labels), NO_LABEL)
    suggested[scored] = signals.posterior[scored].argmax(1)
    suggested[suggested == labels] = NO_LABEL
    suspect = np.zeros(len(labels), dtype=np.bool_)
    best = signals.posterior[scored].max(1)
    suspect[scored] = (score[scored] >= threshold) & (suggested[scored] != NO_LABEL) & (best > 0.5)
    return Ranking(score, rank, suggested, suspect)
