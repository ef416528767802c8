"""How this process was started and how its threads wait: what has to be known before torch is imported."""

from __future__ import annotations

import os


def launched() -> bool:
    """Whether this process is one of several that torchrun, or one like it, started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def message_prefix() -> str:
    """How a process begins a message of its own, if it is not the one that prints."""
    return "" if is_leader() else f"process {os.environ['RANK']}: "


def is_leader() -> bool:
    """Whether this process is the one of them that prints and writes."""
    return not launched() or os.environ["RANK"] == "0"


def set_environment() -> None:
    """Set what libraries read from the environment when torch is imported; what the user has set stays.

    Idle worker threads sleep instead of spin: on a busy machine spinning makes a run several times slower. Products on
    GPUs are deterministic: cuBLAS gives the same bits again only with workspaces of a fixed size.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
