"""How many labels are wrong, as far as out-of-fold predictions can tell: a range, and a verdict in words.

They do not tell a wrong label from one that the network would not predict. Two figures are known: what contradicts
*confident* predictions (seen), and every label that is not the network's favourite (disagreeing). The truth is between
them, unless the network has learnt the labellers' mistakes. The constants were chosen on tuning data (docs/method.md,
"The share of wrong labels").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from labelaudit.types import Floats, Labels

Verdict = Literal["measured", "none seen", "cannot tell"]
Basis = Literal["out of fold", "weaker view", "learnt rules", "in sample", "decisions", "spot check"]

MIN_GAIN = 4.0  # nats by which noise must explain the labels better than none: p = .002, of the two or three tried
CLEAR_GAIN = 30.0  # nats from which on it is no chance, however little is seen; on clean data at most 23
BLIND = 0.15  # seen / disagreeing up to which it may all be the network's own errors; clean data have .01 to .15
BLIND_WEAKER = 0.20  # the same of the weaker view of texts; clean data have .09 to .16, people's and rules' .25 to .6
MISFIT, CLEAR = 0.12, 0.20  # the same, of a network that is not exactly calibrated, and of labels that are surely wrong
FEW = 0.10  # disagreeing up to which it can be said that none were seen, if confident predictions contradict few
NORMAL = 1.645  # deviations of a 90% range
EVEN_SPREAD = 25.0  # Dirichlet strength of the wrong labels' spread beyond which no person makes such mistakes
HIDDEN = 0.7  # wrong labels hidden for each one seen, at most, where they are spread evenly
HIDDEN_BY_HARDNESS = 1.6  # and as many more where they are in hard rows only
LEARNT = 0.7  # seen by the first view / by the weaker one, below which rules have been learnt: 0 to .65, else .8 to 2.5
MOST_HIDDEN = 4.0  # times that the weaker view sees what the first one does, of what counts
MIN_EVENNESS = 0.3  # of `evenness`
ROUNDS = 100  # of the iteration that finds the rate of each quarter


@dataclass(frozen=True)
class Share:
    """The share of wrong labels.

    Attributes:
        point: What probabilities of a wrong label add up to, in [0, 1]; not to be said under "cannot tell".
        low: Lower end of its 90% range.
        high: Upper end.
        verdict: Whether it was measured, none were seen, or it cannot be told.
        seen: The share that contradicts confident predictions.
        disagreeing: The share that is not the network's favourite.
        gain: Nats by which the estimated noise explains the labels better than none.
        basis: What the range rests on: predictions of networks that were not trained on the rows, or of the weaker ones
            of such (on the second encoding of texts), which may say that the stronger ones have learnt the labels'
            rules (`widened_by_rules`); of networks that were, so that it has no upper end; or decisions
            on some of the rows, or on all that were drawn at random.
    """

    point: float
    low: float
    high: float
    verdict: Verdict = "measured"
    seen: float = 0.0
    disagreeing: float = 0.0
    gain: float = 0.0
    basis: Basis = "out of fold"


@dataclass(frozen=True)
class Signs:
    """What one kind of evidence, which has not seen the labels, shows of wrong ones.

    Attributes:
        seen: The share that contradicts confident predictions.
        disagreeing: The share that is not the favourite.
        gain: Nats by which noise explains the labels better than none.
        hidden: Wrong labels that may be hidden for each one seen; see `hidden_ratio`.
        blind: seen / disagreeing up to which it may all be the network's own errors.
    """

    seen: float
    disagreeing: float
    gain: float
    hidden: float
    blind: float = BLIND


def estimate_share(signs: Sequence[Signs], rows: int) -> Share:
    """The share of wrong labels, its range and the verdict.

    It is estimated by the evidence that predicts best. Trees may see noise where a linear network does not, and the
    other way round: that there is noise at all is believed of any kind; and where the best one shows none, so is its
    share.

    Args:
        signs: By each kind of evidence, first by the one that predicts the given labels best.
        rows: N.
    """
    found = _judge(replace(signs[0], gain=max(kind.gain for kind in signs)), rows)
    if found.verdict == "measured":
        return found
    shares = [_judge(kind, rows) for kind in signs]
    measured = [share for share in shares if share.verdict == "measured"]
    return max(measured, key=lambda share: share.gain, default=shares[0])


def _judge(signs: Signs, rows: int) -> Share:
    seen, disagreeing, gain = signs.seen, signs.disagreeing, signs.gain
    ratio = seen / max(disagreeing, 1 / rows)
    believed = float(np.clip((ratio - MISFIT) / (CLEAR - MISFIT), 0, 1))
    low = max(0.0, seen - MISFIT * disagreeing - NORMAL * _deviation(seen, rows))
    ceiling = min(1.0, disagreeing + NORMAL * _deviation(disagreeing, rows))
    if gain >= MIN_GAIN and (ratio > signs.blind or (gain >= CLEAR_GAIN and low > 0)):
        high = (1 + signs.hidden) * seen
        high = min(max(ceiling, seen), high + NORMAL * _deviation(high, rows))
        verdict: Verdict = "measured"
    else:
        low, high = 0.0, ceiling
        verdict = "none seen" if ceiling <= FEW and ratio <= signs.blind else "cannot tell"
    return Share(float(np.clip(believed * seen, low, high)), low, high, verdict, seen, disagreeing, gain)


def not_told(share: Share) -> Share:
    """The share where networks are known to take hard rows for wrong ones: all that disagrees may be either."""
    high = max(share.high, share.disagreeing)
    return share if share.verdict != "measured" else replace(share, low=0.0, high=high, verdict="cannot tell")


def widened_by_rules(share: Share, stronger: Share) -> Share:
    """The share by a weaker view, with a higher upper end where stronger networks see clearly fewer wrong labels.

    Then labels may follow rules, which networks learn with them, the weaker ones in part as well: what they see less
    than it is, they see at most by the square of what the stronger ones do.

    Args:
        share: By the weaker view.
        stronger: By the networks on the first encoding.
    """
    if share.verdict != "measured" or stronger.seen >= LEARNT * share.seen:
        return share
    times = share.seen / max(stronger.seen, share.seen / MOST_HIDDEN)
    return replace(share, high=min(1.0, max(share.high, share.seen * times**2)), basis="learnt rules")


def without_upper_end(share: Share) -> Share:
    """The share by evidence that has seen the labels: what was learnt by heart does not even disagree."""
    return replace(share, high=1.0, basis="in sample")


def hidden_ratio(spread: float, even: float) -> float:
    """Wrong labels that may be hidden, at most, for each one seen: where people made them, and in rows that are hard.

    Args:
        spread: Dirichlet strength of the wrong labels' spread over the other classes; 0 of two classes, of which it is
            not known.
        even: See `evenness`.
    """
    by_people = 1 / (1 + (spread / EVEN_SPREAD) ** 4)
    return by_people * (HIDDEN + HIDDEN_BY_HARDNESS * (1 - even))


def evenness(true_label: Floats, predicted: Floats, transition: Floats, labels: Labels) -> float:
    """The rate of wrong labels in the quarter of rows that is predicted most confidently, by the mean rate.

    Near 1 where mistakes are spread evenly over easy and hard rows, less where they are in the hard ones, as people's.

    Args:
        true_label: p(c | x), shape (N, C).
        predicted: Probabilities of the given labels, by which rows are called confident, shape (N, C).
        transition: T, of which the off-diagonal is used, shape (C, C).
        labels: Given class indices, shape (N,).

    Returns:
        In [`MIN_EVENNESS`, 1].
    """
    rows, confidence = np.arange(len(labels)), predicted.max(1)
    quarter = np.searchsorted(np.quantile(confidence, [0.25, 0.5, 0.75]), confidence)
    mistaken = transition * (1 - np.eye(len(transition)))
    mistaken /= mistaken.sum(1, keepdims=True)
    if_right, if_wrong = true_label[rows, labels], (true_label @ mistaken)[rows, labels]
    sizes = np.maximum(np.bincount(quarter, minlength=4), 1)
    rates, wrong = np.full(4, 0.1), np.zeros(len(labels))
    for _ in range(ROUNDS):
        wrong = rates[quarter] * if_wrong
        wrong /= wrong + (1 - rates[quarter]) * if_right + np.finfo(np.float64).tiny
        rates = np.bincount(quarter, wrong, 4) / sizes
    return float(np.clip(rates[3] / max(wrong.mean(), 1e-3), MIN_EVENNESS, 1))


def _deviation(share: float, rows: int) -> float:
    """Standard deviation of a share among so many rows; a share of 0 has that of one row."""
    return float(np.sqrt(max(share, 1 / rows) * (1 - min(share, 1.0)) / rows))
