"""Made-up pictures, and the pixels that are read of some."""

from __future__ import annotations

import numpy as np

from labelaudit.data.images import open_image

GREY = np.arange(3 * 6 * 5, dtype=np.uint8).reshape(3, 6, 5)
COLOUR = np.arange(3 * 6 * 5 * 3, dtype=np.uint8).reshape(3, 6, 5, 3)


def pixels(dataset, row, channels=3):
    return np.asarray(open_image(dataset.content.read(row), channels))


def seen(dataset, row):
    """The pixels of an image as a network would get them, before its own scaling."""
    return np.asarray(open_image(dataset.content.read(row), 1)).tolist()
