"""The documentation names what is there: sections, pages, files; and CITATION.cff is valid."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable

import pytest
import typer
import yaml

import labelaudit
from labelaudit.cli.app import app
from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def validate(schema: str, *files: str) -> None:
    """Validate files of the repository against a schema that check-jsonschema brings along."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_docstrings_name_sections_of_the_method_page():
    sections = set(re.findall(r"^#+ (.+)$", (ROOT / "docs" / "method.md").read_text(encoding="utf-8"), re.MULTILINE))
    named = set()
    for path in (ROOT / "labelaudit").rglob("*.py"):
        named |= set(re.findall(r'docs/method\.md,\s+"([^"]+)"', path.read_text(encoding="utf-8")))
    assert len(named) >= 6
    assert named <= sections


def test_citation_is_valid_and_of_this_version():
    validate("citation-file-format", "CITATION.cff")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    (paper,) = citation["references"]
    assert paper["title"] in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


def test_workflows_and_forms_are_valid():
    github = ROOT / ".github"
    validate("github-workflows", *(str(path) for path in sorted(github.glob("workflows/*.yml"))))
    forms = [path for path in github.glob("ISSUE_TEMPLATE/*.yml") if path.name != "config.yml"]
    validate("github-issue-forms", *(str(path) for path in sorted(forms)))
    validate("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml")
    validate("dependabot", ".github/dependabot.yml")


def test_python_versions_are_the_same_everywhere():
    tested = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    matrix = tested["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert PROJECT["requires-python"] == f">={matrix[0]}"
    stated = [name.rsplit(" ", 1)[1] for name in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", name)]
    assert matrix == stated


def pages_of(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in pages_of(part)]


def test_every_page_is_in_the_navigation():
    site = re.sub(r"!!python/name:\S+", "''", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    named = pages_of(yaml.safe_load(site)["nav"])
    assert len(named) == len(set(named))
    made = {"commands.md"}  # by `make docs`
    assert set(named) - made == {path.name for path in (ROOT / "docs").glob("*.md")} - made


def test_the_reference_has_all_that_is_public():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^::: labelaudit\.(\w+)$", page, re.MULTILINE)) == set(labelaudit.__all__) - {"__version__"}


def public_functions() -> dict[str, Callable[..., object]]:
    public = {name: getattr(labelaudit, name) for name in labelaudit.__all__}
    return {name: value for name, value in public.items() if inspect.isfunction(value)}


@pytest.mark.parametrize("name", public_functions())
def test_public_functions_say_what_they_take_and_give(name):
    function = public_functions()[name]
    text = inspect.getdoc(function)
    sections = dict(re.findall(r"^(Args|Returns|Raises):\n((?:    .*\n?|\n)+)", text, re.MULTILINE))
    described = re.findall(r"^    (\w+): \S", sections["Args"], re.MULTILINE)
    assert described == list(inspect.signature(function).parameters)
    assert sections["Returns"].strip()


def test_the_reference_has_every_command_and_option():
    done = subprocess.run([sys.executable, "tools/commands_page.py"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sections = dict(re.findall(r"^## labelaudit (\S+)\n(.*?)(?=^## |\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    commands = typer.main.get_command(app).commands
    assert list(sections) == list(commands)
    for name, command in commands.items():
        options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        rows = re.findall(r"^\| `-.*$", sections[name], re.MULTILINE)
        assert {option for row in rows for option in re.findall(r"`(--[a-z-]+)`", row.split(" | ")[0])} == options
        for row in rows:
            assert len(re.findall(r"(?<!\\)\|", row)) == 4, row  # three cells, whatever the help says


def test_what_contributing_names_is_there():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:labelaudit|tests|docs|\.github)/[^`\s]*)`", page))
    assert len(paths) > 20
    assert not {path for path in paths if not (ROOT / path).exists()}
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 8
    assert not {name for name in named if f"def {name}(" not in tests}


def test_the_page_of_datasets_has_every_file_that_benchmarks_and_recipes_read():
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^- \*\*`([\w.*-]+)`\*\*", page, re.MULTILINE))
    sources = [*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "labelaudit" / "reproduction").glob("*.py")]
    sources += (ROOT / "recipes").glob("*.toml")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    made = {"photographs.parquet", "flipped.parquet", "rows.parquet", "report.parquet"}  # by the benchmarks themselves
    read = set(re.findall(r"\b[a-z0-9][\w-]*\.(?:parquet|npz|safetensors)\b", text)) - made
    assert read - listed == set()
    assert listed - read == {"emnist-letters-*"}


def test_what_the_architecture_names_is_there():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = ROOT / "labelaudit"
    paths = set(re.findall(r'[`"]((?:\w+/)+\w+\.py)', page))
    assert len(paths) > 10
    assert not {path for path in paths if not (package / path).exists()}
    rooms = dict(re.findall(r"^\| `(\w+)/` \|[^|]*\| ([^|]+) \|[^|]*\|$", page, re.MULTILINE))
    for room, files in rooms.items():
        assert all((package / room / name).exists() for name in re.findall(r"`(.+?)`", files)), room
    assert set(rooms) == {path.name for path in package.iterdir() if (path / "__init__.py").exists()}


def test_the_changelog_has_this_version_first():
    page = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(.+?)\] - (not released yet|\d{4}-\d\d-\d\d)$", page, re.MULTILINE)
    assert versions[0][0] == PROJECT["version"]
    assert all(date != "not released yet" for _, date in versions[1:])


def test_links_of_the_pages_beside_the_readme_lead_somewhere():
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"):
        for target in re.findall(r"\]\(([^)#]*)[^)]*\)", (ROOT / name).read_text(encoding="utf-8")):
            assert target.startswith("http") or (ROOT / target).exists(), (name, target)
