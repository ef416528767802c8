"""Whether torchrun started this process, for those who need not wait for torch to be imported."""

from __future__ import annotations

import os


def launched() -> bool:
    """Whether this process is one of several that torchrun, or one like it, started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def speaker() -> str:
    """How a process begins a message of its own, if it is not the one that prints."""
    return "" if leads() else f"process {os.environ['RANK']}: "


def leads() -> bool:
    """Whether this process is the one of them that prints and writes."""
    return not launched() or os.environ["RANK"] == "0"
