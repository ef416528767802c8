"""What a stored report must be before anything relies on it, whoever wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labelaudit.config import AuditConfig, TrainingConfig
from labelaudit.data.copies import contradicting
from labelaudit.data.dataset import NO_LABEL
from labelaudit.detection.share import Basis, Verdict
from labelaudit.report.schema import SCHEMA_VERSION

STATUSES = ("scored", "reviewed", "unreadable", "unlabelled", "unscorable", "query")

SCORED = ("scored", "reviewed")
"""Of rows that have a score; that of a reviewed one is what the reviewer found."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False, protected_namespaces=())


class _Source(_Part):
    path: str
    kind: str
    notes: list[str]


class _Query(_Part):
    rows: str
    what: str
    temperatures: list[float]


class _Pair(_Part):
    given: str
    true: str
    rows: float
    interval: Annotated[list[float], Field(min_length=2, max_length=2)]


class _Expected(_Part):
    mean: float = Field(ge=0, le=1)
    low: float | None
    high: float | None


class _Noise(_Part):
    verdict: Verdict
    rate: float | None
    rate_low: float = Field(ge=0, le=1)
    rate_high: float = Field(ge=0, le=1)
    seen: float
    disagreeing: float
    gain: float
    basis: Basis
    pairs: list[_Pair]
    expected_precision: _Expected | None
    doubt: str | None


class _Accuracy(_Part):
    overall: float = Field(ge=0, le=1)
    most_frequent: float = Field(ge=0, le=1)
    classes: dict[str, float | None]
    advice: str | None = None


class _Images(_Part):
    grayscale: bool
    side: int = Field(ge=1, le=1_000_000)


class _Flips(_Part):
    rate: float | None
    noise: str | None
    known: str | None


class _Refined(_Part):
    decisions: int
    wrong: int
    before: dict[str, Any]


class _Reviewed(_Part):
    right: int
    wrong: int


class _Stratum(_Part):
    name: str
    rows: int = Field(ge=0)
    first: int = Field(ge=0)
    drawn: list[int]


class _Metadata(_Part):
    labelaudit_version: str
    torch_version: str
    python_version: str
    platform: str
    device: str
    source: _Source
    test_source: str | None
    query: _Query
    accuracy: _Accuracy
    noise: _Noise
    config: dict[str, Any]
    training: dict[str, Any]
    model: str
    input: str
    parameters: int
    tracked_parameters: int
    seed: int
    dataset_fingerprint: str
    classes: list[str] = Field(min_length=1)
    seconds: dict[str, float]
    images: _Images | None = None
    alike_by_chance: bool = False
    other_splits: list[str] = []
    flips: _Flips | None = None
    refined: _Refined | None = None
    reviewed: _Reviewed | None = None
    spot_check: Annotated[list[_Stratum], Field(max_length=3)] = []


