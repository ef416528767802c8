"""Whether the query rows are of another distribution than the audited ones; then influence on them says little."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from labelaudit.types import Labels

ROWS = 1000  # of each kind, at most: enough to see what matters
MIN_ROWS = 50  # of each kind, below which nothing is said
FOLDS = 5
MIN_AUROC = 0.8  # the share of pairs, an AUROC, from which rows are called different
MIN_TOTAL_VARIATION, MAX_P_VALUE = 0.2, 1e-3  # the difference of class shares that is worth a word, and its p-value


def sample_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most `ROWS` of them, in their order, by which it is decided who they are."""
    return rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:ROWS])]


def describe_query_shift(
    audited: NDArray[np.float32], query: NDArray[np.float32], labels: Labels, query_labels: Labels
) -> str | None:
    """Say how the query differs from the audited rows, with the evidence, or None if it does not.

    Two tests: whether a linear classifier, cross-validated, tells the two kinds of rows apart by what the network
    sees of them; and whether the classes have other shares (χ²).

    Args:
        audited: What the network sees of some audited rows, shape (n, F).
        query: And of some query rows, shape (m, F).
        labels: Class indices of all audited rows, shape (N,).
        query_labels: And of all query rows, shape (M,).
    """
    if min(len(audited), len(query)) < MIN_ROWS:
        return None
    reasons = []
    share = _two_sample_auroc(audited, query)
    if share >= MIN_AUROC:
        reasons.append(
            f"a linear classifier tells them from the audited ones in {share:.0%} of all pairs (50% if alike)"
        )
    classes = int(max(labels.max(), query_labels.max())) + 1
    counts = np.stack([np.bincount(part, minlength=classes) for part in (labels, query_labels)])
    counts = counts[:, counts.sum(0) > 0]
    shares = counts / counts.sum(1, keepdims=True)
    total_variation = float(np.abs(shares[0] - shares[1]).sum()) / 2
    if total_variation >= MIN_TOTAL_VARIATION and (p := float(chi2_contingency(counts).pvalue)) < MAX_P_VALUE:
        reasons.append(
            f"{total_variation:.0%} of them would need another class to have the audited rows' shares (p = {p:.1g})"
        )
    if not reasons:
        return None
    return f"the query rows differ from the audited ones: {', and '.join(reasons)}; influence on them may mislead"


def _two_sample_auroc(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """The cross-validated AUROC of a logistic regression between two sets of rows."""
    rows = np.concatenate([first, second]).astype(np.float64)
    kind: NDArray[np.int64] = np.repeat([0, 1], [len(first), len(second)])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return float(roc_auc_score(kind, cross_val_predict(model, rows, kind, cv=folds, method="decision_function")))
