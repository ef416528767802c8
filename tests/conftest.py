"""Fixtures of the whole suite; plain helpers are in `tests.support`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.paths import SHARED

# Every run tries the same examples; how long one takes depends on the machine, and says nothing.
settings.register_profile("suite", derandomize=True, deadline=None, database=None)
settings.load_profile("suite")


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Find a file of the shared data, or skip the test, saying so."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"needs {name}, expected at {path}")
        return path

    return find
