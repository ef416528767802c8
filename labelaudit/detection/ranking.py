"""Signals → the order of suspicion, the suspects and the suggested labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelaudit.config import SelectionRule
from labelaudit.data.dataset import NO_LABEL
from labelaudit.detection.signals import Signals
from labelaudit.runtime.large_arrays import largest_other, of_given
from labelaudit.types import Floats, RankBy

MORE_PROBABLY_WRONG = 0.5


@dataclass(frozen=True)
class Ranking:
    """The verdict on the N audited rows.

    Attributes:
        score: P(the given label is wrong), NaN where not scored, shape (N,).
        rank: 1 for the most suspect, 0 where not scored, shape (N,).
        suspect: Chosen by the aim, shape (N,).
        suggested: The most probable class but the given one; `NO_LABEL` where not scored; shape (N,).
    """

    score: Floats
    rank: NDArray[np.int64]
    suspect: NDArray[np.bool_]
    suggested: NDArray[np.int64]


def rank_rows(
    signals: Signals, labels: NDArray[np.int64], rank_by: RankBy, selection: SelectionRule, *, reliable: bool
) -> Ranking:
    """Rank the rows by score, or by influence alone, ascending; ties keep the input's order.

    Args:
        signals: What the audit said.
        labels: The audited class indices, shape (N,).
        rank_by: What `rank` follows.
        selection: Which rows are suspects.
        reliable: Whether the scores mean anything. If not, there are suspects only where a number was asked for.
    """
    scored = np.flatnonzero(signals.scored)
    score = np.full(len(labels), np.nan)
    score[scored] = 1 - of_given(signals.posterior, labels)[scored]
    suspicion = score if rank_by == "score" else -signals.influence
    order = scored[np.argsort(-suspicion[scored], kind="stable")]
    rank = np.zeros(len(labels), dtype=np.int64)
    rank[order] = np.arange(1, len(scored) + 1)
    suspect = np.zeros(len(labels), dtype=np.bool_)
    suspect[choose_suspects(order, score, selection, reliable)] = True
    suggested = np.full(len(labels), NO_LABEL)
    suggested[scored] = largest_other(signals.posterior, labels)[scored]
    return Ranking(score, rank, suspect, suggested)


def choose_suspects(
    order: NDArray[np.int64], score: Floats, selection: SelectionRule, reliable: bool
) -> NDArray[np.int64]:
    """The suspects among the rows, which are in the order of suspicion."""
    if selection.budget is not None:
        return order[: selection.budget]
    if not reliable:
        return order[:0]
    if selection.precision is None:
        return order[score[order] > MORE_PROBABLY_WRONG]
    by_score = order[np.argsort(-score[order], kind="stable")]
    expected = np.cumsum(score[by_score]) / np.arange(1, len(by_score) + 1)
    return by_score[: int((expected >= selection.precision).sum())]  # the mean of a falling sequence falls
