"""The visual report: one HTML file with everything inside, to look through the suspects and decide."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence, Set
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from labelaudit.data.dataset import Dataset
from labelaudit.errors import InputError
from labelaudit.report import epochs, figures
from labelaudit.report.cards import choose_rows, labels_of, make_cards, pair_options
from labelaudit.report.copies import copy_groups, count_copies, near_copy_groups
from labelaudit.report.escaping import embed_json, percent, scientific, visible
from labelaudit.report.outliers import outliers_in, shown_outliers, summarise_outliers
from labelaudit.report.reasons import MOST_TERMS, mark_terms
from labelaudit.report.spot_check import CHECKED, Stratum, drawn_in, for_page, reviewed_in
from labelaudit.report.wording import (
    copies_in_words,
    interval_in_words,
    near_copies_in_words,
    off_in_words,
    outliers_in_words,
    range_in_words,
    range_level,
    share_in_words,
)
from labelaudit.runtime.files import write_atomically
from labelaudit.units import format_count

if TYPE_CHECKING:
    from labelaudit.report.report import Report  # which writes itself through this module

FILE_NAME = "report.html"
SHOWN = 500  # rows
LEFT_OUT_REASONS, LEFT_OUT_IDS = 10, 8
LONGEST_NAME, LONGEST_ID = 120, 240  # characters on the page; the exported decisions have all of them

STYLES = ("report", "views", "print")  # one after the other
SCRIPTS = (  # functions of one closure, in the order of its first statements; the last one begins
    "page",
    "decisions",
    "spot_check",
    "progress",
    "moving",
    "deciding",
    "groups",
    "filtering",
    "views",
    "csv",
    "events",
)

_SUGGESTION = ["id", "suggested_label", "p_suggested"]
_FOLDER = Path(__file__).parent


def render_html(report: Report, dataset: Dataset, shown: int = SHOWN, checked: int = CHECKED) -> str:
    """Render a report as one self-contained HTML page.

    Args:
        report: What was found.
        dataset: The rows it is about, in the same order.
        shown: At most so many suspects (or other high-ranked rows) are embedded.
        checked: How many rows the spot check has, at most `LONGEST`.

    Raises:
        InputError: The dataset is not the one the report is about.
    """
    check_same_rows(report, dataset)
    frame, metadata = report.to_pandas(), report.metadata
    strata = drawn_in(metadata, frame, checked)
    spot = for_page(strata, reviewed_in(frame), metadata["dataset_fingerprint"])
    chosen = choose_rows(frame, shown, [] if spot is None else {*spot["rows"], *spot["list"]})
    parts = {name: getattr(chosen, name) for name in ("suspects", "further", "drawn", "sample")}
    cards = make_cards(report.table, dataset, [row for rows in parts.values() for row in rows])
    remaining = iter(cards)
    groups = {name: list(islice(remaining, len(rows))) for name, rows in parts.items()}
    classes = list(dict.fromkeys([*metadata["classes"], *labels_of(cards)]))
    reliable = metadata["noise"]["doubt"] is None
    pairs = figures.confusion_pairs(frame)
    shown_classes = sorted({name for pair in pairs for name in (pair.given, pair.suggested)})
    script, style = page_script(), page_style()
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            metadata=metadata,
            groups=groups,
            counts=_counts(frame, groups),
            spot=spot,
            pair_options=pair_options(cards, classes),
            histogram=figures.score_histogram(frame),
            curve=figures.precision_recall(frame, metadata["config"]["rank_by"]),
            epochs=epochs.influence_over_epochs(frame),
            spark_size=(epochs.SPARK_WIDTH, epochs.SPARK_HEIGHT),
            pairs=pairs[: figures.PAIRS],
            pairs_in_all=len(pairs),
            matrix=figures.confusion_matrix(pairs, shown_classes),
            matrix_classes=shown_classes,
            classes=figures.class_summaries(frame, metadata["accuracy"]["classes"], reliable),
            classes_shown=figures.CLASSES,
            class_index={name: index for index, name in enumerate(classes)},
            copies=_copies(frame, metadata, dataset),
            outliers=_outliers(frame, dataset),
            left_out=_left_out(frame),
            twins=metadata.get("class_name_twins", []),
            settings=list(_flatten(metadata["config"] | {"training": metadata["training"]})),
            marked=partial(_marked, metadata["config"]["model"].get("text_encoding") == "characters"),
            most_terms=MOST_TERMS,
            figure=figures,
            curve_type=figures.Curve,
            script=Markup(script),
            style=Markup(style),
            script_hash=_hash(script),
            style_hash=_hash(style),
            data=embed_json(_data(metadata, cards, classes, set(chosen.suspects), strata) | {"spot": spot}),
        )
    )


def _marked(within_words: bool, text: str, card: Mapping[str, Any]) -> Markup:
    """A text of a card with the words marked that speak for its classes."""
    if card["suggested_label"] is None:
        return mark_terms(text, None, None, within_words=within_words)
    return mark_terms(text, card["terms_given"], card["terms_suggested"], within_words=within_words)


def write_html(report: Report, dataset: Dataset, path: Path, shown: int = SHOWN, checked: int = CHECKED) -> None:
    """Render a report and write it, whole or not at all; see `render_html`."""
    # What cannot be written as UTF-8 (lone surrogates of a broken text) becomes a question mark.
    content = render_html(report, dataset, shown, checked).encode("utf-8", "replace")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write_bytes(content))


def check_same_rows(report: Report, dataset: Dataset) -> None:
    """Make sure a dataset has the rows a report is about.

    Raises:
        InputError: It has not.
    """
    audited = report.table["id"].to_pylist()
    if len(audited) != len(dataset):
        raise InputError(
            f"{dataset.source} has {len(dataset)} rows, the report {len(audited)}: it is another dataset, "
            "or has changed since the audit"
        )
    for row, (there, here) in enumerate(zip(audited, dataset.ids, strict=True)):
        if there != here:
            raise InputError(
                f"{dataset.source}: row {row} is {here!r}, in the report {there!r}: it is another "
                "dataset, or has changed since the audit"
            )


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


def _copies(frame: pd.DataFrame, metadata: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    counts = count_copies(frame, metadata)
    return {
        "counts": counts,
        "words": copies_in_words(counts),
        "groups": copy_groups(frame, dataset),
        "near_words": near_copies_in_words(counts),
        "near_groups": near_copy_groups(frame, dataset),
    }


def _outliers(frame: pd.DataFrame, dataset: Dataset) -> dict[str, Any]:
    found = outliers_in(frame)
    counts = summarise_outliers(found)
    return {"counts": counts, "words": outliers_in_words(counts), "rows": shown_outliers(found, dataset)}


def _left_out(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows that were not scored: by status and reason, with the first ids and what they probably are."""
    others = frame[frame["status"] != "scored"]
    others = others.assign(shown=[_with_suggestion(*row) for row in others[_SUGGESTION].itertuples(index=False)])
    groups = []
    for status, rows in others.groupby("status"):
        reasons = rows.groupby(rows["reason"].fillna("no reason given"))["shown"].agg(["size", list])
        reasons = reasons.sort_values("size", ascending=False, kind="stable")
        groups.append(
            {
                "status": status,
                "rows": len(rows),
                "reasons": [
                    (reason, int(size), ids[:LEFT_OUT_IDS])
                    for reason, size, ids in reasons.head(LEFT_OUT_REASONS).itertuples()
                ],
                "more_reasons": max(0, len(reasons) - LEFT_OUT_REASONS),
            }
        )
    return groups


