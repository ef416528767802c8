"""The layout of the package: how long files and functions may be, and how few modules stand at its top.

What a room may import is import-linter's contract in pyproject.toml.
"""

from __future__ import annotations

import ast

from tests.support.paths import ROOT

PACKAGE = ROOT / "labelaudit"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FUNCTION, LONGEST_FILE, MOST_TOP_LEVEL_MODULES = 80, 350, 8


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
