"""Outliers in a report: how many there are, and those that a page shows."""

from __future__ import annotations

from typing import Any

import pandas as pd

from labelaudit.data.dataset import Dataset
from labelaudit.detection.outliers import are_outliers
from labelaudit.report.cards import small_rows

SHOWN = 60  # on a page


def outliers_in(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a report that belong to no class, the oddest first."""
    found = frame[are_outliers(frame["outlier"].to_numpy(dtype=float, na_value=float("nan")))]
    return found.sort_values(["outlier", "p_label"], ascending=[False, True], kind="stable")


def summarise_outliers(found: pd.DataFrame) -> dict[str, Any]:
    """How many outliers were found, and the ids of the first, as plain JSON values."""
    return {"rows": len(found), "examples": found["id"].head(3).tolist()}


def shown_outliers(found: pd.DataFrame, dataset: Dataset) -> list[dict[str, Any]]:
    """The outliers that a page shows, see `small_rows`, the oddest first.

    Args:
        found: See `outliers_in`.
        dataset: What was audited.
    """
    return list(small_rows(found.head(SHOWN), dataset).values())
