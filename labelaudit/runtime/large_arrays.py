"""Arrays of rows × classes: float32 where they are large, in files where memory is short, gone through in blocks."""

from __future__ import annotations

import mmap
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from labelaudit.errors import RunError
from labelaudit.runtime.files import reserve
from labelaudit.runtime.memory import available_memory
from labelaudit.types import Floats, Rows
from labelaudit.units import format_bytes

DOUBLE_CELLS = 1 << 24  # numbers up to which an array is float64; of more than that no result needs 15 digits
FILE_SHARE = 64  # an array goes into a file where more than this part of free memory is needed: a dozen live at once
BLOCK_CELLS = 1 << 17  # numbers in a block: 1 MiB, which stays in a processor's cache
USED_WITH = 4  # arrays that are gone through together, at most
KEPT_BYTES = 1 << 27  # of files that may be read or written before their pages are given back

_folder: ContextVar[Path | None] = ContextVar("folder of large arrays", default=None)
_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()
_touched = 0


@contextmanager
def files_in(folder: Path | None) -> Iterator[None]:
    """Where the files are; None for the system's folder of temporary files. They have no name, and end with us."""
    before = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(before)


def files_folder() -> Path:
    """Where the files are now."""
    return _folder.get() or Path(tempfile.gettempdir())


def cells(rows: int, classes: int, fill: float = 0.0, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """An array (rows, classes) of one value.

    Args:
        rows: N.
        classes: C.
        fill: The value.
        dtype: None for float64, or float32 if it is large.

    Raises:
        RunError: It fits neither into memory nor onto the disk.
    """
    dtype, size = np.dtype(dtype or _usual(rows, classes)), size_of(rows, classes, dtype)
    if not in_file(rows, classes, dtype):
        return np.full((rows, classes), fill, dtype) if fill else np.zeros((rows, classes), dtype)
    array: NDArray[Any] = np.frombuffer(_map(size, rows, classes), dtype).reshape(rows, classes)
    if fill:
        for block in blocks(rows, classes):
            array[block] = fill
    return array


def in_file(rows: int, classes: int, dtype: DTypeLike | None = None) -> bool:
    """Whether such an array is too large for the memory that is free now."""
    size = size_of(rows, classes, dtype)
    return size > DOUBLE_CELLS * 8 and FILE_SHARE * size > available_memory()


def size_of(rows: int, classes: int, dtype: DTypeLike | None = None) -> int:
    """Bytes of such an array."""
    return rows * classes * np.dtype(dtype or _usual(rows, classes)).itemsize


def _usual(rows: int, classes: int) -> DTypeLike:
    return np.float64 if rows * classes <= DOUBLE_CELLS else np.float32


def _map(size: int, rows: int, classes: int) -> mmap.mmap:
    """A file of zeros in memory."""
    folder = files_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            reserve(file.fileno(), size)
            mapped = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise RunError(
            f"{rows:,} rows × {classes:,} classes need {format_bytes(size)} more on the disk of {folder}: {error}. "
            "Make room, or set TMPDIR or the output to a larger disk"
        ) from error
    _maps.add(mapped)
    return mapped


def blocks(rows: int, classes: int) -> Iterator[slice]:
    """Slices of rows, in order, of `BLOCK_CELLS` numbers each."""
    step = max(1, BLOCK_CELLS // max(classes, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
        touched(USED_WITH * 4 * step * classes)


def touched(size: int) -> None:
    """Count bytes that were read or written; from time to time the pages of files are given back to the system."""
    global _touched  # as memory is one for the whole process
    _touched += size
    if _touched >= KEPT_BYTES:
        _touched = 0
        for mapped in list(_maps):
            if hasattr(mmap, "MADV_DONTNEED"):  # of a shared file: what was written stays written
                mapped.madvise(mmap.MADV_DONTNEED)


def of_given(values: NDArray[Any], labels: NDArray[np.int64]) -> Floats:
    """Each row's value for its own label, shape (N,), of values (N, C)."""
    found = np.empty(len(labels))
    for block in blocks(*values.shape):
        part = labels[block]
        found[block] = values[block][np.arange(len(part)), part]
    return found


def largest(values: NDArray[Any]) -> NDArray[np.int64]:
    """The class with each row's largest value, shape (N,)."""
    found = np.empty(len(values), dtype=np.int64)
    for block in blocks(*values.shape):
        found[block] = values[block].argmax(1)
    return found


def largest_other(values: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class but its own label with each row's largest value, shape (N,), of values (N, C)."""
    found = np.empty(len(values), dtype=np.int64)
    for block in blocks(*values.shape):
        part = values[block].copy()
        part[np.arange(len(part)), labels[block]] = -np.inf
        found[block] = part.argmax(1)
    return found


def put_log_softmax(logits: NDArray[Any], scale: float, into: NDArray[Any], rows: Rows | None = None) -> None:
    """Put log softmax(scale · logits), shape (M, C), into some rows of an array, or into one of the same shape."""
    for block in blocks(*logits.shape):
        part = torch.from_numpy(logits[block]).double()
        into[block if rows is None else rows[block]] = part.mul(scale).log_softmax(1).numpy()


def add_to(total: Tensor, values: Tensor, times: float = 1.0) -> None:
    """Add values to a total and multiply it, in place; both of shape (N, C)."""
    for block in blocks(*total.shape):
        total[block].add_(values[block]).mul_(times)


def is_finite(tensor: Tensor) -> bool:
    """Whether no number is NaN or infinite."""
    if tensor.ndim != 2:
        return bool(tensor.isfinite().all())
    return all(bool(tensor[block].isfinite().all()) for block in blocks(*tensor.shape))
