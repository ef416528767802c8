"""The visual report of a check: the rows that are new, and nothing of the others but their pictures for comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelaudit.checking.result import ChangedRow
from labelaudit.report.report import Report

UNCHANGED = "unchanged"  # the status of a row that is as in the baseline
JUDGED = (
    "rank",
    "score",
    "influence",
    "influence_by_epoch",
    "p_label",
    "loss",
    "suggested_label",
    "p_suggested",
    "outlier",
)


def of_new_rows(report: Report, rows: Sequence[ChangedRow]) -> Report:
    """A report of all rows as one of the new ones, ranked among themselves; for the page, not to be stored.

    Of copies it has the groups with new rows, of near copies the pairs.

    Args:
        report: Of all rows.
        rows: Those that are new, or not as they were; a row that was accepted is no suspect.
    """
    table, new = report.table, {row.row: row for row in rows}
    others = np.array([row not in new for row in range(table.num_rows)])
    values = {name: _without(table[name].combine_chunks(), others) for name in JUDGED}
    values["suspect"] = pa.array([row in new and new[row].suspect for row in range(table.num_rows)])
    values["status"] = pa.array(np.where(others, UNCHANGED, np.array(table["status"].to_pylist(), object)))
    reasons = zip(others, table["reason"].to_pylist(), strict=True)
    values["reason"] = pa.array(["as in the baseline" if other else reason for other, reason in reasons], pa.string())
    groups = table["duplicate_group"].to_pandas()
    shown = groups.isin(groups[~others].dropna()).to_numpy() | ~others
    values["duplicate_group"] = _without(table["duplicate_group"].combine_chunks(), ~shown)
    near = table["near_duplicate_of"].to_pandas()
    values["near_duplicate_of"] = _without(
        table["near_duplicate_of"].combine_chunks(), others & ~near.isin(np.flatnonzero(~others)).to_numpy()
    )
    for name in ("contradicts", "in_test", "near_in_test"):
        values[name] = pa.array(table[name].to_numpy() & shown)
    for name, column in values.items():
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
    ranks = table["rank"].to_pandas().rank().astype("Int64")
    place = table.schema.get_field_index("rank")
    table = table.set_column(place, table.schema.field(place), pa.array(ranks, pa.int64()))
    # A spot check speaks of all rows, of which only some are here.
    return Report(table, report.metadata | {"spot_check": []}, report.dataset)


def _without(column: pa.Array, rows: np.ndarray) -> pa.Array:
    """The column with nothing in these rows."""
    return pc.if_else(pa.array(rows), pa.scalar(None, column.type), column)
