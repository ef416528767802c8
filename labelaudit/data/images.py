"""Encoded bytes → images → one uint8 array; what cannot be read keeps its row and gets a reason."""

from __future__ import annotations

import io
import statistics
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from labelaudit.data.content import EncodedImages
from labelaudit.data.dataset import content_hash
from labelaudit.data.threads import for_each_row

Problems = tuple[str | None, ...]  # why a row has no image, None where it has one

SNIFFED = 256  # images looked at to learn the usual size and colour


@dataclass(frozen=True)
class ImageSummary:
    """What the images of a dataset are like.

    Attributes:
        grayscale: Whether all of those looked at are.
        side: The median of their shorter sides, in pixels.
    """

    grayscale: bool
    side: int


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
            with Image.open(io.BytesIO(images.read(row))) as image:
                modes[image.mode] += 1
                sides.append(min(image.size))
        except (OSError, ValueError, Image.DecompressionBombError):
            continue
    if not sides:
        return None
    grayscale = all(mode in ("1", "L") or mode.startswith("I") for mode in modes)
    return ImageSummary(grayscale, int(statistics.median(sides)))


def decode(
    images: EncodedImages,
    problems: Problems,
    channels: int,
    resize: Callable[[Image.Image], Image.Image],
    pixels: NDArray[np.uint8] | None,
    progress: Callable[[int], None],
) -> Decoded:
    """Read, decode, turn upright and resize every image once, on all cores.

    Args:
        images: The rows.
        problems: Which of them have none.
        channels: 1 for grey, 3 for RGB.
        resize: Maps an image of any size to S×S.
        pixels: Where to put them, shape (N, C, S, S), zeros; None to see only which of them can be read.
        progress: Called with 1 after each image.
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
            image = np.asarray(resize(open_image(content, channels)))
            if pixels is not None:
                pixels[row] = image.reshape(*image.shape[:2], channels).transpose(2, 0, 1)
        except UnidentifiedImageError:
            return digest, "not an image" if content else "empty file"
        # Pillow's decoders raise whatever the broken bytes lead them to.
        except Exception as error:
            return digest, f"cannot be decoded: {error}"
        return digest, None

    results = for_each_row(decode_row, len(problems), progress)
    return Decoded(
        tuple(digest for digest, _ in results),
        tuple(problem for _, problem in results),
    )


def open_image(content: bytes, channels: int) -> Image.Image:
    """Decode the first frame, upright, as grey (1 channel) or RGB (3); transparency becomes white.

    Raises:
        OSError: The bytes are no image or a truncated one (`UnidentifiedImageError` is one, too).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image: Image.Image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        image.load()
    if image.mode == "F":
        raise OSError("its pixels are floating-point numbers of no fixed range; convert it to 8 or 16 bits")
    if image.mode.startswith("I"):  # 16 bits, which Pillow's own conversion would clip at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if channels == 1 else "RGB")
