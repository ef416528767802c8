"""Copies in a report: how many there are, and the groups that a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from labelaudit.data.copies import connected
from labelaudit.data.dataset import Dataset
from labelaudit.report.cards import small_rows

GROUPS, ROWS = 60, 6  # that a page shows, and of each group
MEMBERS = 1000  # whose decisions a page takes back when their group is decided on


@dataclass(frozen=True)
class CopyGroup:
    """Rows that hold the same, or nearly the same.

    Attributes:
        labels: Their labels with the number of rows of each, the most frequent first; None for no label.
        probable: Of their labels the one that networks, not trained on the row, find most probable; None if unknown.
        contradicts: Whether the labels differ.
        in_test: Whether the test set has such a row, too.
        rows: The first of them: row, id, label, content hash and preview.
        more: How many are not among these.
        members: The numbers of all, ascending, or of the first `MEMBERS`.
    """

    labels: tuple[tuple[str | None, int], ...]
    probable: str | None
    contradicts: bool
    in_test: bool
    rows: tuple[dict[str, Any], ...]
    more: int
    members: tuple[int, ...]


def count_copies(frame: pd.DataFrame, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """How many rows of a report are copies or near copies, with which labels, as plain JSON values.

    Args:
        frame: The report's rows.
        metadata: And its metadata.
    """
    copies, near = frame["duplicate_group"].astype(np.float64), near_groups(frame)
    of_near = _count(frame, near, _differ(frame, near))
    return {
        **_count(frame, copies, frame["contradicts"]),
        "in_test": int(frame["in_test"].sum()),
        **{f"near_{name}": value for name, value in of_near.items()},
        "near_in_test": int(frame["near_in_test"].sum()),
        "places": _places(metadata),
        "alike_by_chance": bool(metadata.get("alike_by_chance")),
    }


def _count(frame: pd.DataFrame, groups: pd.Series[float], contradicts: pd.Series[bool]) -> dict[str, Any]:
    """How many rows are in groups, how many in those with different labels, and an example of these."""
    return {
        "rows": int(groups.notna().sum()),
        "groups": int(groups.nunique()),
        "contradicting_rows": int(contradicts.sum()),
        "contradicting_groups": int(groups[contradicts].nunique()),
        "example": _example(frame[contradicts], groups[contradicts]),
    }


def near_groups(frame: pd.DataFrame) -> pd.Series[float]:
    """The group of near copies that each row is in, directly or by others, by number; NaN for none."""
    rows, others = frame["row"].to_numpy(), frame["near_duplicate_of"]
    linked = others.notna().to_numpy()
    places = pd.Series(np.arange(len(rows)), index=rows)
    ends = np.flatnonzero(linked), places.loc[others[linked].astype(np.int64)].to_numpy()
    component = pd.Series(connected(*ends, len(rows)).astype(np.float64), index=frame.index)
    return component.where(component.map(component.value_counts()) > 1)


def _differ(frame: pd.DataFrame, groups: pd.Series[Any]) -> pd.Series[bool]:
    """Whether a row is in a group of rows with different labels."""
    return frame["label"].groupby(groups).transform("nunique").fillna(0) > 1


def _example(rows: pd.DataFrame, groups: pd.Series[float]) -> list[list[str]]:
    """Id and label of two rows of the first group, with different labels; nothing if there is no row."""
    first = rows[(groups == groups.min()) & rows["label"].notna()]
    shown: list[list[str]] = first.drop_duplicates("label").head(2)[["id", "label"]].to_numpy().tolist()
    return shown


def _places(metadata: Mapping[str, Any]) -> list[str]:
    """What rows should not be in, too: the test set, other splits."""
    splits = [f"split {name!r}" for name in metadata.get("other_splits", [])]
    return splits if metadata["test_source"] is None and splits else ["the test set", *splits]


def copy_groups(frame: pd.DataFrame, dataset: Dataset) -> list[CopyGroup]:
    """The groups of copies that a page shows, see `_shown_groups`.

    Args:
        frame: The report's rows.
        dataset: What was audited.
    """
    copies = frame[frame["duplicate_group"].notna() | frame["in_test"]]
    alone = -1 - copies["row"]  # of rows that only the test set has a copy of
    keys = copies["duplicate_group"].astype(np.float64).fillna(alone).astype(np.int64)
    return _shown_groups(copies, keys, copies["contradicts"], copies["in_test"], dataset)


def near_copy_groups(frame: pd.DataFrame, dataset: Dataset) -> list[CopyGroup]:
    """The groups of near copies that a page shows, see `_shown_groups`.

    Args:
        frame: The report's rows.
        dataset: What was audited.
    """
    groups = near_groups(frame)
    near = frame[groups.notna() | frame["near_in_test"]]
    keys = groups[near.index].fillna(-1 - near["row"]).astype(np.int64)
    return _shown_groups(near, keys, _differ(near, keys), near["near_in_test"], dataset)


def _shown_groups(
    copies: pd.DataFrame, keys: pd.Series[int], contradicts: pd.Series[bool], in_test: pd.Series[bool], dataset: Dataset
) -> list[CopyGroup]:
    """First groups with different labels, then those in the test set; larger ones first.

    Args:
        copies: The rows.
        keys: The group of each.
        contradicts: Whether its group has different labels.
        in_test: Whether the test set has it, too.
        dataset: What was audited.
    """
    facts = pd.DataFrame({"contradicts": contradicts, "in_test": in_test, "size": 1})
    order = facts.groupby(keys).agg({"contradicts": "any", "in_test": "any", "size": "sum"})
    order = order.sort_values(["contradicts", "in_test", "size"], ascending=False, kind="stable").head(GROUPS)
    everyone_of = {group: copies[keys == group] for group in order.index}
    chosen = [(group, _varied(everyone_of[group])) for group in order.index]
    shown = small_rows(pd.concat([some for _, some in chosen]), dataset) if chosen else {}
    found = []
    for (group, members), group_facts in zip(chosen, order.itertuples(), strict=True):
        everyone = everyone_of[group]
        labels = everyone["label"].fillna("").value_counts(sort=True)
        probable = everyone.dropna(subset=["p_label", "label"]).groupby("label")["p_label"].mean()
        found.append(
            CopyGroup(
                labels=tuple((str(name) or None, int(count)) for name, count in labels.items()),
                probable=None if probable.empty else str(probable.idxmax()),
                contradicts=bool(group_facts.contradicts),
                in_test=bool(group_facts.in_test),
                rows=tuple(shown[row] for row in members["row"]),
                more=len(everyone) - len(members),
                members=tuple(sorted(everyone["row"])[:MEMBERS]),
            )
        )
    return found


def _varied(members: pd.DataFrame) -> pd.DataFrame:
    """Some rows of a group, those with other labels among them."""
    turn = members.groupby(members["label"].fillna("")).cumcount()
    return members.loc[turn.sort_values(kind="stable").index[:ROWS]]
