"""What a report says of the whole dataset, as objects: how well labels are predicted, how many of them are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Accuracy:
    """How often networks agree with the labels of rows that they were not trained on.

    Attributes:
        overall: Share of the rows, in [0, 1].
        most_frequent: The share that always naming the most frequent class would reach.
        classes: The share in each given class; None for a class without a row.
        advice: What to do about a network that predicts little; None if it does well enough, or nothing is known.
    """

    overall: float
    most_frequent: float
    classes: Mapping[str, float | None]
    advice: str | None = None


@dataclass(frozen=True)
class ExpectedPrecision:
    """The share of the suspects that are expected to be wrong, in [0, 1].

    Attributes:
        mean: The expectation.
        low: Lower end of its interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class ConfusedPair:
    """Rows of one class that are called another.

    Attributes:
        given: The class they are labelled.
        true: The class they are.
        rows: How many are expected.
        interval: The least and the most.
    """

    given: str
    true: str
    rows: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class NoiseEstimate:
    """How many labels are estimated to be wrong, and how.

    Attributes:
        rate: Share of wrong labels, in [0, 1]; None if it cannot be told (`doubt`).
        rate_interval: Its interval, likewise.
        pairs: Classes mistaken for each other, the most frequent first.
        expected_precision: How many of the suspects are expected to be wrong; None without suspects.
        doubt: Why the ranking is not to be relied on; None if it is.
    """

    rate: float | None
    rate_interval: tuple[float, float] | None
    pairs: tuple[ConfusedPair, ...]
    expected_precision: ExpectedPrecision | None
    doubt: str | None


def accuracy_of(metadata: Mapping[str, Any]) -> Accuracy:
    """The accuracy in a report's metadata."""
    stored = metadata["accuracy"]
    return Accuracy(
        stored["overall"], stored["most_frequent"], MappingProxyType(stored["classes"]), stored.get("advice")
    )


def noise_of(metadata: Mapping[str, Any]) -> NoiseEstimate:
    """The estimated noise in a report's metadata."""
    stored = metadata["noise"]
    interval, expected = stored["rate_interval"], stored["expected_precision"]
    return NoiseEstimate(
        rate=stored["rate"],
        rate_interval=None if interval is None else (interval[0], interval[1]),
        pairs=tuple(
            ConfusedPair(pair["given"], pair["true"], pair["rows"], (pair["interval"][0], pair["interval"][1]))
            for pair in stored["pairs"]
        ),
        expected_precision=None
        if expected is None
        else ExpectedPrecision(expected["mean"], expected["low"], expected["high"]),
        doubt=stored["doubt"],
    )
