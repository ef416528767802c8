"""Inputs and class indices, served as mini-batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from labelaudit.data.pixels import Pixels
from labelaudit.data.text_encoders import EncodedTexts
from labelaudit.types import Augmentation, checked

Normalise = Callable[[Tensor], Tensor]

ALL = slice(None)
MAX_SHIFT = 1 / 8  # of the side, in each direction
MOST_DENSE = 1 << 26  # bytes of encoded texts that are kept as dense rows: taking some of sparse ones costs more


@runtime_checkable
class Batches(Protocol):
    """All rows of a run."""

    @property
    def labels(self) -> Tensor:
        """Class indices, int64, shape (N,), in main memory; −1 where a row has no label."""

    def batch(self, rows: Tensor, augmentation_seed: int | None = None, shard: slice = ALL) -> tuple[Tensor, Tensor]:
        """Inputs (B, …) and class indices (B,) of the given rows, where the network is.

        With a seed the inputs are augmented, if they are to be at all; the same seed gives the same inputs, which
        replay relies on. With a shard only those of the rows are given, the same as they are among all.
        """


@checked
@dataclass(frozen=True)
class Features:
    """Rows that are the network's input as they are.

    Attributes:
        inputs: Shape (N, …), where the network is.
        labels: Class indices, int64, shape (N,).
    """

    inputs: Tensor
    labels: Tensor

    def batch(self, rows: Tensor, augmentation_seed: int | None = None, shard: slice = ALL) -> tuple[Tensor, Tensor]:
        """Inputs (B, …) and class indices (B,) of the given rows, never augmented."""
        rows = rows[shard]
        return self.inputs[rows], self.labels[rows].to(self.inputs.device)


@dataclass(frozen=True)
class TextFeatures:
    """Encoded texts; but for few, only mini-batches are made dense: all rows times a vocabulary are too many numbers.

    Attributes:
        encoded: Shape (N, D), and how.
        labels: Class indices, int64, shape (N,).
        device: Where batches are put.
        dtype: Their floating-point type.
    """

    encoded: EncodedTexts
    labels: Tensor
    device: torch.device
    dtype: torch.dtype

    def batch(self, rows: Tensor, augmentation_seed: int | None = None, shard: slice = ALL) -> tuple[Tensor, Tensor]:
        """Inputs (B, D) and class indices (B,) of the given rows, never augmented."""
        rows = rows[shard]
        if self._dense is not None:
            dense = self._dense[rows.to(self.device)]
        else:
            dense = torch.from_numpy(self.encoded.matrix[rows.numpy()].toarray()).to(self.device, self.dtype)
        return dense, self.labels[rows].to(self.device)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows: of the sparse ones, and of the dense ones where there are such."""
        matrix = self.encoded.matrix
        sparse = int(matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes)
        return sparse + (0 if self._dense is None else self._dense.nbytes)

    @cached_property
    def _dense(self) -> Tensor | None:
        """All rows at once, where they are few."""
        rows, columns = self.encoded.matrix.shape
        if rows * columns * self.dtype.itemsize > MOST_DENSE:
            return None
        return torch.from_numpy(self.encoded.matrix.toarray()).to(self.device, self.dtype)


@dataclass(frozen=True)
class Images:
    """All images of a run.

    Attributes:
        pixels: uint8, shape (N, C, H, W).
        labels: Class indices, int64, shape (N,); −1 where a row has no label.
        normalise: Maps a float batch in [0, 1] to the network's input.
        augmentation: What `batch` does when it is given a seed.
        device: Where batches are put.
        dtype: Their floating-point type.
    """

    pixels: Pixels
    labels: Tensor
    normalise: Normalise
    device: torch.device
    dtype: torch.dtype
    augmentation: Augmentation = "none"

    def batch(self, rows: Tensor, augmentation_seed: int | None = None, shard: slice = ALL) -> tuple[Tensor, Tensor]:
        """Inputs (B, C, H, W) and class indices (B,) of the given rows; see `Batches`."""
        batch, rows = len(rows), rows[shard]
        pixels = self.pixels[rows]
        if augmentation_seed is not None and self.augmentation != "none":
            pixels = _augment(pixels, self.augmentation, augmentation_seed, batch, shard)
        if self.device.type == "cuda" and not pixels.is_cuda:
            pixels = pixels.pin_memory()  # so that the copy does not wait for the device, nor the device for it
        inputs = pixels.to(self.device, non_blocking=True).to(self.dtype).div_(255)
        return self.normalise(inputs), self.labels[rows].to(self.device)


def standardise_each(images: Tensor) -> Tensor:
    """Give each image of a (B, C, H, W) batch mean 0 and standard deviation 1, as the paper does."""
    if len(images) == 0:  # a process's shard of few rows, of whose deviation torch would warn
        return images
    deviation, mean = torch.std_mean(images, dim=(1, 2, 3), keepdim=True)
    return (images - mean) / deviation.clamp_min(1e-6)


def _augment(pixels: Tensor, augmentation: Augmentation, seed: int, batch: int, shard: slice) -> Tensor:
    """Shift each image by its own whole number of pixels (edges repeated) and, if asked, mirror half of them.

    The images are a shard of a batch, for which all random numbers are drawn.
    """
    generator = torch.Generator().manual_seed(seed)
    height, width = pixels.shape[2:]
    limits = torch.tensor([max(1, int(height * MAX_SHIFT)), max(1, int(width * MAX_SHIFT))])
    shifts = (torch.rand(batch, 2, generator=generator) * (2 * limits + 1)).long() - limits
    shifts = shifts[shard]
    down = (torch.arange(height) + shifts[:, :1]).clamp(0, height - 1)
    right = (torch.arange(width) + shifts[:, 1:]).clamp(0, width - 1)
    if augmentation == "flip-shift":
        mirrored = torch.rand(batch, 1, generator=generator)[shard] < 0.5
        right = torch.where(mirrored, right.flip(1), right)
    images = torch.arange(len(pixels))[:, None, None]
    # Indexing with the channel axis in between puts it last; bring it back to its place.
    return pixels[images, :, down[:, :, None], right[:, None, :]].movedim(-1, 1)
