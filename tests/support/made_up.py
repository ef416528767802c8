"""Reports made up for the page, and a page as a parser sees it."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pyarrow as pa

from labelaudit import Report
from labelaudit.config import AuditConfig
from labelaudit.data.content import Content, Texts
from labelaudit.data.dataset import Dataset
from labelaudit.data.hashing import hash_rows
from labelaudit.progress import ignore
from labelaudit.report.schema import SCHEMA, SCHEMA_VERSION
from labelaudit.report.spot_check import draw
from tests.support.reports import learnt_nothing, noise_of

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><!--",
    '"quo\'tes" & <b>amp</b>',
    "line\nbreak\r\n",
    "=1+1",
    "\u202egnp.exe",
    "back\\slash,comma",
    "'{{ 7 * 7 }}",
)


def make_dataset(content: Content, ids, labels, problems=None) -> Dataset:
    return Dataset("the source", "made up", tuple(ids), tuple(labels), problems or (None,) * len(ids), content)


def texts_dataset(labels, ids=None) -> Dataset:
    return make_dataset(
        Texts(tuple(f"text {row}" for row in range(len(labels)))),
        ids or [f"id {row}" for row in range(len(labels))],
        labels,
    )


def make_report(dataset: Dataset, suspects: int, similar: int = 0, doubt: str | None = None, **columns) -> Report:
    """A report as an audit could write it: random, with rank 1 for some row, and suggestions for the suspects."""
    rows, random, classes = len(dataset), np.random.default_rng(0), dataset.classes
    labels = np.array(dataset.labels, dtype=object)
    scored = np.array([label is not None for label in labels]) & np.equal(np.array(dataset.problems), None)
    score = np.where(scored, random.permutation(rows) / rows, -1)
    rank = np.empty(rows, dtype=np.int64)
    rank[np.argsort(-score, kind="stable")] = np.arange(1, rows + 1)
    suspect = rank <= suspects
    suggested = [
        classes[(classes.index(label) + 1) % len(classes)] if s else None
        for label, s in zip(labels, suspect, strict=True)
    ]
    members = {name: np.flatnonzero(labels == name) for name in classes}
    near = [
        None if name is None or not similar else random.choice(members[name], similar).tolist() for name in suggested
    ]
    status = np.where(scored, "scored", np.where(labels == None, "unlabelled", "unreadable"))  # noqa: E711  # of each entry
    values = {
        "id": list(dataset.ids),
        "row": np.arange(rows),
        "content_hash": hash_rows(dataset, ignore),
        "label": labels.tolist(),
        "suggested_label": suggested,
        "influence": pa.array(-score / 100, mask=~scored),
        "influence_by_epoch": [None] * rows,
        "rank": pa.array(rank, mask=~scored),
        "score": pa.array(score, mask=~scored),
        "suspect": suspect,
        "p_label": pa.array(1 - score, mask=~scored),
        "p_suggested": [None] * rows,
        "loss": pa.array(score * 3, mask=~scored),
        "similar": near,
        "similar_given": [None] * rows,
        "terms_suggested": [None] * rows,
        "terms_given": [None] * rows,
        "duplicate_group": [None] * rows,
        "contradicts": [False] * rows,
        "in_test": [False] * rows,
        "near_duplicate_of": [None] * rows,
        "near_in_test": [False] * rows,
        "outlier": [None] * rows,
        "status": status.tolist(),
        "reason": [
            None if ok else problem or "no label given" for ok, problem in zip(scored, dataset.problems, strict=True)
        ],
        "true_label": [None] * rows,
        "is_flipped": [None] * rows,
    } | columns
    metadata = {
        "schema_version": SCHEMA_VERSION,
        "labelaudit_version": "0",
        "torch_version": "2",
        "python_version": "3",
        "platform": "somewhere",
        "device": "cpu",
        "source": {"path": dataset.source, "kind": dataset.kind, "notes": []},
        "test_source": None,
        "query": {"rows": "two-fold cross-audit", "what": "mean loss", "temperatures": [1.0]},
        "accuracy": {"overall": 0.9, "most_frequent": 0.5, "classes": dict.fromkeys(classes, 0.9)},
        "noise": learnt_nothing(doubt)
        if doubt
        else noise_of(0.05, 0.03, 0.08) | {"expected_precision": {"mean": 0.9, "low": None, "high": None}},
        "config": AuditConfig().model_dump(mode="json"),
        "training": {"epochs": 3},
        "model": "cnn",
        "input": "28×28 grey",
        "parameters": 1000,
        "tracked_parameters": 1000,
        "seed": 0,
        "dataset_fingerprint": "f" * 64,
        "classes": list(classes),
        "seconds": {"reading": 1.0, "audit": 2.5},
    }
    table = pa.table(values, schema=SCHEMA)
    metadata["spot_check"] = draw(table.to_pandas(), metadata["dataset_fingerprint"])
    return Report(table, metadata)


class Page(HTMLParser):
    """The elements of a page: their attributes, and the text in them."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._script = False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._script = tag == "script"
        if self._script:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._script = False

    def handle_data(self, data):
        if self._script:
            self.scripts[-1] += data
        else:
            self.texts.append(data.strip())

    def all(self, tag: str, **wanted: str):
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in wanted.items()}
        return [got for name, got in self.elements if name == tag and wanted.items() <= got.items()]

    @property
    def data(self):
        return json.loads(self.scripts[0])


def report_of_copies(labels, groups, in_test=(), near=None, near_in_test=()) -> tuple[Report, object]:
    """A report on texts, of which those of a group are said to be copies, and some `near` others."""
    dataset = texts_dataset(labels)
    codes = pd.Series(groups)
    different = pd.Series(labels).groupby(codes).transform("nunique").fillna(0) > 1
    columns = {
        "duplicate_group": [None if group is None else int(group) for group in groups],
        "contradicts": [bool(found) for found in different],
        "in_test": [row in in_test for row in range(len(labels))],
        "near_duplicate_of": near or [None] * len(labels),
        "near_in_test": [row in near_in_test for row in range(len(labels))],
    }
    return make_report(dataset, 0, **columns), dataset
