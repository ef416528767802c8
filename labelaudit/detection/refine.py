"""What decisions on some rows say of the others, without training: scores are recalibrated, and the share with them.

P(wrong) = σ(log odds of the score + φ · β), where φ are a few features of the row and β has a normal prior around 0,
which is where the scores stay as they are. People slip: a label is found wrong with ε + (1 − 2ε) P(wrong). Which rows
were decided on makes no difference to β, whether they were drawn at random or taken from the top of the list, for that
was chosen by the features; what it does is leave β unsure where nothing was decided, and intervals say so. Mistakes
that the scores do not show at all are not to be found so: the range allows for as many of these as it did before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from labelaudit.detection.posterior import LARGEST_LOG_ODDS, shift_of
from labelaudit.detection.promises import Precision
from labelaudit.detection.share import Share
from labelaudit.types import Floats, Labels

# Standard deviations of the prior, in log odds. They were chosen on MNIST, Adult and 20 Newsgroups.
FROM_NOTHING = 10.0  # times less than expected are wrong, where the interval begins at none
UNKNOWN_END = 0.5  # share of wrong labels that is reckoned with where the report has no upper end
LEAST_LEVEL = 0.5  # of all log odds alike, where the report's interval does not ask for more
SLOPE = 0.2  # of the factor by which log odds are too large or small
BEND, BEND_LENGTH = 0.5, 3.0  # of a smooth change along the log odds, over a length in log odds
OF_EVIDENCE = 0.25  # for each deviation of a piece of evidence
OF_CLASS, OF_PAIR = 0.25, 0.5  # of a given class, and of a pair of given and suggested class

SLIP = 0.01  # of decisions: one that contradicts a score of 1 is to move it, and not all others with it
CERTAIN = 1e-12  # nearest to 0 and 1 that probabilities count as
KNOTS = np.arange(-12.0, 12.1, 1.5)  # log odds between which the smooth change is linear; flat outside
CLIPPED = 4.0  # deviations up to which evidence counts
DRAWS, BLOCK = 400, 20_000  # of β for the intervals; rows at a time
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class Rows:
    """What a report says of N scored rows.

    Attributes:
        score: P(wrong), shape (N,).
        evidence: Larger where a label is more suspect, NaN where not known, shape (N, E).
        given: Class indices, shape (N,).
        suggested: Class indices, −1 where none, shape (N,).
    """

    score: Floats
    evidence: Floats
    given: Labels
    suggested: Labels


def evidence_of(p_label: Floats, loss: Floats, influence: Floats) -> Floats:
    """What a report knows of its rows beside the score, larger where a label is more suspect, shape (N, 3).

    Args:
        p_label: Out-of-fold probability of the given label, NaN where there is none, shape (N,).
        loss: Final training loss in nats, shape (N,).
        influence: Negative where the row does harm, shape (N,).
    """
    probabilities = np.clip(np.stack([p_label, np.exp(-loss)]), CERTAIN, 1 - CERTAIN)
    return np.column_stack([*(-logit(probabilities)), -influence])


@dataclass(frozen=True)
class _Features:
    """φ of a report's rows."""

    rows: Rows
    log_odds: Floats
    mean: Floats  # of the evidence, shape (E,)
    deviation: Floats
    level: float
    bends: Floats  # values at the knots for each independent direction, shape (K, K)
    classes: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]

    def of(self, chosen: NDArray[np.int64]) -> Floats:
        """φ, scaled so that the prior of β is a standard normal, shape (n, D)."""
        log_odds = np.clip(self.log_odds[chosen], KNOTS[0], KNOTS[-1])
        hats = np.maximum(0, 1 - np.abs(log_odds[:, None] - KNOTS) / (KNOTS[1] - KNOTS[0]))
        evidence = np.clip((self.rows.evidence[chosen] - self.mean) / self.deviation, -CLIPPED, CLIPPED)
        given, suggested = self.rows.given[chosen], self.rows.suggested[chosen]
        return np.column_stack(
            [
                np.full(len(chosen), self.level),
                SLOPE * log_odds,
                hats @ self.bends,
                OF_EVIDENCE * np.nan_to_num(evidence),
                *(OF_CLASS * (given == c) for c in self.classes),
                *(OF_PAIR * ((given == g) & (suggested == s)) for g, s in self.pairs),
            ]
        )


@dataclass(frozen=True)
class Refined:
    """Scores and the share of wrong labels, by the decisions.

    Attributes:
        score: P(wrong), shape (N,); 1 or 0 for rows that were decided on.
        log_odds: Of a wrong label, by which rows are ranked, shape (N,); infinite where decided on.
        share: Of wrong labels in all N rows.
        features: φ of the rows.
        mean: Most probable β, shape (D,).
        draws: β drawn from its posterior, shape (D, S).
    """

    score: Floats
    log_odds: Floats
    share: Share
    features: _Features
    mean: Floats
    draws: Floats

    def precision(self, listed: NDArray[np.int64]) -> Precision | None:
        """The expected share of wrong labels among some rows not decided on; None if there are none."""
        if len(listed) == 0:
            return None
        draws = _number_wrong(self.features, listed, self.draws) / len(listed)
        mean = float(self.score[listed].mean())
        low, high = np.quantile(draws, INTERVAL)
        return Precision(mean, min(mean, float(low)), max(mean, float(high)))


def refine_scores(rows: Rows, share: Share, decided: NDArray[np.int64], wrong: NDArray[np.bool_]) -> Refined:
    """Recalibrate the scores of a report by decisions on some of its rows.

    Args:
        rows: What the report says.
        share: Of wrong labels, by the report.
        decided: The rows that were decided on, shape (n,), n ≥ 1.
        wrong: Whether their label was found wrong, shape (n,).
    """
    features = _features(rows, share, decided)
    mean, draws = _fit(features.log_odds[decided], features.of(decided), wrong)
    log_odds = np.empty(len(rows.score))
    for block in _blocks(np.arange(len(log_odds))):
        log_odds[block] = features.log_odds[block] + features.of(block) @ mean
    log_odds[decided] = np.where(wrong, np.inf, -np.inf)
    rest = np.setdiff1d(np.arange(len(log_odds)), decided)
    score = expit(log_odds)
    total = (_number_wrong(features, rest, draws) + wrong.sum()) / len(score)
    point, (low, high) = float(score.mean()), np.quantile(total, INTERVAL)
    high = max(point, float(high), wrong.sum() / len(score) + _hidden(share) * len(rest) / len(score))
    refined = replace(share, point=point, low=min(point, float(low)), high=high, basis="decisions")
    if wrong.any() and refined.low > 0:
        refined = replace(refined, verdict="measured")  # by those who looked
    return Refined(score, log_odds, refined, features, mean, draws)


def _hidden(share: Share) -> float:
    """The share of wrong labels beyond those that the scores show: decisions on suspects say nothing of these."""
    return max(0.0, _most(share) - share.point)


def _most(share: Share) -> float:
    """The largest share of wrong labels that is reckoned with."""
    return share.high if share.high < 1 else max(share.point, UNKNOWN_END)


def _features(rows: Rows, share: Share, decided: NDArray[np.int64]) -> _Features:
    log_odds = np.clip(logit(rows.score), -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS)
    known = np.isfinite(rows.evidence)
    counted = np.maximum(known.sum(0), 1)
    mean = np.where(known, rows.evidence, 0).sum(0) / counted
    deviation = np.sqrt((np.where(known, rows.evidence - mean, 0) ** 2).sum(0) / counted)
    kernel = BEND**2 * np.exp(-(((KNOTS[:, None] - KNOTS) / BEND_LENGTH) ** 2) / 2)
    pairs = set(zip(rows.given[decided].tolist(), rows.suggested[decided].tolist(), strict=True))
    if max(rows.given.max(initial=0), rows.suggested.max(initial=0)) < 2:
        pairs = set()  # of two classes a pair is a class
    # Four deviations of the level take the share from one end of its interval to the other.
    least = max(share.low, share.point / FROM_NOTHING)
    level = (shift_of(log_odds, _most(share)) - shift_of(log_odds, least)) / 4
    bends = np.linalg.cholesky(kernel + 1e-9 * np.eye(len(KNOTS))).astype(np.float64)
    return _Features(
        rows=rows,
        log_odds=log_odds,
        mean=mean,
        deviation=np.where(deviation > 0, deviation, 1),
        level=max(LEAST_LEVEL, level),
        bends=bends,
        classes=tuple(np.unique(rows.given[decided]).tolist()),
        pairs=tuple(sorted(pair for pair in pairs if pair[1] >= 0)),
    )


def _fit(offset: Floats, features: Floats, wrong: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The most probable β, and draws from the normal approximation of its posterior there (Laplace).

    With slips there may be two: all that contradicts certain scores is a slip, or the scores are wrong. The search
    begins at β = 0, and where there are no slips.
    """
    posterior = _Posterior(offset, features, wrong, SLIP)
    without = _Posterior(offset, features, wrong, 0).mode(np.zeros(features.shape[1]))
    mean = min((posterior.mode(np.zeros_like(without)), posterior.mode(without)), key=posterior.loss)
    root = np.linalg.cholesky(posterior.curvature(mean))
    normal = np.random.default_rng(0).standard_normal((len(mean), DRAWS))
    return mean, mean[:, None] + np.linalg.solve(root.T, normal)


@dataclass(frozen=True)
class _Posterior:
    """Of β, by decisions of which a share are slips."""

    offset: Floats
    features: Floats
    wrong: NDArray[np.bool_]
    slip: float

    def _found_so(self, beta: Floats) -> tuple[Floats, Floats, Floats]:
        """P(what was found) of each row, 1 − P, and the derivative of P by the log odds of what was found."""
        z = np.where(self.wrong, 1, -1) * (self.offset + self.features @ beta)
        certain, right, slipped = 1 - 2 * self.slip, expit(z), expit(-z)
        p, other = self.slip + certain * right, self.slip + certain * slipped
        return np.maximum(p, np.finfo(np.float64).tiny), other, certain * right * slipped

    def loss(self, beta: Floats) -> float:
        """−log posterior, but for a constant."""
        p, _, _ = self._found_so(beta)
        return float(-np.log(p).sum() + beta @ beta / 2)

    def gradient(self, beta: Floats) -> Floats:
        """Its derivative by β."""
        p, _, slope = self._found_so(beta)
        by_log_odds = np.where(self.wrong, -1, 1) * slope / p
        by_beta: Floats = self.features.T @ by_log_odds + beta
        return by_beta

    def curvature(self, beta: Floats) -> Floats:
        """The expectation of its second derivative (Fisher), which is positive definite."""
        p, other, slope = self._found_so(beta)
        weight = slope**2 / np.maximum(p * other, np.finfo(np.float64).tiny)
        curvature: Floats = (self.features.T * weight) @ self.features + np.eye(len(beta))
        return curvature

    def mode(self, start: Floats) -> Floats:
        """The most probable β near a start."""
        found: Floats = minimize(self.loss, start, jac=self.gradient, hess=self.curvature, method="trust-exact").x
        return found


def _number_wrong(features: _Features, rows: NDArray[np.int64], draws: Floats) -> Floats:
    """Draws of how many of some rows, not decided on, are wrong: by what β may be, and by chance; shape (S,)."""
    number, variance = np.zeros(draws.shape[1]), np.zeros(draws.shape[1])
    for block in _blocks(rows):
        p = expit(features.log_odds[block, None] + features.of(block) @ draws)
        number += p.sum(0)
        variance += (p * (1 - p)).sum(0)
    chance = np.random.default_rng(1).standard_normal(len(number))
    drawn: Floats = np.clip(number + np.sqrt(variance) * chance, 0, len(rows))
    return drawn


def _blocks(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
