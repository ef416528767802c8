"""Real digits of the repository's sample: as tensors, as mini-batches and as folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from labelaudit.data.batches import Images, standardise_each
from labelaudit.types import Augmentation
from tests.support.paths import SAMPLE

CPU = torch.device("cpu")


def digit_files(digit: int | str, count: int | None = None) -> list[Path]:
    """The first training images of a class folder, all of them without a count."""
    return sorted((SAMPLE / "train" / str(digit)).iterdir())[:count]


def digits(classes: tuple[int, ...], per_class: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first sample digits of some folders: uint8 (N, 1, 28, 28), interleaved by class, and class indices (N,)."""
    files = [digit_files(digit, per_class) for digit in classes]
    images = [np.asarray(Image.open(file)) for row in zip(*files, strict=True) for file in row]
    labels = torch.arange(len(classes)).repeat(per_class)
    return torch.from_numpy(np.stack(images))[:, None], labels


def digit_folders(folder: Path, classes: str, per_class: int) -> Path:
    """Copy the first sample digits of some classes into class folders below `folder`, and return it."""
    for digit in classes:
        (folder / digit).mkdir(parents=True)
        for file in digit_files(digit, per_class):
            shutil.copy(file, folder / digit)
    return folder


def digits_as_mnist(folder: Path) -> Path:
    """Write 50 training and 30 test digits, ones and sevens, as `mnist.npz` into `folder`, and return it."""
    pixels, labels = digits((1, 7), 40)
    names = np.where(labels.numpy() == 1, 7, 1)
    np.savez(folder / "mnist.npz", x_train=pixels[:50, 0], y_train=names[:50], x_test=pixels[50:, 0], y_test=names[50:])
    return folder


def batches_of(
    pixels: torch.Tensor, labels: torch.Tensor, dtype: torch.dtype = torch.float64, augmentation: Augmentation = "none"
) -> Images:
    """Mini-batches of images (N, C, H, W), each standardised by its own mean and deviation."""
    return Images(pixels, labels, standardise_each, CPU, dtype, augmentation)
