"""The spot check of a report: which rows it has drawn, and what was found of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from labelaudit.detection.spot_check import STRATA, Looked, allocate, share_wrong, strata_of
from labelaudit.errors import InputError
from labelaudit.report.schema import REVIEWED

CHECKED = 30  # rows that are looked at, of all rows; and suspects, of the list alone
LONGEST = 300  # rows that are drawn, for those who look at more
COLUMNS = ["score", "suspect", "status"]  # of a report that decide on the draw


@dataclass(frozen=True)
class Stratum:
    """Rows among which some are drawn.

    Attributes:
        name: "suspects", "doubtful" or "rest".
        rows: All its rows.
        drawn: Those that are drawn, in this order.
        first: How many of them the spot check has at least.
    """

    name: str
    rows: frozenset[int]
    drawn: tuple[int, ...]
    first: int

    def looked(self, found: Mapping[int, bool | None]) -> Looked:
        """What was found: of the drawn rows up to the first that nobody decided on, and of others apart from these."""
        open_at = (at for at, row in enumerate(self.drawn) if row not in found)
        counted = self.drawn[: next(open_at, len(self.drawn))]
        said = [found[row] for row in counted]
        others = [found[row] for row in self.rows - set(counted) if row in found]
        return Looked(
            len(self.rows),
            said.count(True),
            said.count(False),
            said.count(None),
            others.count(True),
            others.count(False),
        )


def draw(frame: pd.DataFrame, fingerprint: str) -> list[dict[str, Any]]:
    """Draw the rows of a report's spot check, for its metadata; the same report always has the same.

    Args:
        frame: `COLUMNS` of the report's rows. Those that somebody has looked at belong to no stratum.
        fingerprint: The dataset's, in hexadecimal digits; it seeds the draw.
    """
    score, strata = _strata(frame)
    first, most = (allocate(strata, score, number) for number in (CHECKED, LONGEST))
    random = np.random.default_rng(int(fingerprint[:16], 16))
    drawn = []
    for name, rows, checked, longest in zip(STRATA, strata, first, most, strict=True):
        kept = max(longest, CHECKED) if name == "suspects" else longest
        order = random.permutation(rows)[:kept]
        drawn.append({"name": name, "rows": len(rows), "first": checked, "drawn": order.tolist()})
    return drawn


def drawn_in(metadata: Mapping[str, Any], frame: pd.DataFrame, number: int = CHECKED) -> list[Stratum]:
    """The spot check of a report; empty if it has none.

    Args:
        metadata: The report's.
        frame: Its rows.
        number: How many rows are to be looked at in all, at most `LONGEST`.

    Raises:
        InputError: It is not that of these rows.
    """
    stored = metadata.get("spot_check")
    if not stored:
        return []
    score, strata = _strata(frame)
    members = [frozenset(rows.tolist()) for rows in strata]
    fits = len(stored) == len(members) and all(
        part["rows"] == len(rows)
        and rows.issuperset(part["drawn"])
        and part["first"] <= len(part["drawn"]) == len(set(part["drawn"]))
        for part, rows in zip(stored, members, strict=True)
    )
    if not fits:
        raise InputError("the spot check in the report's metadata is not that of its rows: the report was changed")
    return [
        Stratum(part["name"], rows, tuple(part["drawn"]), min(first, len(part["drawn"])))
        for part, rows, first in zip(stored, members, allocate(strata, score, number), strict=True)
    ]


def for_page(strata: Sequence[Stratum], reviewed: Mapping[int, bool], fingerprint: str) -> dict[str, Any] | None:
    """What the page is to know of a spot check; None if nothing is drawn.

    Args:
        strata: The draw.
        reviewed: Whether the label is wrong, of the rows outside of all strata.
        fingerprint: The dataset's, in hexadecimal digits; it seeds the order in which rows are looked at.

    Returns:
        `rows`: those to be looked at, in an order that does not tell their strata; `list`: the suspects of whoever
        looks at the list alone; `strata`; and how many rows were reviewed before.
    """
    rows = [row for stratum in strata for row in stratum.drawn[: stratum.first]]
    if not rows:
        return None
    listed = strata[0].drawn[: max(CHECKED, strata[0].first)]
    kept = [len(listed), *(stratum.first for stratum in strata[1:])]
    order = np.random.default_rng([int(fingerprint[:16], 16), 1]).permutation(np.array(rows, dtype=np.int64))
    wrong = sum(reviewed.values())
    return {
        "rows": order.tolist(),
        "list": list(listed),
        "strata": [
            {"rows": len(stratum.rows), "first": stratum.first, "drawn": list(stratum.drawn[:count])}
            for stratum, count in zip(strata, kept, strict=True)
        ],
        "reviewedWrong": wrong,
        "reviewedRight": len(reviewed) - wrong,
    }


def reviewed_in(frame: pd.DataFrame) -> dict[int, bool]:
    """Whether the label is wrong, of each row of a report that was reviewed before."""
    reviewed = frame[frame["status"] == REVIEWED]
    return dict(zip(reviewed["row"].tolist(), (reviewed["score"] == 1).tolist(), strict=True))


@dataclass(frozen=True)
class Found:
    """What a spot check says, once its first rows are decided on.

    Attributes:
        checked: How many drawn rows were looked at.
        share: The share of wrong labels in the scored rows.
        low: Lower end of its 90% range.
        high: Upper end.
    """

    checked: int
    share: float
    low: float
    high: float


def found_in(strata: list[Stratum], found: Mapping[int, bool | None], reviewed: Mapping[int, bool]) -> Found | None:
    """What was found in a spot check; None if it is not done.

    Args:
        strata: The draw.
        found: Whether the label of a row is wrong, None where that was left unsure.
        reviewed: The same of the rows outside of all strata.
    """
    looked = [stratum.looked(found) for stratum in strata]
    if not strata or any(part.checked < stratum.first for part, stratum in zip(looked, strata, strict=True)):
        return None
    wrong = sum(reviewed.values())
    return Found(sum(part.checked for part in looked), *share_wrong(looked, wrong, len(reviewed) - wrong))


def _strata(frame: pd.DataFrame) -> tuple[Any, Any]:
    score = frame["score"].to_numpy(dtype=np.float64, na_value=np.nan)
    left = (frame["status"] == "scored").to_numpy()
    return score, strata_of(score, frame["suspect"].to_numpy(dtype=np.bool_), left)
