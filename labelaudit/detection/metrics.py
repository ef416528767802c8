"""How well a ranking finds wrong labels that are known, by scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from labelaudit.detection.noise import Floats

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


def suggestion_accuracy(suggested: NDArray[np.int64], true: NDArray[np.int64], given: NDArray[np.int64]) -> float:
    """The share of the wrong labels whose suggestion is the true class; a suggestion equal to the given label fails."""
    wrong = given != true
    return float((suggested[wrong] == true[wrong]).mean())


def list_metrics(suspect: NDArray[np.bool_], wrong: NDArray[np.bool_], stated: float | None) -> Metrics:
    """Measure a list of suspects, and what was said of it; an empty list claims nothing and is right.

    Args:
        suspect: Who is on the list, shape (N,).
        wrong: Whose label is wrong, shape (N,).
        stated: The expected share of wrong labels on the list, None if it is empty.
    """
    caught = float((suspect & wrong).sum())
    size = float(suspect.sum())
    return {
        "suspects": size,
        "suspects_precision_stated": 1.0 if stated is None else stated,
        "suspects_precision": caught / size if size else 1.0,
        "suspects_recall": caught / float(wrong.sum()),
    }


def summarise(runs: Sequence[Mapping[str, Metrics]]) -> dict[str, dict[str, dict[str, float]]]:
    """Mean and standard deviation over seeds (ddof 1; 0 for one seed), for each method and metric."""
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for method in runs[0]:
        summary[method] = {}
        for metric in runs[0][method]:
            values = np.array([run[method][metric] for run in runs])
            deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
            summary[method][metric] = {"mean": float(values.mean()), "std": deviation}
    return summary
