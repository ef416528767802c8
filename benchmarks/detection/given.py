"""`scan(pred_probs=…)` on strong networks' probabilities: `python -m benchmarks.detection.given`.

CIFAR-10N, 15,000 rows, ResNet-18 and EfficientNet-B1 fully fine-tuned by others (label-error-detection-benchmarks),
beside self-confidence and cleanlab's order of the same probabilities; and how long 87,000 rows take.
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import typer
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from scipy.special import softmax
from sklearn.metrics import average_precision_score

from benchmarks.folders import DATA, DataFolder
from labelaudit import scan

NETWORKS = ("resnet18", "efficientnet_b1")
MANY_ROWS = 87_000


def main(data: DataFolder = DATA) -> None:
    """Print the figures."""
    with np.load(data / "cifar10n_oof_probabilities.npz") as arrays:
        found = dict(arrays)
    for labels in ("aggregate", "worst"):
        given, true = (found[f"{labels}_{which}_resnet18"] for which in ("given", "true"))
        for networks in (NETWORKS[:1], NETWORKS):
            views = [found[f"{labels}_{network}"].astype(np.float64) for network in networks]
            report = scan(pd.DataFrame({"label": given}), pred_probs=views)
            mean = softmax(np.mean([np.log(np.maximum(view, 1e-6)) for view in views], axis=0), axis=1)
            issues = find_label_issues(given, mean, n_jobs=1)
            quality = get_label_quality_scores(given, mean, method="normalized_margin")
            rankings = {
                "score": report.table["score"].to_numpy(),
                "self-confidence": -get_label_quality_scores(given, mean, method="self_confidence"),
                "cleanlab": 2 * issues - quality,
            }
            precision = {name: average_precision_score(given != true, value) for name, value in rankings.items()}
            noise = report.noise
            print(
                f"{labels}, {' and '.join(networks)}: {(given != true).mean():.1%} wrong, {noise.verdict}, "
                f"{noise.rate_low:.1%} to {noise.rate_high:.1%}; average precision "
                + ", ".join(f"{name} {value:.3f}" for name, value in precision.items())
            )
    rows = np.arange(MANY_ROWS) % len(given)
    started = time.perf_counter()
    scan(pd.DataFrame({"label": given[rows]}), pred_probs=found["worst_resnet18"][rows].astype(np.float64))
    print(f"{MANY_ROWS:,} rows: {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    typer.run(main)
