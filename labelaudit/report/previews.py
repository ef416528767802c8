"""What a person sees of a row: a thumbnail, the beginning of a text, some cells, or a few numbers."""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from labelaudit.data.content import Cells, Content, EncodedImages, Texts, Vectors
from labelaudit.data.dataset import content_hash
from labelaudit.data.hashing import content_bytes
from labelaudit.data.images import open_image
from labelaudit.report.escaping import shorten
from labelaudit.report.mail import split_headers
from labelaudit.units import format_count, listed

SIDE = 128  # pixels, of a thumbnail
LARGE_SIDE = 400  # of one that can be enlarged
SMALL_SIDE = 64  # of one that only accompanies another row
TINY = 48  # images up to this side keep every pixel and are shown enlarged
WEBP_QUALITY = 72

TEXT_SHORT, TEXT_LONG, TEXT_SMALL = 320, 4000, 140  # characters
CELLS_FIRST, CELLS_ALL, CELLS_SMALL = 8, 60, 4
CELL_LENGTH, NAME_LENGTH = 80, 40
NUMBERS = 6


@dataclass(frozen=True)
class Picture:
    """A thumbnail.

    Attributes:
        uri: The encoded image, as a data URI.
        width: How wide to show it, in CSS pixels.
        height: How high.
        tiny: Whether it holds every pixel of a tiny image, to be enlarged without smoothing.
    """

    uri: str
    width: int
    height: int
    tiny: bool
    kind: Literal["picture"] = "picture"


@dataclass(frozen=True)
class Excerpt:
    """The beginning of a text.

    Attributes:
        short: What is always shown.
        long: More of it, shown on demand; empty if `short` is all there is.
        length: Characters of the whole text.
        headers: The headers of a mail, shown on demand; empty if it is none.
    """

    short: str
    long: str
    length: int
    headers: str = ""
    kind: Literal["excerpt"] = "excerpt"


@dataclass(frozen=True)
class Fields:
    """Cells of a row of a table, as (column, value).

    Attributes:
        first: Those always shown.
        more: Those shown on demand.
        left_out: How many further columns there are.
    """

    first: tuple[tuple[str, str], ...]
    more: tuple[tuple[str, str], ...]
    left_out: int
    kind: Literal["fields"] = "fields"


@dataclass(frozen=True)
class Numbers:
    """The first numbers of a vector, as text."""

    text: str
    kind: Literal["numbers"] = "numbers"


@dataclass(frozen=True)
class Missing:
    """Why there is nothing to see."""

    reason: str
    kind: Literal["missing"] = "missing"


Preview = Picture | Excerpt | Fields | Numbers | Missing


def preview_rows(
    content: Content, rows: Sequence[int], hashes: Mapping[int, str | None], side: int = SIDE
) -> dict[int, Preview]:
    """Prepare some rows to be looked at.

    Args:
        content: All rows.
        rows: Which of them.
        hashes: The content hash each had when it was audited; a row that has another now is not shown.
        side: Longest side of a thumbnail in pixels; `SMALL_SIDE` for rows that only accompany others.

    Returns:
        A preview of each row. What cannot be shown says why; it is never an error.
    """
    small = side <= SMALL_SIDE

    def preview(row: int) -> Preview:
        try:
            encoded = content_bytes(content, row)
        except OSError as error:
            return Missing(f"cannot be read: {error.strerror or error}")
        if hashes.get(row) != content_hash(encoded):  # a row without a hash could not be read then
            return Missing("not shown: it has changed since the audit")
        match content:
            case EncodedImages():
                return _picture(encoded, side)
            case Texts(values):
                return _excerpt(values[row], small)
            case Cells(frame):
                return _fields(frame, row, small)
            case Vectors(values):
                return _numbers(values[row])

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # in all threads
        return dict(zip(rows, pool.map(preview, rows), strict=True))


def _picture(content: bytes, side: int) -> Preview:
    try:
        image = _decode(content, side)
    except UnidentifiedImageError:
        return Missing("not an image")
    # Pillow's decoders raise whatever the broken bytes lead them to.
    except Exception as error:
        return Missing(f"cannot be decoded: {error}")
    tiny = max(image.size) <= TINY
    if tiny:
        scale = max(1, min(side, SIDE) // max(image.size))
        width, height = image.width * scale, image.height * scale
        encoded = _encode(image, "PNG", optimize=True)
    else:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        shrink = min(1.0, SIDE / max(image.size))  # it is shown as small as the others until it is enlarged
        width, height = (max(1, round(length * shrink)) for length in image.size)
        encoded = _encode(image, "WEBP", quality=WEBP_QUALITY, method=4)
    return Picture(encoded, width, height, tiny)


def _decode(content: bytes, side: int) -> Image.Image:
    """Decode to grey or RGB, upright."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(content)) as image:
            grey = image.mode in ("1", "L") or image.mode.startswith("I")
            if image.format == "JPEG":  # decoded at a fraction of its size, which large photographs need
                image.draft(None, (2 * side, 2 * side))
                upright: Image.Image = ImageOps.exif_transpose(image)
                return upright.convert("L" if grey else "RGB")
    return open_image(content, channels=1 if grey else 3)


def _encode(image: Image.Image, form: str, **options: object) -> str:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _excerpt(text: str | None, small: bool) -> Preview:
    if text is None:
        return Missing("no text")
    headers, text = split_headers(text)
    if small:
        return Excerpt(shorten(" ".join(text[: 4 * TEXT_SMALL].split()), TEXT_SMALL), "", len(text))
    text_long = shorten(text, TEXT_LONG) if len(text) > TEXT_SHORT else ""
    return Excerpt(shorten(text, TEXT_SHORT), text_long, len(text), shorten(headers, TEXT_LONG))


def _fields(frame: pd.DataFrame, row: int, small: bool) -> Fields:
    # Cell by cell: a row taken at once would turn whole numbers beside fractions into fractions.
    cells = [(shorten(str(name), NAME_LENGTH), cell_text(frame.iat[row, at])) for at, name in enumerate(frame.columns)]
    if small:
        return Fields(tuple(cells[:CELLS_SMALL]), (), max(0, len(cells) - CELLS_SMALL))
    return Fields(tuple(cells[:CELLS_FIRST]), tuple(cells[CELLS_FIRST:CELLS_ALL]), max(0, len(cells) - CELLS_ALL))


def cell_text(value: object) -> str:
    """A cell of a table as it is shown."""
    if pd.isna(value):  # type: ignore[call-overload]  # any scalar will do
        return "–"
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    return shorten(str(value), CELL_LENGTH)


def _numbers(vector: NDArray[np.float32]) -> Preview:
    if np.isnan(vector).any():
        return Missing("no vector")
    return Numbers(f"{format_count(len(vector), 'number')}: {listed([f'{value:.3g}' for value in vector], NUMBERS)}")
