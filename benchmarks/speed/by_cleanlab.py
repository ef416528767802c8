"""cleanlab on out-of-fold probabilities: five plain fine-tunes of four fifths, each predicts the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.model_selection import StratifiedKFold

from benchmarks.speed.plain import prepare

FOLDS = 5


def main(arguments: list[str]) -> dict[str, Any]:
    """Rank all rows, cleanlab's issues first, both parts by its label quality."""
    task = prepare(arguments)
    given = np.array(task.data.labels)
    probabilities = np.empty((len(given), task.data.classes))
    for train, held_out in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(given, given):
        probabilities[held_out] = task.predict(task.train(train), held_out)
    issues = find_label_issues(given, probabilities, n_jobs=1)
    quality = get_label_quality_scores(given, probabilities, method="normalized_margin")
    np.save(task.options.scores, issues.astype(float) * 2 - quality)
    return {"issues": int(issues.sum())}
