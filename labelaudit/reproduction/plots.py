"""Pictures of influence over training, drawn without pyplot: no window, no global state (paper V-B, Figure 1)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from labelaudit.influence.dynamics import Patterns
from labelaudit.runtime.files import write_atomically

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's, which colour-blind people can tell apart."""

DASHES = ("-", "--", "-.", ":")
GREY = "#666666"  # of what is usual
LONGEST_NAME = 30

Entry = tuple[str, Artist]  # of a legend


def plot_patterns(patterns: Patterns, title: str) -> Figure:
    """The centroid of each pattern over the epochs; the legend says how many of the samples have it."""
    figure, axes = _axes(title, "Standardised influence")
    epochs = np.arange(1, patterns.centroids.shape[1] + 1)
    entries: list[Entry] = []
    for name, share, centroid, colour, dash in zip(
        patterns.names, patterns.share, patterns.centroids, (GREY, *COLOURS), ("-", *DASHES), strict=False
    ):
        (line,) = axes.plot(epochs, centroid, color=colour, linestyle=dash, linewidth=2)
        entries.append((f"{name} ({share:.1f} %)", line))
    _add_legend(figure, entries)
    return figure


def plot_influence_over_epochs(influence: NDArray[np.float64], highlighted: Mapping[int, str], title: str) -> Figure:
    """Median and 5–95 % band of the influence of all samples, and some samples by name.

    Args:
        influence: Influence of each sample at each epoch, shape (N, E).
        highlighted: The name under which a row of `influence` is drawn; of long names, the end is shown.
        title: Title of the figure.
    """
    figure, axes = _axes(title, "Influence")
    epochs = np.arange(1, influence.shape[1] + 1)
    low, median, high = np.quantile(influence, [0.05, 0.5, 0.95], axis=0)
    band = axes.fill_between(epochs, low, high, color=GREY, alpha=0.25, linewidth=0)
    (line,) = axes.plot(epochs, median, color=GREY, linewidth=2)
    entries: list[Entry] = [("5–95 % of samples", band), ("median", line)]
    for (row, name), colour, dash in zip(highlighted.items(), cycle(COLOURS), cycle(DASHES), strict=False):
        (line,) = axes.plot(epochs, influence[row], color=colour, linestyle=dash, linewidth=1.5)
        entries.append((name, line))
    _add_legend(figure, entries)
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG file, whole or not at all."""
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", dpi=150))


def _axes(title: str, quantity: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontweight="bold", parse_math=False)
    axes.set_xlabel("Epoch")
    axes.set_ylabel(quantity)
    axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.axhline(0, color="black", linewidth=0.5)
    return figure, axes


def _add_legend(figure: Figure, entries: list[Entry]) -> None:
    """Put it beside the axes, where it hides no line; names are shown as they are, whatever signs they hold."""
    names = [name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}" for name, _ in entries]
    legend = figure.legend([line for _, line in entries], names, loc="outside right upper", frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
