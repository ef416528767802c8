"""What the README says to type works."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT


def test_the_research_example_prints_what_it_says(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    (example,) = [block for block in blocks if "track(" in block]
    exec(example, {})
    first, ours, baseline = capsys.readouterr().out.splitlines()
    said = re.findall(r"  # (.*=.*|tensor.*)", example)
    assert first == said[0]
    for line, promised in zip((ours, baseline), said[1:], strict=True):
        figures = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", line)}
        said_figures = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", promised)}
        assert figures == pytest.approx(said_figures, abs=2e-3)
