"""The rows that a page shows: which ones, and what it shows of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from labelaudit.data.content import Cells
from labelaudit.data.dataset import Dataset
from labelaudit.report import epochs
from labelaudit.report.previews import LARGE_SIDE, SIDE, SMALL_SIDE, Fields, Missing, Picture, Preview, preview_rows
from labelaudit.report.reasons import Comparison, compare_rows

FILLED_UP_TO = 100  # with further rows by rank, where there are fewer suspects
SAMPLED = 24  # rows that are not suspected, to compare
LARGE = 120  # first rows with pictures that can be enlarged
NEAREST = ("similar", "similar_given")  # columns that name the rows that accompany a row
SIMILAR = 3  # of each
SIMILAR_BYTES = 9_000_000  # of all accompanying thumbnails together
PREPARED = 32  # rows whose accompanying thumbnails are prepared at a time


@dataclass(frozen=True)
class Chosen:
    """The rows that are embedded.

    Attributes:
        suspects: The most suspect first.
        further: The next by rank, which are no suspects.
        drawn: Rows beyond all those that the spot check has drawn, by rank.
        sample: Some of the others, drawn at random, in input order.
    """

    suspects: list[int]
    further: list[int]
    drawn: list[int]
    sample: list[int]


def choose_rows(frame: pd.DataFrame, shown: int, spot: Collection[int]) -> Chosen:
    """Choose what to embed.

    That is the suspects by rank, the next in rank where they are few, the spot check, and a sample of the rest. The
    spot check is drawn from all rows, for it speaks of all.

    Args:
        frame: The report's rows.
        shown: At most so many suspects (or other high-ranked rows).
        spot: The rows of the spot check.
    """
    ranked = frame[frame["rank"].notna()].sort_values("rank")
    suspects = [int(row) for row in ranked.loc[ranked["suspect"], "row"]]
    others = [int(row) for row in ranked.loc[~ranked["suspect"], "row"]]
    further = others[: max(0, min(FILLED_UP_TO, shown) - len(suspects))]
    shown_rows, wanted = {*suspects[:shown], *further}, set(spot)
    drawn = [row for row in (*suspects, *others) if row in wanted and row not in shown_rows]
    rest = np.array([row for row in others[len(further) :] if row not in wanted], dtype=np.int64)
    # The same report always shows the same sample.
    sample = np.random.default_rng(0).choice(rest, min(SAMPLED, len(rest)), replace=False)
    return Chosen(suspects[:shown], further, drawn, sorted(int(row) for row in sample))


def make_cards(table: pa.Table, dataset: Dataset, rows: Sequence[int]) -> list[dict[str, Any]]:
    """The columns of some rows, each with its preview and those of its similar rows."""
    records = _take(table, rows)
    hashes = {record["row"]: record["content_hash"] for record in records}
    previews = preview_rows(dataset.content, rows[:LARGE], hashes, LARGE_SIDE)
    previews |= preview_rows(dataset.content, rows[LARGE:], hashes, SIDE)
    near = [_nearest(record, len(dataset)) for record in records]
    wanted = list(dict.fromkeys(row for each in near for _, row in each))
    similar = dict(zip(wanted, _take(table.select(["id", "content_hash"]), wanted), strict=True))
    near_hashes = {row: record["content_hash"] for row, record in similar.items()}
    accompanying: dict[int, Preview] = {}
    spent = 0
    for number, (record, each) in enumerate(zip(records, near, strict=True)):
        record["spark"] = epochs.spark(record["influence_by_epoch"])
        record["preview"] = problem_or(dataset, record["row"], previews)
        record |= {name: [] for name in NEAREST}
        if number % PREPARED == 0 and spent <= SIMILAR_BYTES:  # what there is no room for is not prepared
            ahead = dict.fromkeys(row for rows in near[number : number + PREPARED] for _, row in rows)
            fresh = [row for row in ahead if row not in accompanying]
            accompanying |= preview_rows(dataset.content, fresh, near_hashes, SMALL_SIDE)
        for name, row in each:
            if spent <= SIMILAR_BYTES:
                preview = accompanying[row]
                spent += len(preview.uri) if isinstance(preview, Picture) else 0
            if spent <= SIMILAR_BYTES:
                record[name].append({"id": similar[row]["id"], "row": row, "preview": preview})
        record["comparison"] = _comparison(dataset, record)
    return records


def _nearest(record: Mapping[str, Any], rows: int) -> list[tuple[str, int]]:
    """The rows that accompany a row, and in which column they are named."""
    return [(name, row) for name in NEAREST for row in [row for row in record[name] or [] if 0 <= row < rows][:SIMILAR]]


def _comparison(dataset: Dataset, record: Mapping[str, Any]) -> Comparison | None:
    """A table's row beside its nearest ones; None of other data, and of rows that have changed since the audit."""
    if not isinstance(dataset.content, Cells) or not isinstance(record["preview"], Fields):
        return None
    suggested, given = (
        [item["row"] for item in record[name] if isinstance(item["preview"], Fields)] for name in NEAREST
    )
    return compare_rows(dataset.content.frame, record["row"], suggested, given)


def labels_of(cards: Sequence[Mapping[str, Any]]) -> list[str]:
    """All labels that the rows have or could have."""
    return [card[name] for card in cards for name in ("label", "suggested_label") if card[name] is not None]


def pair_options(cards: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> list[tuple[str, str, str, int]]:
    """The pairs of classes one can filter by: value, given, suggested, cards; the most frequent first."""
    index = {name: number for number, name in enumerate(classes)}
    counts: dict[tuple[str, str], int] = {}
    for card in cards:
        if card["suggested_label"] is not None:
            pair = (card["label"], card["suggested_label"])
            counts[pair] = counts.get(pair, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(f"{index[given]}-{index[other]}", given, other, count) for (given, other), count in ordered]


def _take(table: pa.Table, rows: Sequence[int]) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = table.take(pa.array(rows, pa.int64())).to_pylist()
    return records


def problem_or(dataset: Dataset, row: int, previews: Mapping[int, Preview]) -> Preview:
    """A row's preview, or why it has none."""
    problem = dataset.problems[row]
    return previews[row] if problem is None else Missing(problem)


def small_rows(rows: pd.DataFrame, dataset: Dataset) -> dict[int, dict[str, Any]]:
    """What is shown of rows that have no card here: row, id, label, content hash and a small preview, by row.

    Args:
        rows: Of the report's.
        dataset: What was audited.
    """
    hashes = dict(zip(rows["row"].tolist(), rows["content_hash"], strict=True))
    previews = preview_rows(dataset.content, list(hashes), hashes, SMALL_SIDE)
    return {
        record["row"]: {
            "row": record["row"],
            "id": record["id"],
            "label": None if pd.isna(record["label"]) else record["label"],
            "hash": record["content_hash"] or "",
            "preview": problem_or(dataset, record["row"], previews),
        }
        for record in rows.to_dict("records")
    }