def read_metadata(stored: bytes) -> dict[str, Any]:
    """The metadata of a report.

    Raises:
        ValueError: It is no JSON object, of another version, or lacks something; the message says what.
    """
    try:
        metadata = json.loads(stored, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("its metadata is nested too deep") from error
    except ValueError as error:
        raise ValueError(f"its metadata is not valid JSON ({error})") from error
    if not isinstance(metadata, dict):
        raise ValueError("its metadata is not a JSON object")
    if metadata.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(
            f"it has report schema {str(metadata.get('schema_version'))[:20]}, this labelaudit reads {SCHEMA_VERSION}"
        )
    try:
        _Metadata.model_validate(metadata)
    except ValidationError as error:
        raise ValueError(f"its metadata is not that of a report ({_first(error)})") from error
    try:
        AuditConfig.model_validate(metadata["config"])
        TrainingConfig.model_validate(metadata["training"])
    except ValidationError as error:
        raise ValueError(f"its settings are unknown ({_first(error)}): it was made by another version") from error
    return metadata


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg'].lower()}"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def check_table(table: pa.Table, classes: list[str]) -> None:
    """Make sure that the rows of a report say what such rows can say.

    Raises:
        ValueError: They do not; the message names the column.
    """
    for column, is_right in _checks(table, classes):
        if not is_right:
            raise ValueError(f"its column {column!r} holds values that no report has")


def _checks(table: pa.Table, classes: list[str]) -> Iterator[tuple[str, bool]]:
    rows = table.num_rows
    ranked = table["rank"].is_valid()
    yield "id", table["id"].null_count == 0 and pc.count_distinct(table["id"]).as_py() == rows
    yield "row", table["row"].null_count == 0 and bool((table["row"].to_numpy() == np.arange(rows)).all())
    yield "content_hash", _all(pc.match_substring_regex(table["content_hash"], "^[0-9a-f]{64}$"))
    for name in ("label", "suggested_label", "true_label"):
        yield name, _all(pc.is_in(table[name].drop_null(), pa.array(classes, pa.string())))
    yield "rank", _is_ranking(table["rank"].drop_null().to_numpy())
    for name in ("influence", "score", "loss", "p_label", "p_suggested", "outlier"):
        yield name, _all(pc.is_finite(table[name]))
    for name in ("score", "p_label", "p_suggested", "outlier"):
        yield name, _all(pc.and_(pc.greater_equal(table[name], 0), pc.less_equal(table[name], 1)))
    yield "score", bool(table["score"].is_valid().equals(ranked))
    for name in ("influence", "loss"):  # of all scored rows, or of none where nothing was trained
        valid = table[name].is_valid()
        yield name, bool(valid.equals(ranked)) or not pc.any(valid).as_py()
    yield "suspect", table["suspect"].null_count == 0 and _all(pc.or_(pc.invert(table["suspect"]), ranked))
    yield "influence_by_epoch", _all(pc.is_finite(pc.list_flatten(table["influence_by_epoch"])))
    for name in ("similar", "similar_given"):
        yield name, _are_rows(pc.list_flatten(table[name]), rows)
    for name in ("terms_suggested", "terms_given"):
        yield name, pc.list_flatten(table[name]).null_count == 0
    groups = table["duplicate_group"].fill_null(-1).to_numpy()
    yield "duplicate_group", _are_groups(groups, table["duplicate_group"].null_count)
    labels = pc.index_in(table["label"], pa.array(classes, pa.string())).fill_null(NO_LABEL).to_numpy()
    yield "contradicts", bool((table["contradicts"].to_numpy() == contradicting(groups, labels)).all())
    for name in ("in_test", "near_in_test"):
        yield name, table[name].null_count == 0
    near = table["near_duplicate_of"]
    yield "near_duplicate_of", _are_rows(near.drop_null(), rows) and not pc.any(pc.equal(near, table["row"])).as_py()
    yield "status", table["status"].null_count == 0 and _all(pc.is_in(table["status"], pa.array(STATUSES)))
    yield "status", bool(pc.is_in(table["status"], pa.array(SCORED)).equals(ranked))


def _all(answers: pa.ChunkedArray) -> bool:
    """Whether all are true; null stands for no value, of which nothing is asked."""
    return pc.all(answers, min_count=0).as_py() is not False


def _is_ranking(ranks: np.ndarray[Any, np.dtype[np.int64]]) -> bool:
    return bool((np.sort(ranks) == np.arange(1, len(ranks) + 1)).all())


def _are_groups(groups: np.ndarray[Any, np.dtype[np.int64]], alone: int) -> bool:
    """Whether all but so many are numbered from 0, and each group has two rows or more."""
    if len(groups) == 0 or groups.min() < -1 or groups.max() >= len(groups):
        return len(groups) == 0
    counts = np.bincount(groups + 1)
    return bool(counts[0] == alone and (counts[1:] > 1).all())


def _are_rows(numbers: pa.ChunkedArray, rows: int) -> bool:
    return numbers.null_count == 0 and _all(pc.and_(pc.greater_equal(numbers, 0), pc.less(numbers, rows)))
