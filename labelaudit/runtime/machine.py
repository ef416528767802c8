"""The machine a run is on: device, precision and free memory."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import joblib
import torch
from threadpoolctl import threadpool_limits

from labelaudit.errors import InputError
from labelaudit.runtime.memory import LEAST_TO_COMPUTE, available_memory, require_address_space
from labelaudit.types import Dtype

SMALL_STEP = 10_000_000  # products in a forward pass, below which one thread does it
USABLE_FRACTION = 0.8  # of the free memory and disk; the rest is left to other programs

_threads: ContextVar[int | None] = ContextVar("threads before steps were settled", default=None)


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is the first GPU, or else the CPU.

    Raises:
        InputError: There is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda", "mps", "xpu"):  # meta tensors, for one, hold nothing
            raise RuntimeError("nothing can be computed on it")
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"`device` {name} is not available here: {str(error).splitlines()[0]}") from error
    return device


def choose_dtype(name: Dtype) -> torch.dtype:
    """Dtype of parameters, inputs and gradients; with bfloat16 only activations are of lower precision."""
    return torch.float64 if name == "float64" else torch.float32


def free_memory(device: torch.device) -> int:
    """Bytes that are free on the GPU, or in main memory."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()
    return int(free)


def memory_of_process(device: torch.device, local_size: int) -> int:
    """Bytes that a process may take: of its own GPU, or its part of the main memory."""
    return int(USABLE_FRACTION * free_memory(device) / (1 if device.type == "cuda" else local_size))


def free_disk(folder: Path) -> int:
    """Free bytes on the disk of a folder that may not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


@contextmanager
def reproducible() -> Iterator[None]:
    """Deterministic kernels where there are such, and full float32 products (central differences cannot bear TF32)."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        with warnings.catch_warnings():  # `require_determinism` says what there is to say
            warnings.filterwarnings("ignore", message=".*(deterministic implementation|non-deterministic algorithm)")
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


@contextmanager
def own_threads() -> Iterator[None]:
    """Keep NumPy's and SciPy's linear algebra to one thread, and leave torch's number of threads as it was in the end.

    Meanwhile torch has at most as many as there are processors for this process: in a container with a share of a large
    machine it would start one for each of the machine's, and all would wait for each other.

    Their threads wait for work by spinning, as torch's do, and take the processors from these: small matrices between
    torch's work made that take twice as long. What is large is done by torch.

    Raises:
        RunError: There is no memory for threads.
    """
    require_address_space(LEAST_TO_COMPUTE)
    threads = torch.get_num_threads()
    most = min(threads, joblib.cpu_count())
    before = _threads.set(most)
    torch.set_num_threads(most)
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        _threads.reset(before)
        torch.set_num_threads(threads)


def settle_threads(work: float) -> None:
    """Within `own_threads`, give torch one thread where a step is small.

    Several are no faster there, and wait for each other longer than they work, many times longer where another program
    keeps a processor busy. By the work alone, so that a run can be made again with the same bits.

    Args:
        work: Products of numbers in a step's forward pass; infinite where that is not known.
    """
    if work < SMALL_STEP:
        torch.set_num_threads(1)


@contextmanager
def threads_for(work: float) -> Iterator[None]:
    """Give torch all threads again for something large, whatever was settled for steps.

    Args:
        work: Products of numbers in it.
    """
    settled, most = torch.get_num_threads(), _threads.get()
    if work < SMALL_STEP or most is None or most == settled:
        yield
        return
    torch.set_num_threads(most)
    try:
        yield
    finally:
        torch.set_num_threads(settled)


def require_determinism(probe: Callable[[], object]) -> str | None:
    """Within `reproducible`, allow deterministic kernels only, if a probe can do with them.

    Attention on GPUs is deterministic only where nothing else is allowed.

    Returns:
        The operation that has no deterministic kernel; None if there is none such.
    """
    torch.use_deterministic_algorithms(True)
    try:
        probe()
    except RuntimeError as error:
        operation, found, _ = str(error).partition(" does not have a deterministic implementation")
        if not found:
            raise
        torch.use_deterministic_algorithms(True, warn_only=True)
        return operation
    return None
