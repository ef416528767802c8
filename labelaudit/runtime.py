"""The machine a run is on: device, precision and free memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from labelaudit.config import Dtype
from labelaudit.errors import InputError

SHARE_OF_FREE = 0.8  # of memory and disk: others use the machine, too


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is the first GPU, or else the CPU.

    Raises:
        InputError: There is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {name} is not available here: {str(error).splitlines()[0]}") from error
    return device


def choose_dtype(name: Dtype) -> torch.dtype:
    """The floating-point type of parameters, inputs and gradients; that of what is computed may be smaller."""
    return torch.float64 if name == "float64" else torch.float32


def free_memory(device: torch.device) -> int:
    """Bytes that are free on the GPU, or in main memory."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return int(free)


def memory_of_process(device: torch.device, neighbours: int) -> int:
    """Bytes that each of some processes on this machine may take, of the GPU it has for itself, or of main memory."""
    return int(SHARE_OF_FREE * free_memory(device) / (1 if device.type == "cuda" else neighbours))


def free_disk(folder: Path) -> int:
    """Bytes that are free where a folder is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


@contextmanager
def reproducible() -> Iterator[None]:
    """Deterministic kernels and full float32 products (no TF32, which central differences cannot bear)."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn
