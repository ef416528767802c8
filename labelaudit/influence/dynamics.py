"""How influence changes during training: patterns of samples (paper V-B, F-B) and stages (V-E, F-C)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.signal import find_peaks
from scipy.special import betainc
from scipy.stats import median_abs_deviation
from sklearn.preprocessing import StandardScaler

from labelaudit.types import Floats, checked

Pattern = Literal["stable", "early", "late", "fluctuating"]
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)

ROUNDING = 1e-6  # residuals below this share of the range of the losses are no peaks


@dataclass(frozen=True)
class Patterns:
    """The patterns of N samples over E epochs.

    Attributes:
        index: The pattern of each sample, as an index into `names`, shape (N,).
        share: Per cent of the samples that have each pattern, shape (4,).
        centroids: Mean of `standardised` over the samples of each pattern, shape (4, E); NaN where it has none.
        standardised: Influence with mean 0 and deviation 1 over the samples of each epoch, shape (N, E).
        slope: Least-squares slope of each sample's series, per epoch, shape (N,).
        p_value: Two-sided p-value of that slope, shape (N,).
        deviation: Standard deviation of each sample's standardised influence over the epochs, shape (N,).
        threshold: The deviation up to which a sample is stable.
        names: The names of the patterns.
    """

    index: NDArray[np.int64]
    share: Floats
    centroids: Floats
    standardised: Floats
    slope: Floats
    p_value: Floats
    deviation: Floats
    threshold: float
    names: tuple[Pattern, ...] = PATTERNS


@checked
def classify_patterns(
    influence: Floats,
    significance: float = 0.05,
    deviations: float = 2.0,
    trend_of: Literal["value", "magnitude"] = "value",
) -> Patterns:
    """Sort samples by how their influence changes over the epochs.

    The influence is standardised within each epoch. A sample is

    - `stable` if its standard deviation over the epochs is at most the threshold, which adapts to all samples: the
      median of their standard deviations + `deviations` · 1.4826 · the median distance from it; otherwise
    - `early` or `late` if its linear trend is significant and falls or rises;
    - `fluctuating` if it has no significant trend.

    The paper (F-B) names these three statistics, but not how they are combined. Ours are the threshold, in medians
    so that a few outliers do not raise it for all, and that it comes first: standardised series are smooth, so most
    have a "significant" trend, while most samples in the paper's Table I are stable. The trend is that of the
    standardised value, as F-B says: influence below the average that goes on falling, as growing harm does, is early.
    `trend_of="magnitude"` takes the absolute value, by which it is late.

    Args:
        influence: Influence of each sample at each epoch, shape (N, E), E ≥ 3.
        significance: A trend with a smaller p-value is significant.
        deviations: How many (robust) standard deviations above the median the threshold lies.
        trend_of: What the linear trend is fitted to.

    Returns:
        The pattern of each sample, and the statistics it follows from.

    Raises:
        ValueError: It is not of that shape, or a value is not finite.
    """
    if influence.ndim != 2 or len(influence) == 0 or influence.shape[1] < 3:
        raise ValueError(f"influence must have the shape (samples, epochs ≥ 3), not {influence.shape}")
    if not np.isfinite(influence).all():
        raise ValueError("influence has values that are not finite")
    standardised: Floats = StandardScaler().fit_transform(influence)
    standardised[:, (influence == influence[0]).all(0)] = 0  # not rounding errors
    slope, p_value = _trends(np.abs(standardised) if trend_of == "magnitude" else standardised)
    deviation: Floats = standardised.std(1)
    threshold = float(np.median(deviation) + deviations * median_abs_deviation(deviation, scale="normal"))
    conditions = [deviation <= threshold, p_value >= significance, slope < 0]
    index = np.select(
        conditions, [PATTERNS.index(name) for name in ("stable", "fluctuating", "early")], PATTERNS.index("late")
    )
    counts = np.bincount(index, minlength=len(PATTERNS))
    centroids = np.full((len(PATTERNS), influence.shape[1]), np.nan)
    for pattern in np.flatnonzero(counts):
        centroids[pattern] = standardised[index == pattern].mean(0)
    share = 100 * counts / len(influence)
    return Patterns(index, share, centroids, standardised, slope, p_value, deviation, threshold)


def _trends(series: Floats) -> tuple[Floats, Floats]:
    """Slope and two-sided p-value of the linear regression of each row on the column index."""
    epochs = series.shape[1]
    time = np.arange(epochs) - (epochs - 1) / 2
    centred = series - series.mean(1, keepdims=True)
    covariance = centred @ time
    scale = np.sqrt((time @ time) * np.square(centred).sum(1))
    correlation = np.clip(np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0), -1, 1)
    p_value: Floats = betainc(epochs / 2 - 1, 0.5, (1 - correlation) * (1 + correlation))  # that of Student's t
    return covariance / (time @ time), p_value


@dataclass(frozen=True)
class Stages:
    """The early, middle and late stage of a training run of E epochs.

    Attributes:
        boundaries: The first epoch of the middle stage and that of the late one, counted from 0.
        adaptive: Whether they are change points of the loss; otherwise they are thirds of the training.
        fitted: The exponential curve, shape (E,); NaN if it could not be fitted.
        residuals: Losses − `fitted`, shape (E,).
    """

    boundaries: tuple[int, int]
    adaptive: bool
    fitted: Floats
    residuals: Floats


@checked
def training_stages(losses: Floats) -> Stages:
    """Divide a training run where its loss departs most from an exponential decay.

    a·exp(−b·t) + c with a, b ≥ 0 is fitted to the losses by least squares. The two highest peaks of the absolute
    residuals are the change points; peaks closer than a quarter of the epochs (our choice; the paper only says that
    there is a minimum distance) to a higher one are passed over. Where there are fewer than two peaks, or the curve
    cannot be fitted, the stages are thirds.

    Args:
        losses: Training loss of each epoch, shape (E,), E ≥ 3.

    Returns:
        The boundaries of the stages, and the curve they follow from.

    Raises:
        ValueError: It is not of that shape, or a value is not finite.
    """
    if losses.ndim != 1 or len(losses) < 3:
        raise ValueError(f"losses must have the shape (epochs ≥ 3,), not {losses.shape}")
    if not np.isfinite(losses).all():
        raise ValueError("losses has values that are not finite")
    epochs = len(losses)
    spread = float(np.ptp(losses))
    fitted = _fit_decay((losses - losses.min()) / (spread or 1.0)) * spread + losses.min()
    residuals = losses - fitted
    peaks, found = find_peaks(np.abs(residuals), height=ROUNDING * spread, distance=max(1, epochs // 4))
    if len(peaks) < 2:
        return Stages((epochs // 3, 2 * epochs // 3), False, fitted, residuals)
    middle, late = sorted(peaks[np.argsort(-found["peak_heights"], kind="stable")[:2]].tolist())
    return Stages((middle, late), True, fitted, residuals)


def _fit_decay(losses: Floats) -> Floats:
    """The curve that fits losses between 0 and 1 best, at each epoch; NaN if the fit does not converge.

    Its parameters are its first value, its drop over the run, and its rate: these stay small for a nearly straight
    curve, where a and c would not.
    """
    time = np.linspace(0, 1, len(losses))

    def decay(time: Floats, first: float, drop: float, rate: float) -> Floats:
        curve: Floats = first - drop * np.expm1(-rate * time) / np.expm1(-rate)
        return curve

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)  # of the covariance, which is not used
        try:
            best, _ = curve_fit(decay, time, losses, p0=(1, 1, 3), bounds=([-np.inf, 0, ROUNDING], np.inf))
        except RuntimeError:
            return np.full_like(losses, np.nan)
    return decay(time, *best)
