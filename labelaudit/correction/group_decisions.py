"""Decisions on a row that are about its copies too: keep one and drop the others, or one label for all."""

from __future__ import annotations

import pandas as pd

from labelaudit.errors import InputError
from labelaudit.report.copies import near_groups
from labelaudit.report.report import Report

DROP_COPIES, LABEL_COPIES = "drop-copies", "label-copies"
DROP_NEAR_COPIES, LABEL_NEAR_COPIES = "drop-near-copies", "label-near-copies"
DROP_OTHERS = (DROP_COPIES, DROP_NEAR_COPIES)
GROUP_DECISIONS = (DROP_COPIES, LABEL_COPIES, DROP_NEAR_COPIES, LABEL_NEAR_COPIES)
_OF_NEAR_COPIES = (DROP_NEAR_COPIES, LABEL_NEAR_COPIES)


def check_group_label(decision: str, stated: str, row_id: str, where: str) -> str | None:
    """The label that a decision on a group states, None if the others are to be dropped.

    Raises:
        InputError: There is none where one is needed, or one where none is.
    """
    if decision in DROP_OTHERS:
        if stated.strip():
            raise InputError(f"{where}: {decision} of {row_id!r} names the label {stated!r}: leave new_label empty")
        return None
    if not stated.strip():
        raise InputError(f"{where}: {decision} of {row_id!r} needs a label for all: new_label is empty")
    return stated


class Groups:
    """The copies and near copies of a report's rows."""

    def __init__(self, report: Report) -> None:
        """Find the groups.

        Args:
            report: The report.
        """
        frame = report.to_pandas()
        self._by_kind = {False: _members(frame, frame["duplicate_group"]), True: _members(frame, near_groups(frame))}

    def with_row(self, decision: str, row: int, row_id: str, where: str) -> list[int]:
        """The rows that a decision on one of them is about, this one among them.

        Raises:
            InputError: It has no such copies.
        """
        near = decision in _OF_NEAR_COPIES
        members = self._by_kind[near].get(row)
        if members is None:
            copies = "near copies" if near else "copies"
            raise InputError(f"{where}: {row_id!r} has no {copies} in the report, and {decision} says nothing of it")
        return members


def _members(frame: pd.DataFrame, groups: pd.Series[float]) -> dict[int, list[int]]:
    """The rows of its group, for each row that is in one."""
    every_group = [members.tolist() for _, members in frame["row"].groupby(groups)]
    return {row: members for members in every_group for row in members}
