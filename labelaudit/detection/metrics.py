"""How well a ranking finds wrong labels that are known, by scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from labelaudit.data.dataset import NO_LABEL
from labelaudit.detection.promises import Precision
from labelaudit.detection.share import Share
from labelaudit.types import Floats

SHARES = (0.01, 0.05, 0.10, 0.20)
"""The shares of all rows at which precision and recall are measured, besides k = the number of wrong labels."""

Metrics = dict[str, float]


def detection_metrics(suspicion: Floats, wrong: NDArray[np.bool_]) -> Metrics:
    """Measure a ranking against the truth.

    Args:
        suspicion: Larger where a label is more suspect, shape (N,).
        wrong: Whether it is wrong, shape (N,); at least one is, and one is not.

    Returns:
        `average_precision`, `auroc`, and `precision_at_X` and `recall_at_X` with X = k (the number of wrong labels),
        1%, 5%, 10%, 20% (of the rows, at least one). Ties are broken by row.
    """
    order = np.argsort(-suspicion, kind="stable")
    found = np.cumsum(wrong[order])
    total = int(wrong.sum())
    metrics = {
        "average_precision": float(average_precision_score(wrong, suspicion)),
        "auroc": float(roc_auc_score(wrong, suspicion)),
    }
    cuts = {"k": total} | {f"{share:.0%}": max(1, round(share * len(wrong))) for share in SHARES}
    for name, cut in cuts.items():
        metrics[f"precision_at_{name}"] = float(found[cut - 1] / cut)
        metrics[f"recall_at_{name}"] = float(found[cut - 1] / total)
    return metrics


def suggestion_metrics(suggested: NDArray[np.int64], true: NDArray[np.int64], given: NDArray[np.int64]) -> Metrics:
    """`suggestion_accuracy`: the share of right suggestions among those for wrong labels; nothing if there is none.

    Args:
        suggested: Class indices, `NO_LABEL` where nothing is suggested, shape (N,).
        true: Class indices, shape (N,).
        given: Class indices, shape (N,).
    """
    made = (given != true) & (suggested != NO_LABEL)
    return {"suggestion_accuracy": float((suggested[made] == true[made]).mean())} if made.any() else {}


def list_metrics(suspect: NDArray[np.bool_], wrong: NDArray[np.bool_], stated: Precision | None) -> Metrics:
    """Measure a list of suspects, and whether what was said of it holds; an empty list has no precision.

    Args:
        suspect: Which rows are on the list, shape (N,).
        wrong: Which labels are wrong, shape (N,); at least one is.
        stated: The expected share of wrong labels on the list, None if it is empty.
    """
    caught, size = float((suspect & wrong).sum()), float(suspect.sum())
    metrics = {"suspects": size, "suspects_recall": caught / float(wrong.sum())}
    if stated is not None and size:
        metrics |= {"suspects_precision_stated": stated.mean, "suspects_precision": caught / size}
        metrics["suspects_precision_gap"] = abs(stated.mean - caught / size)
    return metrics


def share_metrics(share: Share, wrong: NDArray[np.bool_]) -> Metrics:
    """Measure the range of the share of wrong labels, and the estimate where there is one."""
    true, measured = float(wrong.mean()), share.verdict == "measured"
    metrics = {
        "noise_rate": true,
        "noise_rate_low": share.low,
        "noise_rate_high": share.high,
        "noise_rate_held": float(share.low <= true <= share.high),
        "noise_rate_measured": float(measured),
        "noise_rate_cannot_tell": float(share.verdict == "cannot tell"),
    }
    if measured:
        metrics |= {"noise_rate_estimated": share.point, "noise_rate_error": abs(share.point - true)}
    return metrics


def summarise(runs: Sequence[Mapping[str, Metrics]]) -> dict[str, dict[str, dict[str, float]]]:
    """Mean and standard deviation over seeds (ddof 1; none for one seed), for each method and metric.

    A metric that some runs do not have, as the precision of an empty list, is summarised over the others.
    """
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for method in runs[0]:
        summary[method] = {}
        for metric in dict.fromkeys(metric for run in runs for metric in run[method]):
            values = np.array([run[method][metric] for run in runs if metric in run[method]])
            deviation = {"std": float(values.std(ddof=1))} if len(values) > 1 else {}
            summary[method][metric] = {"mean": float(values.mean())} | deviation
    return summary
