"""These tests need a CUDA GPU, and are skipped where there is none: `make gpu`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.data import digit_folders


@pytest.fixture(autouse=True)
def _gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> Path:
    """Some real digits of three classes, 24 each."""
    return digit_folders(tmp_path_factory.mktemp("digits"), "017", 24)
