"""Encoded bytes → images → one uint8 array; what cannot be read keeps its row and gets a reason."""

from __future__ import annotations

import io
import statistics
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from labelaudit.data.content import EncodedImages
from labelaudit.data.dataset import content_hash
from labelaudit.data.threads import for_each_row
from labelaudit.types import Problems

SNIFFED = 256  # images looked at to learn the usual size and colour
DEEP = "images with 16 or 32-bit pixels are each scaled from their own range to 0 … 255"
REDUCING_GAP = 3.0  # times the side of a thumbnail, to which a large image is first reduced in whole steps
NEAR_WHITE = 191.0  # mean grey value of the visible pixels, above which they are put on black


@dataclass(frozen=True)
class ImageSummary:
    """What the images of a dataset are like.

    Attributes:
        grayscale: Whether all of those looked at are.
        side: The median of their shorter sides, in pixels.
        deep: Whether some have integers of 16 or 32 bits for pixels.
    """

    grayscale: bool
    side: int
    deep: bool = False


@dataclass(frozen=True)
class Decoded:
    """What came of decoding the images of a dataset.

    Attributes:
        hashes: Content hash of each row, None where nothing could be read at all.
        problems: Why a row is unreadable, None where it is not.
    """

    hashes: tuple[str | None, ...]
    problems: tuple[str | None, ...]


def summarise_images(images: EncodedImages, problems: Problems) -> ImageSummary | None:
    """Look at the headers of some images, evenly spread over the rows; None if none can be read."""
    modes: Counter[str] = Counter()
    sides: list[int] = []
    for row in range(0, len(problems), max(1, len(problems) // SNIFFED)):
        if problems[row] is not None:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # what is too large is said later
                image = Image.open(io.BytesIO(images.read(row)))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
        modes[image.mode] += 1
        sides.append(min(image.size))
    if not sides:
        return None
    grayscale = all(mode in ("1", "L") or mode.startswith("I") for mode in modes)
    deep = any(mode.startswith("I") for mode in modes)
    return ImageSummary(grayscale, int(statistics.median(sides)), deep)


def decode(
    images: EncodedImages,
    problems: Problems,
    channels: int,
    resize: Callable[[Image.Image], Image.Image],
    pixels: NDArray[np.uint8] | None,
    progress: Callable[[int], None],
    thumbnails: NDArray[np.uint8] | None = None,
) -> Decoded:
    """Read, decode, turn upright and resize every image once, on all cores.

    Args:
        images: The rows.
        problems: Which of them have none.
        channels: 1 for grey, 3 for RGB.
        resize: Maps an image of any size to S×S.
        pixels: Where to put them, shape (N, C, S, S), zeros; None to see only which of them can be read.
        progress: Called with 1 after each image.
        thumbnails: Where to put small ones, shape (N, C, s, s), zeros; None for none.
    """

    def decode_row(row: int) -> tuple[str | None, str | None]:
        if problems[row] is not None:
            return None, problems[row]
        try:
            content = images.read(row)
        except OSError as error:
            return None, f"cannot be read: {error.strerror or error}"
        digest = content_hash(content)
        try:
            image = open_image(content, channels)
            if thumbnails is not None:
                small = image.resize(thumbnails.shape[2:], Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
                thumbnails[row] = _channels_first(small, channels)
            resized = resize(image)  # even if it is not kept: whether it can be
            if pixels is not None:
                pixels[row] = _channels_first(resized, channels)
        except UnidentifiedImageError:
            return digest, "not an image" if content else "empty file"
        # Pillow's decoders raise whatever the broken bytes lead them to.
        except Exception as error:
            return digest, f"cannot be decoded: {error}"
        return digest, None

    with warnings.catch_warnings():  # set before there are threads, which all have the same filters
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        results = for_each_row(decode_row, len(problems), progress)
    return Decoded(
        tuple(digest for digest, _ in results),
        tuple(problem for _, problem in results),
    )


def _channels_first(image: Image.Image, channels: int) -> NDArray[np.uint8]:
    """An image's pixels, shape (C, H, W)."""
    return np.asarray(image).reshape(image.height, image.width, channels).transpose(2, 0, 1)


def open_image(content: bytes, channels: int) -> Image.Image:
    """Decode the first frame, upright, as grey (1 channel) or RGB (3).

    Integers of 16 or 32 bits are scaled from the image's own range to 0 … 255. Transparency becomes white, or black
    where what is visible is near white.

    Raises:
        OSError: The bytes are no image or a truncated one (`UnidentifiedImageError` is one, too).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image: Image.Image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        image.load()
    if image.mode == "F":
        raise OSError("its pixels are floating-point numbers of no fixed range; convert it to 8 or 16 bits")
    if image.mode.startswith("I"):  # which Pillow's own conversion would clip at 255
        image = Image.fromarray(eight_bits(np.asarray(image)))
    if image.has_transparency_data:
        image = _opaque(image.convert("RGBA"))
    return image.convert("L" if channels == 1 else "RGB")


def is_deep(pixels: NDArray[Any]) -> bool:
    """Whether pixels are whole numbers that eight bits do not hold."""
    return pixels.dtype.kind in "ui" and bool(pixels.min() < 0 or pixels.max() > 255)


def eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Integers of 16 or 32 bits, from their own range to 0 … 255; a single value by its place among 16 bits."""
    values = pixels.astype(np.float64)
    low, high = values.min(), values.max()
    if low == high:
        return np.clip(values // 256, 0, 255).astype(np.uint8)
    scaled: NDArray[np.uint8] = np.round((values - low) * (255 / (high - low))).astype(np.uint8)
    return scaled


def _opaque(image: Image.Image) -> Image.Image:
    """An RGBA image on white, or on black if it would hardly be seen on white."""
    visible = np.asarray(image.getchannel("A"), np.float64)
    grey = np.asarray(image.convert("RGB").convert("L"), np.float64)
    brightness = (grey * visible).sum() / visible.sum() if visible.any() else 0.0
    background = "black" if brightness > NEAR_WHITE else "white"
    return Image.alpha_composite(Image.new("RGBA", image.size, background), image)
