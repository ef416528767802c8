"""The visual report: one HTML file with everything inside, to look through the suspects and decide."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from labelaudit.data.dataset import Dataset
from labelaudit.errors import InputError
from labelaudit.files import write_atomically
from labelaudit.report import epochs, figures
from labelaudit.report.escaping import embed_json, scientific, visible
from labelaudit.report.previews import Missing, Picture, Preview, preview_rows
from labelaudit.report.report import Report
from labelaudit.units import counted, give_or_take

FILE_NAME = "report.html"
SHOWN = 500  # rows
FILLED_UP_TO = 100  # with further rows by rank, where there are fewer suspects
SAMPLED = 24  # rows that are not suspected, to compare
SIMILAR = 4  # accompany a row
SIMILAR_BYTES = 6_000_000  # of all accompanying thumbnails together
PREPARED = 32  # rows whose accompanying thumbnails are prepared at a time
LEFT_OUT_REASONS, LEFT_OUT_IDS = 10, 8
LONGEST_NAME, LONGEST_ID = 120, 240  # characters on the page; the exported decisions have all of them

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Chosen:
    """The rows that are embedded.

    Attributes:
        suspects: The most suspect first.
        further: The next by rank, which are no suspects.
        sample: Some of the others, drawn at random, in input order.
    """

    suspects: list[int]
    further: list[int]
    sample: list[int]


def render_html(report: Report, dataset: Dataset, shown: int = SHOWN) -> str:
    """Render a report as one self-contained HTML page.

    Args:
        report: What was found.
        dataset: The rows it is about, in the same order.
        shown: At most so many suspects (or other high-ranked rows) are embedded.

    Raises:
        InputError: The dataset is not the one the report is about.
    """
    check_same_rows(report, dataset)
    frame, metadata = report.to_pandas(), report.metadata
    chosen = choose_rows(frame, shown)
    cards = _cards(report.table, dataset, [*chosen.suspects, *chosen.further, *chosen.sample])
    others = len(chosen.suspects) + len(chosen.further)
    groups = {
        "suspects": cards[: len(chosen.suspects)],
        "further": cards[len(chosen.suspects) : others],
        "sample": cards[others:],
    }
    classes = list(dict.fromkeys([*metadata["classes"], *_labels(cards)]))
    reliable = metadata["noise"]["doubt"] is None
    pairs = figures.confusion_pairs(frame)
    shown_classes = sorted({name for pair in pairs for name in (pair.given, pair.suggested)})
    environment = _environment()
    assert environment.loader is not None
    script, style = (environment.loader.get_source(environment, name)[0] for name in ("report.js", "report.css"))
    return environment.get_template("template.html.j2").render(
        metadata=metadata,
        groups=groups,
        counts=_counts(frame, groups),
        pair_options=_pair_options(cards, classes),
        histogram=figures.score_histogram(frame),
        curve=figures.precision_recall(frame, metadata["config"]["rank_by"]),
        epochs=epochs.influence_over_epochs(frame),
        spark_size=(epochs.SPARK_WIDTH, epochs.SPARK_HEIGHT),
        pairs=pairs[: figures.PAIRS],
        pairs_in_all=len(pairs),
        matrix=figures.confusion_matrix(pairs, shown_classes),
        matrix_classes=shown_classes,
        classes=figures.class_summaries(frame, reliable),
        classes_shown=figures.CLASSES,
        class_index={name: index for index, name in enumerate(classes)},
        left_out=_left_out(frame),
        settings=list(_flatten(metadata["config"] | {"training": metadata["training"]})),
        figure=figures,
        curve_type=figures.Curve,
        script=Markup(script),
        style=Markup(style),
        script_hash=_hash(script),
        style_hash=_hash(style),
        data=embed_json(_data(metadata, cards, classes, {int(row) for row in chosen.suspects})),
    )


def write_html(report: Report, dataset: Dataset, path: Path, shown: int = SHOWN) -> None:
    """Render a report and write it, whole or not at all; see `render_html`."""
    # What cannot be written as UTF-8 (lone surrogates of a broken text) becomes a question mark.
    content = render_html(report, dataset, shown).encode("utf-8", "replace")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write_bytes(content))


def check_same_rows(report: Report, dataset: Dataset) -> None:
    """Make sure a dataset has the rows a report is about.

    Raises:
        InputError: It has not.
    """
    audited = report.table["id"].to_pylist()
    if len(audited) != len(dataset):
        raise InputError(f"{dataset.source} has {len(dataset)} rows, the report {len(audited)}: it is another dataset, "
                         "or has changed since the audit")  # fmt: skip
    for row, (there, here) in enumerate(zip(audited, dataset.ids, strict=True)):
        if there != here:
            raise InputError(f"{dataset.source}: row {row} is {here!r}, in the report {there!r}: it is another "
                             "dataset, or has changed since the audit")  # fmt: skip


def choose_rows(frame: pd.DataFrame, shown: int) -> Chosen:
    """Choose what to embed: suspects by rank, the next in rank where they are few, and a sample of the rest."""
    ranked = frame[frame["rank"].notna()].sort_values("rank")
    suspects = [int(row) for row in ranked.loc[ranked["suspect"], "row"]]
    others = [int(row) for row in ranked.loc[~ranked["suspect"], "row"]]
    further = others[: max(0, min(FILLED_UP_TO, shown) - len(suspects))]
    rest = np.array(others[len(further) :], dtype=np.int64)
    # The same report always shows the same sample.
    sample = np.random.default_rng(0).choice(rest, min(SAMPLED, len(rest)), replace=False)
    return Chosen(suspects[:shown], further, sorted(int(row) for row in sample))


def _cards(table: pa.Table, dataset: Dataset, rows: Sequence[int]) -> list[dict[str, Any]]:
    """The columns of some rows, each with its preview and those of its similar rows."""
    records = _take(table, rows)
    previews = preview_rows(dataset.content, rows, {record["row"]: record["content_hash"] for record in records})
    near = [[row for row in record["similar"] or [] if 0 <= row < len(dataset)][:SIMILAR] for record in records]
    wanted = list(dict.fromkeys(row for each in near for row in each))
    similar = dict(zip(wanted, _take(table.select(["id", "content_hash"]), wanted), strict=True))
    hashes = {row: record["content_hash"] for row, record in similar.items()}
    accompanying: dict[int, Preview] = {}
    spent = 0
    for number, (record, each) in enumerate(zip(records, near, strict=True)):
        record["spark"] = epochs.spark(record["influence_by_epoch"])
        record["preview"] = _problem_or(dataset, record["row"], previews)
        record["similar"] = []
        if number % PREPARED == 0 and spent <= SIMILAR_BYTES:  # what there is no room for is not prepared
            ahead = dict.fromkeys(row for rows in near[number : number + PREPARED] for row in rows)
            fresh = [row for row in ahead if row not in accompanying]
            accompanying |= preview_rows(dataset.content, fresh, hashes, small=True)
        for row in each:
            if spent <= SIMILAR_BYTES:
                preview = accompanying[row]
                spent += len(preview.uri) if isinstance(preview, Picture) else 0
            if spent <= SIMILAR_BYTES:
                record["similar"].append({"id": similar[row]["id"], "preview": preview})
    return records


def _take(table: pa.Table, rows: Sequence[int]) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = table.take(pa.array(rows, pa.int64())).to_pylist()
    return records


def _problem_or(dataset: Dataset, row: int, previews: Mapping[int, Preview]) -> Preview:
    problem = dataset.problems[row]
    return previews[row] if problem is None else Missing(problem)


def _labels(cards: Sequence[Mapping[str, Any]]) -> list[str]:
    return [card[name] for card in cards for name in ("label", "suggested_label") if card[name] is not None]


def _counts(frame: pd.DataFrame, groups: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    ranked = frame[frame["rank"].notna()].sort_values("rank")
    known = ranked["is_flipped"].notna().any()
    wrong = ranked["is_flipped"].eq(True)
    total = int(wrong.sum())
    return {
        "rows": len(frame),
        "scored": len(ranked),
        "suspects": int(frame["suspect"].sum()),
        "ranked_shown": len(groups["suspects"]) + len(groups["further"]),
        "wrong": total if known else None,
        "found": int(wrong.head(total).sum()),
    }


def _pair_options(cards: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> list[tuple[str, str, str, int]]:
    """The pairs of classes one can filter by: value, given, suggested, cards; the most frequent first."""
    index = {name: number for number, name in enumerate(classes)}
    counts: dict[tuple[str, str], int] = {}
    for card in cards:
        if card["suggested_label"] is not None:
            pair = (card["label"], card["suggested_label"])
            counts[pair] = counts.get(pair, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(f"{index[given]}-{index[other]}", given, other, count) for (given, other), count in ordered]


def _left_out(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows that were not scored: by status and reason, with the first ids."""
    others = frame[frame["status"] != "scored"]
    groups = []
    for status, rows in others.groupby("status"):
        reasons = rows.groupby(rows["reason"].fillna("no reason given"))["id"].agg(["size", list])
        reasons = reasons.sort_values("size", ascending=False, kind="stable")
        groups.append({
            "status": status,
            "rows": len(rows),
            "reasons": [
                (reason, int(size), ids[:LEFT_OUT_IDS])
                for reason, size, ids in reasons.head(LEFT_OUT_REASONS).itertuples()
            ],
            "more_reasons": max(0, len(reasons) - LEFT_OUT_REASONS),
        })  # fmt: skip
    return groups


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as (dotted name, value)."""
    flat: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat += _flatten(value, f"{prefix}{name}.")
        else:
            flat.append((prefix + name, "–" if value is None else str(value)))
    return flat


def _data(
    metadata: Mapping[str, Any], cards: Sequence[Mapping[str, Any]], classes: Sequence[str], suspects: set[int]
) -> dict[str, Any]:
    """What the page's script works on."""
    index = {name: number for number, name in enumerate(classes)}
    # Decisions belong to one audit of one dataset; the timings in the metadata tell a repeated audit from the first.
    audit = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()
    return {
        "key": f"labelaudit:{metadata['dataset_fingerprint'][:16]}:{audit[:16]}",
        "classes": classes,
        "rows": [
            {
                "row": card["row"],
                "id": card["id"],
                "hash": card["content_hash"] or "",
                "given": index.get(card["label"], -1),
                "suggested": index.get(card["suggested_label"], -1),
                "rank": card["rank"],
                "score": card["score"],
                "influence": card["influence"] if math.isfinite(card["influence"]) else 0,  # JSON has no infinity
                "suspect": card["row"] in suspects,
            }
            for card in cards
        ],
    }


def _hash(inlined: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(inlined.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.filters["name"] = lambda text: visible(text, LONGEST_NAME)
    environment.filters["identity"] = lambda text: visible(text, LONGEST_ID)
    environment.filters |= {"scientific": scientific, "counted": counted, "give_or_take": give_or_take}
    return environment
