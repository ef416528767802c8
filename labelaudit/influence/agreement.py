"""How well an estimated influence agrees with the true one, by scipy (the paper's F-A, "Evaluation Metrics")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau, pearsonr, spearmanr

from labelaudit.types import Floats, checked


@dataclass(frozen=True)
class Agreement:
    """The paper's four measures (Tables II and III).

    Attributes:
        pearson: Linear correlation, −1 to 1.
        spearman: Correlation of the ranks, −1 to 1.
        kendall: Kendall's τ-b, −1 to 1; without ties it is the paper's τ.
        jaccard: Overlap of the two sets of most influential rows, 0 to 1.
    """

    pearson: float
    spearman: float
    kendall: float
    jaccard: float


@checked
def agreement(estimate: Floats, truth: Floats, top: float = 0.3) -> Agreement:
    """Measure how well `estimate` agrees with `truth`.

    The most influential rows are those of the largest values, not of the largest magnitudes: the other measures
    compare signed values as well, and an estimate of the wrong sign must not count as agreement.

    Args:
        estimate: Estimated influence, shape (N,), N ≥ 3.
        truth: True influence of the same rows, shape (N,).
        top: Share of the rows (rounded; at least one) that the sets for Jaccard hold. Ties are broken by row.

    Returns:
        The measures; all are NaN where one of the inputs is constant, for it ranks nothing.

    Raises:
        ValueError: The shapes differ, there are fewer than three rows, or a value is not finite.
    """
    if estimate.ndim != 1 or estimate.shape != truth.shape:
        raise ValueError(f"estimate and truth must have the same shape (N,), not {estimate.shape} and {truth.shape}")
    if len(estimate) < 3:
        raise ValueError(f"agreement needs at least 3 values, not {len(estimate)}")
    for name, values in (("estimate", estimate), ("truth", truth)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} has values that are not finite")
    if (estimate == estimate[0]).all() or (truth == truth[0]).all():
        return Agreement(np.nan, np.nan, np.nan, np.nan)
    size = max(1, round(top * len(estimate)))
    first, second = (set(np.argsort(-values, kind="stable")[:size].tolist()) for values in (estimate, truth))
    return Agreement(
        pearson=float(pearsonr(estimate, truth).statistic),
        spearman=float(spearmanr(estimate, truth).statistic),
        kendall=float(kendalltau(estimate, truth).statistic),
        jaccard=len(first & second) / len(first | second),
    )
