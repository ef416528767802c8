"""Where decoded images are kept: in memory, in a file that is mapped into memory, or nowhere."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelaudit.errors import InputError, RunError
from labelaudit.progress import ignore
from labelaudit.runtime.distributed import process_group
from labelaudit.runtime.files import cache_folder, reserve
from labelaudit.runtime.machine import USABLE_FRACTION, free_disk, free_memory
from labelaudit.types import ImageCache
from labelaudit.units import format_bytes, format_count

Shape = tuple[int, int, int, int]  # N, C, H, W
Decode = Callable[[Sequence[int], NDArray[np.uint8] | None, Callable[[int], None]], dict[int, str]]
"""Decodes some rows into an array (B, C, H, W), if there is one, and gives a reason for each that is not as it was when
the run began; the last argument is called with 1 after each."""
SHARE_OF_MEMORY = 0.5  # that images may take of what is free before they go to the disk: the training needs some, too


class Pixels(Protocol):
    """uint8 images by row."""

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """The images of some rows (B,), shape (B, C, H, W)."""


class LostRowsError(RunError):
    """Images are no longer there, or no longer what they were when the run began."""

    def __init__(self, rows: dict[int, str]) -> None:
        """Say why, of the first of them.

        Args:
            rows: Why, for each row.
        """
        row, reason = next(iter(rows.items()))
        many = format_count(len(rows), "image has", "images have")
        super().__init__(f"{many} changed or vanished since the run began: row {row}, {reason}")


class DecodedAnew:
    """Images that are decoded whenever they are asked for; of those that were lost once, zeros.

    Attributes:
        rows: N.
        lost: Why images are lost, for each row of which that is known.
    """

    def __init__(self, decode: Decode, shape: Shape) -> None:
        """Keep no image.

        Args:
            decode: How they are decoded.
            shape: N, C, H, W.
        """
        self.rows = shape[0]
        self._decode, self._shape = decode, shape
        self.lost: dict[int, str] = {}

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """See `Pixels`.

        Raises:
            LostRowsError: Some are not as they were, which was not known.
        """
        pixels = np.zeros((len(rows), *self._shape[1:]), dtype=np.uint8)
        lasting = [place for place, row in enumerate(rows.tolist()) if row not in self.lost]
        decoded = pixels if len(lasting) == len(rows) else np.zeros((len(lasting), *pixels.shape[1:]), dtype=np.uint8)
        lost = self._decode(rows[lasting].tolist(), decoded, ignore)
        if lost:
            self.lost |= lost
            raise LostRowsError(lost)
        pixels[lasting] = decoded
        return torch.from_numpy(pixels)

    def look(self, progress: Callable[[int], None]) -> dict[int, str]:
        """Look at all images again: why some are lost, those known before among them.

        Args:
            progress: Called with 1 after each.
        """
        self.lost = self._decode(range(self.rows), None, progress) | self.lost
        return self.lost


def choose_place(shape: Shape, cache: ImageCache, limit_gb: float | None) -> ImageCache:
    """Where images of that shape are to be kept: `memory`, `disk` or `none`.

    Args:
        shape: N, C, H, W.
        cache: What the user asked for; `auto` takes memory where that is plentiful, else the disk.
        limit_gb: The most a file may take, in GB; None for what leaves some of the disk free.

    Raises:
        InputError: They do not fit; the message says what would.
    """
    needed = int(np.prod(shape))
    local_size = process_group().local_size  # they all keep the images
    memory, folder = free_memory(torch.device("cpu")) // local_size, cache_folder()
    disk = int(USABLE_FRACTION * free_disk(folder)) // local_size
    if limit_gb is not None:
        disk = min(disk, int(limit_gb * 1e9))
    if cache == "none" or (cache == "auto" and needed <= SHARE_OF_MEMORY * memory):
        return "none" if cache == "none" else "memory"
    if cache == "memory" and needed <= USABLE_FRACTION * memory:
        return "memory"
    if cache != "memory" and needed <= disk:
        return "disk"
    raise InputError(
        f"{shape[0]} images of {shape[2]}×{shape[3]} pixels need {format_bytes(needed)}; "
        + (
            f"{format_bytes(USABLE_FRACTION * memory)} of memory may be used: try `image_cache` disk, "
            if cache == "memory"
            else f"{format_bytes(disk)} of the disk of {folder} may be used: try "
        )
        + "`image_cache` none, which decodes them anew for each pass, or a smaller `image_size`"
    )


def allocate(shape: Shape, place: ImageCache) -> NDArray[np.uint8]:
    """Zeros in memory, or in a file without a name below `$LABELAUDIT_CACHE`, which goes with the process.

    Raises:
        InputError: The file cannot be made.
    """
    if place == "memory":
        return np.zeros(shape, dtype=np.uint8)
    folder = cache_folder() / "pixels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:  # mapped, it outlives being closed
            reserve(file.fileno(), math.prod(shape))
            return np.memmap(file, dtype=np.uint8, mode="r+", shape=shape)
    except OSError as error:
        raise InputError(
            f"`image_cache` disk: cannot write below {folder} ({error.strerror or error}); set LABELAUDIT_CACHE to "
            "another folder"
        ) from error
