"""Images of blots, and what JPEG makes of them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

GREY, RGB = (1, 28, 28), (3, 32, 32)


def pictures(count: int, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Images of many sizes of blots, as uint8, shape (N, C, S, S)."""
    generator = np.random.default_rng(seed)
    total = np.zeros((count, *shape))
    for size in (2, 4, 8, 16):
        blots = generator.uniform(size=(count, shape[0], size, size)) * 16 / size
        for row, channel in np.ndindex(count, shape[0]):
            image = Image.fromarray(blots[row, channel].astype(np.float32))
            total[row, channel] += np.asarray(image.resize(shape[1:], Image.Resampling.BICUBIC))
    low, high = total.min((2, 3), keepdims=True), total.max((2, 3), keepdims=True)
    return np.round(255 * (total - low) / (high - low)).astype(np.uint8)


def compressed(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0).squeeze()).save(file, "JPEG", quality=quality)
    again = np.asarray(Image.open(io.BytesIO(file.getvalue())))
    return again.reshape(*image.shape[1:], image.shape[0]).transpose(2, 0, 1)
