"""Influence over the epochs, drawn: all rows as a band, the first suspects as lines, and a small line on each card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelaudit.report.figures import LEFT, PLOT_HEIGHT, PLOT_WIDTH, TOP

LINES = 5  # suspects by name
TICKS = 10  # epochs with a number below
SPARK_WIDTH, SPARK_HEIGHT = 84, 22
BAND = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Line:
    """One row's influence in each epoch, as an SVG polyline's points."""

    row: int
    id: str
    points: str


@dataclass(frozen=True)
class Epochs:
    """Influence over the epochs.

    Attributes:
        band: From the 5th to the 95th percentile of all scored rows, as an SVG polygon's points.
        median: Their median, as an SVG polyline's points.
        lines: The first rows by rank.
        x_ticks: x and number of epochs.
        y_ticks: y and influence, in units of `unit`.
        unit: The power of ten the numbers are multiples of, as text.
        zero: y of no influence.
    """

    band: str
    median: str
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, int], ...]
    y_ticks: tuple[tuple[float, str], ...]
    unit: str
    zero: float


def influence_over_epochs(frame: pd.DataFrame) -> Epochs | None:
    """Draw the report's `influence_by_epoch`; None where there is none, or only one epoch.

    Rows with an influence that is no number are left out.
    """
    ranked = frame[frame["rank"].notna()].sort_values("rank")
    if ranked.empty or ranked["influence_by_epoch"].isna().any():
        return None
    values = np.array(ranked["influence_by_epoch"].tolist())
    epochs, finite = values.shape[1], np.isfinite(values).all(axis=1)
    if epochs < 2 or not finite.any():
        return None
    ranked, values = ranked[finite], values[finite]
    low, median, high = np.quantile(values, BAND, axis=0)
    shown = np.concatenate([values[:LINES].ravel(), low, high, [0.0]])
    bottom, top = shown.min(), shown.max()
    power = math.floor(math.log10(max(-bottom, top))) if top > bottom else 0
    xs = LEFT + PLOT_WIDTH * np.arange(epochs) / (epochs - 1)

    def y(influence: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return np.asarray(TOP + PLOT_HEIGHT * (top - influence) / (top - bottom or 1))

    def points(line: NDArray[np.float64], at: NDArray[np.float64] = xs) -> str:
        return _points(at, y(line))

    every = math.ceil(epochs / TICKS)
    return Epochs(
        band=points(np.concatenate([low, high[::-1]]), np.concatenate([xs, xs[::-1]])),
        median=points(median),
        lines=tuple(
            Line(int(row), str(identity), points(line))
            for row, identity, line in zip(ranked["row"], ranked["id"], values[:LINES], strict=False)
        ),
        x_ticks=tuple((float(xs[epoch]), epoch + 1) for epoch in range(0, epochs, every)),
        y_ticks=tuple(
            (float(y(value)), f"{value / 10**power:.1f}".replace("-", "−") if value else "0")
            for value in dict.fromkeys((float(bottom), 0.0, float(top)))
        ),
        unit="1" if power == 0 else f"1e{power}".replace("-", "−"),
        zero=float(y(0.0)),
    )


def spark(values: Sequence[float] | None) -> tuple[str, float] | None:
    """A row's influence over the epochs as a small line: its points, and y of no influence; None if there is none."""
    if values is None or len(values) < 2 or not np.isfinite(values).all():
        return None
    line = np.array(values)
    top, bottom = max(0.0, line.max()), min(0.0, line.min())
    scale = (SPARK_HEIGHT - 4) / (top - bottom or 1)
    xs = 2 + (SPARK_WIDTH - 4) * np.arange(len(line)) / (len(line) - 1)
    return _points(xs, 2 + scale * (top - line)), float(2 + scale * top)


def _points(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
