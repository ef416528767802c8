"""Signals → the order of suspicion, the suspects and the suggested labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelaudit.config import Aim, RankBy
from labelaudit.data.dataset import NO_LABEL
from labelaudit.detection.noise import Floats
from labelaudit.detection.signals import Signals

MORE_PROBABLY_WRONG = 0.5


@dataclass(frozen=True)
class Ranking:
    """The verdict on the N audited rows.

    Attributes:
        score: P(the given label is wrong), NaN where not scored, shape (N,).
        rank: 1 for the most suspect, 0 where not scored, shape (N,).
        suspect: Chosen by the aim, shape (N,).
        suggested: The most probable other class, where it is more probable than the given one or the row is a
            suspect; else `NO_LABEL`; shape (N,).
    """

    score: Floats
    rank: NDArray[np.int64]
    suspect: NDArray[np.bool_]
    suggested: NDArray[np.int64]

    @property
    def expected_precision(self) -> tuple[float, float] | None:
        """The share of suspects that are wrong, if the scores are right, and its deviation; None without suspects.

        The deviation is that of as many independent draws. That scores can themselves be off is not in it.
        """
        if not self.suspect.any():
            return None
        chosen = self.score[self.suspect]
        return float(chosen.mean()), float(np.sqrt((chosen * (1 - chosen)).sum()) / len(chosen))


def rank_rows(signals: Signals, labels: NDArray[np.int64], rank_by: RankBy, aim: Aim, *, reliable: bool) -> Ranking:
    """Rank the rows by score, or by influence alone, ascending; ties keep the input's order.

    Args:
        signals: What the audit said.
        labels: The audited class indices, shape (N,).
        rank_by: What `rank` follows.
        aim: Which rows are suspects.
        reliable: Whether the scores mean anything. If not, there are suspects only where a number was asked for.
    """
    scored = np.flatnonzero(signals.scored)
    score = np.full(len(labels), np.nan)
    score[scored] = 1 - signals.posterior[scored, labels[scored]]
    suspicion = score if rank_by == "score" else -signals.influence
    order = scored[np.argsort(-suspicion[scored], kind="stable")]
    rank = np.zeros(len(labels), dtype=np.int64)
    rank[order] = np.arange(1, len(scored) + 1)
    suspect = np.zeros(len(labels), dtype=np.bool_)
    suspect[_chosen(order, score, aim, reliable)] = True
    suggested = np.full(len(labels), NO_LABEL)
    others = signals.posterior[scored].copy()
    others[np.arange(len(scored)), labels[scored]] = -1
    best = others.argmax(1)
    shown = (others.max(1) > 1 - score[scored]) | suspect[scored]
    suggested[scored[shown]] = best[shown]
    return Ranking(score, rank, suspect, suggested)


def _chosen(order: NDArray[np.int64], score: Floats, aim: Aim, reliable: bool) -> NDArray[np.int64]:
    """The suspects among the rows, which are in the order of suspicion."""
    if aim.budget is not None:
        return order[: aim.budget]
    if not reliable:
        return order[:0]
    if aim.precision is None:
        return order[score[order] > MORE_PROBABLY_WRONG]
    by_score = order[np.argsort(-score[order], kind="stable")]
    expected = np.cumsum(score[by_score]) / np.arange(1, len(by_score) + 1)
    return by_score[: int((expected >= aim.precision).sum())]  # the mean of a falling sequence falls
