"""What a report says of the whole dataset, as objects: how well labels are predicted, how many of them are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from labelaudit.detection.share import Basis, Verdict

SHARE_FIGURES = ("verdict", "rate", "rate_low", "rate_high", "seen", "disagreeing", "gain", "basis")


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
        low: Lower end of its interval by decisions on rows; None without any.
        high: Upper end, likewise.
    """

    mean: float
    low: float | None
    high: float | None


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
        verdict: Whether wrong labels were measured, none were seen, or it cannot be told.
        rate: Share of wrong labels, in [0, 1]; None if it cannot be told.
        rate_low: Lower end of its range (90%; of decisions 95%): what contradicts confident predictions.
        rate_high: Upper end: at most every label that the network does not predict.
        seen: The share that contradicts confident predictions, as it was found.
        disagreeing: The share that the network does not predict.
        gain: Nats by which wrong labels explain what is seen better than none.
        basis: What the range rests on: networks that were not trained on the rows ("out of fold"; of texts also "weaker
            view", by the second encoding, or "learnt rules" where that sees clearly more wrong labels), networks that
            were ("in sample": it has no upper end), decisions on some of them, or on all rows of the "spot check".
        pairs: Classes mistaken for each other, the most frequent first.
        expected_precision: How many of the suspects are expected to be wrong; None without suspects.
        doubt: Why the ranking is not to be relied on; None if it is.
    """

    verdict: Verdict
    rate: float | None
    rate_low: float
    rate_high: float
    seen: float
    disagreeing: float
    gain: float
    basis: Basis
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
    expected = stored["expected_precision"]
    return NoiseEstimate(
        **{name: stored[name] for name in SHARE_FIGURES},
        pairs=tuple(
            ConfusedPair(pair["given"], pair["true"], pair["rows"], (pair["interval"][0], pair["interval"][1]))
            for pair in stored["pairs"]
        ),
        expected_precision=None
        if expected is None
        else ExpectedPrecision(expected["mean"], expected["low"], expected["high"]),
        doubt=stored["doubt"],
    )
