"""The report's figures: what is drawn, in the coordinates of an SVG; the template only writes it down."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 40  # margins
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

BINS = 20
CURVE_POINTS = 400
MATRIX_CLASSES = 15  # more make a table of pairs, not a matrix
PAIRS = 30
HEATS = 5
WORST = 4
CLASSES = 300


@dataclass(frozen=True)
class Bar:
    """Rows whose score is in [low, high), and those of them that are suspects."""

    low: float
    high: float
    rows: int
    suspects: int
    x: float
    width: float
    height: float
    suspects_height: float


@dataclass(frozen=True)
class Histogram:
    """How the scores are distributed; heights are logarithmic, for most rows lie near 0."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]  # y, rows


@dataclass(frozen=True)
class Curve:
    """Precision and recall of the ranking at every cut.

    Attributes:
        recall: Recall at each point, ascending.
        precision: Precision there.
        average: Average precision.
        chance: Precision of a random order.
        path: The curve, as an SVG polyline's points.
        suspects: (recall, precision) of the list of suspects, None if it is empty.
    """

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    average: float
    chance: float
    path: str
    suspects: tuple[float, float] | None

    @staticmethod
    def x(recall: float) -> float:
        """Where a recall is."""
        return LEFT + PLOT_WIDTH * recall

    @staticmethod
    def y(precision: float) -> float:
        """Where a precision is."""
        return TOP + PLOT_HEIGHT * (1 - precision)


@dataclass(frozen=True)
class Cell:
    """Suspects of one given and one suggested class; heat goes from 0 to `HEATS`."""

    given: str
    suggested: str
    rows: int
    heat: int


@dataclass(frozen=True)
class ClassSummary:
    """What was found in a class."""

    name: str
    rows: int
    suspects: int
    accuracy: float | None
    wrong_share: float | None
    known_wrong: int | None
    worst: tuple[tuple[int, str], ...]  # row, id


def score_histogram(frame: pd.DataFrame) -> Histogram | None:
    """The distribution of the scores; None if no row has one."""
    scored = frame[frame["score"].notna()]
    if scored.empty:
        return None
    edges = np.linspace(0, 1, BINS + 1)
    everyone, _ = np.histogram(scored["score"], edges)
    suspects, _ = np.histogram(scored.loc[scored["suspect"], "score"], edges)
    top = math.ceil(math.log10(max(everyone.max(), 9) + 1))

    def height(rows: int) -> float:
        # A tenth below one row, so that a single row is seen.
        return 0.0 if rows == 0 else PLOT_HEIGHT * (math.log10(rows) + 0.1) / (top + 0.1)

    bars = [
        Bar(low, high, int(n), int(s), LEFT + PLOT_WIDTH * low + 1, PLOT_WIDTH / BINS - 2, height(n), height(s))
        for low, high, n, s in zip(edges, edges[1:], everyone, suspects, strict=False)
    ]
    ticks = [(HEIGHT - BOTTOM - height(10**power), f"{10**power:,}") for power in range(top + 1)]
    return Histogram(tuple(bars), tuple(ticks))


def precision_recall(frame: pd.DataFrame, rank_by: str) -> Curve | None:
    """How well the ranking finds the wrong labels; None where the truth is not known, or only of one kind.

    Args:
        frame: The report's rows.
        rank_by: `score` or `influence`, what the rows are ranked by.
    """
    known = frame[frame["is_flipped"].notna() & frame["rank"].notna()]
    wrong = known["is_flipped"].astype(bool).to_numpy()
    if not wrong.any() or wrong.all():
        return None
    suspicion = (known["score"] if rank_by == "score" else -known["influence"]).to_numpy(dtype=np.float64)
    precision, recall, _ = precision_recall_curve(wrong, suspicion, drop_intermediate=True)
    precision, recall = precision[::-1], recall[::-1]
    complete = int(np.argmax(recall == 1))  # beyond it, only precision is lost
    drawn = np.unique(np.linspace(0, complete, CURVE_POINTS).round().astype(int))
    path = " ".join(f"{Curve.x(recall[i]):.1f},{Curve.y(precision[i]):.1f}" for i in drawn)
    suspect = known["suspect"].to_numpy(dtype=bool)
    caught = (suspect & wrong).sum()
    point = (float(caught / wrong.sum()), float(caught / suspect.sum())) if suspect.any() else None
    average = float(average_precision_score(wrong, suspicion))
    return Curve(recall, precision, average, float(wrong.mean()), path, point)


def confusion_pairs(frame: pd.DataFrame) -> list[Cell]:
    """Suspects by given and suggested class, the most frequent pair first."""
    suspects = frame[frame["suspect"] & frame["suggested_label"].notna()]
    counts = Counter(zip(suspects["label"], suspects["suggested_label"], strict=True))
    most = max(counts.values(), default=1)
    return [
        Cell(given, suggested, rows, math.ceil(HEATS * rows / most))
        for (given, suggested), rows in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def confusion_matrix(pairs: Sequence[Cell], classes: Sequence[str]) -> list[list[Cell]] | None:
    """The pairs as a square, given × suggested; None if there are too many classes for one."""
    if len(classes) > MATRIX_CLASSES:
        return None
    found = {(cell.given, cell.suggested): cell for cell in pairs}
    return [[found.get((given, suggested), Cell(given, suggested, 0, 0)) for suggested in classes] for given in classes]


def class_summaries(frame: pd.DataFrame, accuracy: Mapping[str, float | None], reliable: bool) -> list[ClassSummary]:
    """Each class, that with the most suspects first.

    The share of wrong labels is the mean score: scores are probabilities, made to add up to the estimate.

    Args:
        frame: The report's rows.
        accuracy: Of the networks on rows of each class that they were not trained on.
        reliable: Whether the scores can be trusted to be that.
    """
    labelled = frame[frame["label"].notna()].sort_values("rank", kind="stable")  # unranked rows come last
    truth = bool(labelled["is_flipped"].notna().any())
    summaries = []
    for name, rows in labelled.groupby("label"):
        worst = rows.head(WORST)
        worst = worst[worst["rank"].notna()]
        mean = rows["score"].mean()
        summaries.append(
            ClassSummary(
                name=str(name),
                rows=len(rows),
                suspects=int(rows["suspect"].sum()),
                accuracy=accuracy.get(str(name)),
                wrong_share=float(mean) if reliable and not math.isnan(mean) else None,
                known_wrong=int(rows["is_flipped"].eq(True).sum()) if truth else None,
                worst=tuple((int(row), str(identity)) for row, identity in zip(worst["row"], worst["id"], strict=True)),
            )
        )
    return sorted(summaries, key=lambda summary: (-summary.suspects, -(summary.wrong_share or 0), summary.name))
