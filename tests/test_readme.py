"""What the README says to type works."""

from __future__ import annotations

import re

import pytest
from torch.distributed.run import get_args_parser
from typer.testing import CliRunner

from labelaudit.cli.app import app
from tests.support.paths import ROOT, SAMPLE


def python_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_python_page_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "sample_data").symlink_to(SAMPLE)
    monkeypatch.chdir(tmp_path)
    first, *others = python_blocks("python.md")
    exec(first, {})
    assert {file.name for file in tmp_path.iterdir()} == {"sample_data", "report.parquet", "report.html"}
    assert len(others) == 2
    for example in others:
        exec(example, {})
    *_, refused = capsys.readouterr().out.splitlines()
    assert f"print(error)  # {refused}" in others[-1]


def test_links_between_the_pages_lead_somewhere():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]*)[^)]*\)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or not target or (page.parent / target).exists(), (page.name, target)


def test_every_option_the_pages_name_exists():
    help_text = "".join(
        CliRunner().invoke(app, [command, page], env={"COLUMNS": "300"}).stdout
        for command in ("scan", "flip-test", "baseline", "check", "apply", "refine", "report", "reproduce")
        for page in ("--help", "--help-all")
    )
    known = set(re.findall(r"--[a-z][a-z-]+", help_text))
    torchrun = {name for action in get_args_parser()._actions for name in action.option_strings}
    slurm = {"--nodes", "--ntasks-per-node", "--gpus-per-node", "--cpus-per-task", "--requeue"}
    elsewhere = {"--data", "--weights", "--only", "--version"} | torchrun | slurm  # of benchmarks and other programs
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text(encoding="utf-8")))
        assert named <= known | elsewhere, page.name


def test_the_research_example_prints_what_it_says(capsys):
    blocks = python_blocks("research.md")
    (example,) = [block for block in blocks if "track(" in block]
    exec(example, {})
    first, ours, baseline = capsys.readouterr().out.splitlines()
    said = re.findall(r"  # (.*=.*|tensor.*)", example)
    assert first == said[0]
    for line, promised in zip((ours, baseline), said[1:], strict=True):
        figures = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", line)}
        said_figures = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", promised)}
        assert figures == pytest.approx(said_figures, abs=2e-3)
