"""The layout of the package: what a room may import, and how long files and functions may be (docs/architecture.md)."""

from __future__ import annotations

import ast

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "labelaudit"
FILES = sorted(PACKAGE.rglob("*.py"))
ORDER = [  # each room may import itself and those before it
    {"config", "errors", "progress", "settings", "types", "units", "runtime"},
    {"data"},
    {"models"},
    {"training"},
    {"influence"},
    {"detection"},
    {"audit"},
    {"report"},
    {"checking", "correction"},
    {"commands"},
    {"reproduction"},
    {"cli", "__main__", "__init__"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
LONGEST_FUNCTION, LONGEST_FILE, MOST_TOP_LEVEL_MODULES = 80, 350, 8


def room_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imported_rooms(path):
    """The rooms that a file imports when it runs; imports for type checkers do not count."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name and name.startswith("labelaudit."):
                yield name.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_the_rooms_before_it(path):
    room = room_of(path)
    above = {other for other in imported_rooms(path) if LEVEL[other] > LEVEL[room]}
    assert not above, f"{room} imports {above}"


def test_files_and_functions_fit_in_a_head():
    for path in FILES:
        text = path.read_text()
        assert len(text.splitlines()) <= LONGEST_FILE, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= LONGEST_FUNCTION, f"{path}: {node.name} has {length} lines"


def test_few_modules_stand_at_the_top():
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_TOP_LEVEL_MODULES
