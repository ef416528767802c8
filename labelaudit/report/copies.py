"""Copies in a report: how many there are, and the groups that a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from labelaudit.data.dataset import Dataset
from labelaudit.report.cards import problem_or
from labelaudit.report.previews import SMALL_SIDE, Preview, preview_rows

GROUPS, ROWS = 60, 6  # that a page shows, and of each group


@dataclass(frozen=True)
class CopyGroup:
    """Rows that hold the same.

    Attributes:
        labels: Their labels with the number of rows of each, the most frequent first; None for no label.
        probable: Of their labels the one that networks, not trained on the row, find most probable; None if unknown.
        contradicts: Whether the labels differ.
        in_test: Whether the test set has such a row, too.
        rows: The first of them: row, id, label and preview.
        more: How many are not among these.
    """

    labels: tuple[tuple[str | None, int], ...]
    probable: str | None
    contradicts: bool
    in_test: bool
    rows: tuple[dict[str, Any], ...]
    more: int


def count_copies(frame: pd.DataFrame, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """How many rows of a report are copies, with which labels, as plain JSON values.

    Args:
        frame: The report's rows.
        metadata: And its metadata.
    """
    copies, contradicting = frame[frame["duplicate_group"].notna()], frame[frame["contradicts"]]
    first = contradicting[contradicting["duplicate_group"] == contradicting["duplicate_group"].min()]
    shown = first[first["label"].notna()].drop_duplicates("label").head(2)
    return {
        "rows": len(copies),
        "groups": int(copies["duplicate_group"].nunique()),
        "contradicting_rows": len(contradicting),
        "contradicting_groups": int(contradicting["duplicate_group"].nunique()),
        "example": shown[["id", "label"]].to_numpy().tolist(),
        "in_test": int(frame["in_test"].sum()),
        "places": _places(metadata),
        "alike_by_chance": bool(metadata.get("alike_by_chance")),
    }


def _places(metadata: Mapping[str, Any]) -> list[str]:
    """What rows should not be in, too: the test set, other splits."""
    splits = [f"split {name!r}" for name in metadata.get("other_splits", [])]
    return splits if metadata["test_source"] is None and splits else ["the test set", *splits]


def copy_groups(frame: pd.DataFrame, dataset: Dataset) -> list[CopyGroup]:
    """The groups that a page shows: first those with different labels, then those in the test set; larger ones first.

    Args:
        frame: The report's rows.
        dataset: What was audited.
    """
    copies = frame[frame["duplicate_group"].notna() | frame["in_test"]]
    alone = -1 - copies["row"]  # of rows that only the test set has a copy of
    keys = copies["duplicate_group"].astype(np.float64).fillna(alone).astype(np.int64)
    order = copies.groupby(keys).agg(
        contradicts=("contradicts", "any"), in_test=("in_test", "any"), size=("row", "size")
    )
    order = order.sort_values(["contradicts", "in_test", "size"], ascending=False, kind="stable").head(GROUPS)
    everyone_of = {group: copies[keys == group] for group in order.index}
    chosen = [(group, _varied(everyone_of[group])) for group in order.index]
    rows = [int(row) for _, members in chosen for row in members["row"]]
    hashes = dict(zip(frame["row"].iloc[rows], frame["content_hash"].iloc[rows], strict=True))
    previews = preview_rows(dataset.content, rows, hashes, SMALL_SIDE)
    found = []
    for (group, members), facts in zip(chosen, order.itertuples(), strict=True):
        everyone = everyone_of[group]
        labels = everyone["label"].fillna("").value_counts(sort=True)
        probable = everyone.dropna(subset=["p_label", "label"]).groupby("label")["p_label"].mean()
        found.append(
            CopyGroup(
                labels=tuple((str(name) or None, int(count)) for name, count in labels.items()),
                probable=None if probable.empty else str(probable.idxmax()),
                contradicts=bool(facts.contradicts),
                in_test=bool(facts.in_test),
                rows=tuple(_shown(dataset, record, previews) for record in members.to_dict("records")),
                more=len(everyone) - len(members),
            )
        )
    return found


def _varied(members: pd.DataFrame) -> pd.DataFrame:
    """Some rows of a group, those with other labels among them."""
    turn = members.groupby(members["label"].fillna("")).cumcount()
    return members.loc[turn.sort_values(kind="stable").index[:ROWS]]


def _shown(dataset: Dataset, record: Mapping[Any, Any], previews: Mapping[int, Preview]) -> dict[str, Any]:
    row, label = int(record["row"]), record["label"]
    preview = problem_or(dataset, row, previews)
    return {"row": row, "id": record["id"], "label": None if pd.isna(label) else label, "preview": preview}