def _with_suggestion(name: str, suggested: str | None, probability: float) -> str:
    """The id of a row that is left out, with what a row without a label most probably is."""
    return name if pd.isna(probability) else f"{name}: {suggested} ({probability:.0%})"


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
    metadata: Mapping[str, Any],
    cards: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    shown_suspects: Set[int],
    strata: Sequence[Stratum],
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
                "influence": card["influence"] if math.isfinite(card["influence"] or 0) else 0,  # JSON has no infinity
                "suspect": card["row"] in shown_suspects,
                "stratum": next((at for at, part in enumerate(strata) if card["row"] in part.rows), -1),
            }
            for card in cards
        ],
    }


def page_script() -> str:
    """The page's script: all modules in one closure."""
    return '"use strict";\n(() => {\n' + "\n".join(_static(f"{name}.js") for name in SCRIPTS) + "})();\n"


def page_style() -> str:
    """The page's style sheet."""
    return "\n".join(_static(f"{name}.css") for name in STYLES)


def _static(name: str) -> str:
    return (_FOLDER / "static" / name).read_text(encoding="utf-8")


def _hash(inlined: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(inlined.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.filters["name"] = lambda text: visible(text, LONGEST_NAME)
    environment.filters["identity"] = lambda text: visible(text, LONGEST_ID)
    environment.filters |= {
        "percent": percent,
        "scientific": scientific,
        "counted": format_count,
        "interval_in_words": interval_in_words,
        "range_in_words": range_in_words,
        "range_level": range_level,
        "share_in_words": share_in_words,
    }
    environment.globals["off"] = off_in_words()
    return environment
