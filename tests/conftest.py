"""Fixtures of the whole suite; plain helpers are in `tests.support`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from benchmarks.folders import DATA

# Before torch is imported: of several workers each has one thread, for theirs would wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Every run tries the same examples; how long one takes depends on the machine, and says nothing.
settings.register_profile("suite", derandomize=True, deadline=None, database=None)
settings.load_profile("suite")


@pytest.fixture
def dataset_file() -> Callable[[str], Path]:
    """Find a file of the real data (docs/datasets.md), or skip the test, saying so."""

    def find(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            pytest.skip(f"needs {name}, expected at {path} (docs/datasets.md)")
        return path

    return find
