"""The few things of a report that a person or a script wants first."""

from __future__ import annotations

from typing import Any

import pandas as pd

from labelaudit.report.copies import count_copies
from labelaudit.report.outliers import outliers_in, summarise_outliers
from labelaudit.report.report import Report

TOP = 20
SHOWN_PAIRS = 3


def summarise_report(report: Report) -> dict[str, Any]:
    """Counts and the most suspect rows, as plain JSON values."""
    frame = report.to_pandas()
    metadata = report.metadata
    counts = frame["status"].value_counts()
    ranked = report.ranked().astype({"rank": "int64"})  # pandas makes integers with nulls floats
    return {
        "source": metadata["source"],
        "rows": len(frame),
        "classes": len(metadata["classes"]),
        "status": {name: int(count) for name, count in counts.items()},
        "suspects": int(frame["suspect"].sum()),
        "accuracy": metadata["accuracy"],
        "noise": metadata["noise"] | {"pairs": metadata["noise"]["pairs"][:SHOWN_PAIRS]},
        "model": metadata["model"],
        "query": metadata["query"],
        "copies": count_copies(frame, metadata),
        "outliers": summarise_outliers(outliers_in(frame)),
        "known": _known(ranked),
        "seconds": metadata["seconds"],
        "top": [
            {name: (None if pd.isna(value) else value) for name, value in record.items()}
            for record in ranked.head(TOP)[
                ["rank", "id", "label", "suggested_label", "true_label", "influence", "score", "suspect"]
            ]
            .astype(object)
            .to_dict("records")
        ],
    }


def _known(ranked: pd.DataFrame) -> dict[str, int] | None:
    """Where the truth is known: how many labels are wrong, and how many of those are among as many first ranks."""
    if ranked["is_flipped"].isna().all():
        return None
    wrong = ranked["is_flipped"].fillna(False).astype(bool)
    count = int(wrong.sum())
    return {"wrong_labels": count, "found_among_as_many_first": int(wrong.head(count).sum())}
