"""How a figure came about."""

from __future__ import annotations

import platform
from datetime import date

import torch


def measured(seeds: int) -> str:
    """When, over how many seeds and on what, in one thread."""
    return f"{date.today().isoformat()}, {seeds} seeds, {platform.machine()}, 1 thread, torch {torch.__version__}"
