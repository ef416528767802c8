from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from labelaudit.influence.dynamics import classify_patterns
from labelaudit.reproduction.plots import plot_influence_over_epochs, plot_patterns, save_png

INFLUENCE = np.random.default_rng(0).normal(size=(101, 6))


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_patterns_are_drawn_with_their_shares():
    patterns = classify_patterns(INFLUENCE, significance=0)  # nothing is significant
    figure = plot_patterns(patterns, "Patterns")
    stable, fluctuating = patterns.share[[0, 3]]
    assert legend(figure) == [
        f"stable ({stable:.1f} %)",
        "early (0.0 %)",
        "late (0.0 %)",
        f"fluctuating ({fluctuating:.1f} %)",
    ]
    lines = figure.axes[0].get_lines()[1:]  # the first is zero
    assert figure.axes[0].get_title("left") == "Patterns"
    assert lines[0].get_xdata().tolist() == [1, 2, 3, 4, 5, 6]
    for line, centroid in zip(lines, patterns.centroids, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), centroid)
    assert len({line.get_color() for line in lines}) == 4


def test_influence_is_drawn_with_the_highlighted_rows():
    names = {7: "a.png", 3: "_costs $5 or $x^{.png", 5: "a.png", 8: "folder/" * 20 + "b.png"}
    figure = plot_influence_over_epochs(INFLUENCE, names, "1 $ or $^")
    assert legend(figure)[:5] == ["5–95 % of samples", "median", "a.png", "_costs $5 or $x^{.png", "a.png"]
    assert legend(figure)[5].startswith("…")
    assert legend(figure)[5].endswith("folder/b.png")
    _, median, *lines = figure.axes[0].get_lines()
    ordered = np.sort(INFLUENCE, axis=0)
    assert median.get_ydata() == pytest.approx(ordered[50])
    (band,) = figure.axes[0].collections
    corners = band.get_paths()[0].vertices
    for epoch in range(6):
        heights = corners[corners[:, 0] == epoch + 1, 1]
        assert (heights.min(), heights.max()) == pytest.approx((ordered[5, epoch], ordered[95, epoch]))
    for row, line in zip(names, lines, strict=True):
        assert line.get_ydata().tolist() == INFLUENCE[row].tolist()
    figure.draw_without_rendering()  # signs of formulas are no formulas


def test_many_highlighted_rows_can_be_told_apart():
    figure = plot_influence_over_epochs(INFLUENCE, {row: f"row {row}" for row in range(12)}, "")
    lines = figure.axes[0].get_lines()[2:]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 12


def test_png_replaces_a_file(tmp_path):
    path = tmp_path / "plot.png"
    path.write_text("old")
    save_png(plot_influence_over_epochs(INFLUENCE, {}, "All"), path)
    with Image.open(path) as image:
        assert (image.format, image.size) == ("PNG", (1200, 675))
    assert [file.name for file in tmp_path.iterdir()] == ["plot.png"]
