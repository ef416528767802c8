from __future__ import annotations

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labelaudit.data.content import Cells, EncodedImages, Texts, Vectors
from labelaudit.data.dataset import content_hash
from labelaudit.data.hashing import content_bytes
from labelaudit.report.escaping import shorten
from labelaudit.report.previews import (
    LARGE_SIDE,
    SIDE,
    SMALL_SIDE,
    TEXT_LONG,
    Excerpt,
    Fields,
    Missing,
    Numbers,
    preview_rows,
)

RAMP = np.add.outer(np.arange(90, dtype=np.uint8), np.arange(60, dtype=np.uint8))  # 90 high, 60 wide


def encode(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def preview(content, row=0, small=False):
    """A preview of a row that is as it was in the audit."""
    hashes = {row: content_hash(content_bytes(content, row))}
    return preview_rows(content, [row], hashes, SMALL_SIDE if small else SIDE)[row]


def shown(picture) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture.uri.split(",")[1])))


def images(*files: bytes) -> EncodedImages:
    return EncodedImages(lambda row: files[row])


@pytest.mark.parametrize(
    ("size", "small", "expected"),
    [
        ((400, 300), False, (128, 96)),
        ((300, 1200), False, (32, 128)),
        ((100, 80), False, (100, 80)),
        ((400, 300), True, (64, 48)),
    ],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_images_become_small_webps(size, small, expected, form):
    picture = preview(images(encode(Image.new("RGB", size, "red"), form)), small=small)
    assert (picture.width, picture.height, picture.tiny) == (*expected, False)
    assert picture.uri.startswith("data:image/webp;base64,")
    image = shown(picture)
    assert (image.format, image.size) == ("WEBP", expected)
    assert np.abs(np.asarray(image.convert("RGB"), dtype=int) - [255, 0, 0]).max() < 8


@pytest.mark.parametrize(("size", "small", "shown_as"), [
    ((28, 28), False, (112, 112)), ((28, 28), True, (56, 56)), ((32, 16), False, (128, 64)), ((48, 48), True, (48, 48)),
])  # fmt: skip  # data, read as a table
def test_tiny_images_keep_every_pixel(size, small, shown_as):
    pixels = RAMP[: size[1], : size[0]]
    picture = preview(images(encode(Image.fromarray(pixels), "PNG")), small=small)
    assert (picture.width, picture.height, picture.tiny) == (*shown_as, True)
    np.testing.assert_array_equal(np.asarray(shown(picture)), pixels)


def test_pictures_to_be_enlarged_have_more_pixels_than_they_are_shown_with():
    file = encode(Image.new("RGB", (1000, 500), "red"), "PNG")
    picture = preview_rows(images(file), [0], {0: content_hash(file)}, LARGE_SIDE)[0]
    assert (picture.width, picture.height) == (128, 64)
    assert shown(picture).size == (400, 200)


def test_large_photographs_are_upright():
    pixels = np.zeros((1200, 2000, 3), dtype=np.uint8)
    pixels[:, :1000] = 255  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: left comes up
    picture = preview(images(encode(Image.fromarray(pixels), "JPEG", exif=exif)))
    assert (picture.width, picture.height) == (77, 128)
    image = np.asarray(shown(picture).convert("L"))
    assert image[:60].min() > 240
    assert image[68:].max() < 15


def test_sixteen_bits_and_transparency_are_shown_as_the_network_sees_them():
    deep = Image.fromarray((RAMP.astype(np.uint16) << 8)[:28, :28])
    spread = np.round(RAMP[:28, :28] * (255 / 54))  # the image's own range, 0 … 54 · 256, becomes 0 … 255
    np.testing.assert_array_equal(np.asarray(shown(preview(images(encode(deep, "PNG"))))), spread)
    clear = encode(Image.new("RGBA", (20, 20), (0, 0, 0, 0)), "PNG")
    assert np.asarray(shown(preview(images(clear)))).min() == 255


def test_what_cannot_be_shown_says_why():
    def absent(row: int) -> bytes:
        raise FileNotFoundError(2, "No such file or directory", "a.png")

    truncated = encode(Image.fromarray(RAMP), "BMP")[:-200]
    assert preview_rows(EncodedImages(absent), [0], {}) == {0: Missing("cannot be read: No such file or directory")}
    assert preview(images(b"no image")) == Missing("not an image")
    assert preview(images(truncated)).reason.startswith("cannot be decoded: ")
    file = encode(Image.fromarray(RAMP), "PNG")
    for hashes in ({0: content_hash(b"before")}, {0: None}, {}):  # none: it could not be read then
        assert preview_rows(images(file), [0], hashes)[0] == Missing("not shown: it has changed since the audit")
    assert preview(images(file)).kind == "picture"
    assert preview(Texts((None,))) == Missing("no text")
    assert preview(Vectors(np.array([[np.nan, 1]], dtype=np.float32))) == Missing("no vector")


def test_texts_are_shown_in_excerpts():
    short, long, longest = "short\n text", "a" * 1000, "b" * 5000
    texts = Texts((short, long, longest))
    assert preview(texts, 0) == Excerpt("short\n text", "", 11)
    assert preview(texts, 1) == Excerpt("a" * 319 + "…", long, 1000)
    assert preview(texts, 2) == Excerpt("b" * 319 + "…", "b" * (TEXT_LONG - 1) + "…", 5000)
    assert preview(texts, 0, small=True) == Excerpt("short text", "", 11)
    assert preview(texts, 1, small=True) == Excerpt("a" * 139 + "…", "", 1000)


def test_cells_are_shown_with_their_names():
    values = {"whole": [7], "fraction": [1 / 3], "text": ["x" * 100], "none": [None], "nan": [np.nan], "n" * 50: [0]}
    frame = pd.DataFrame(values | {f"c{number}": [number] for number in range(60)})
    fields = preview(Cells(frame))
    assert fields.first == (
        ("whole", "7"),
        ("fraction", "0.333333"),
        ("text", "x" * 79 + "…"),
        ("none", "–"),
        ("nan", "–"),
        ("n" * 39 + "…", "0"),
        ("c0", "0"),
        ("c1", "1"),
    )
    assert (fields.more[0], fields.more[-1], len(fields.more), fields.left_out) == (("c2", "2"), ("c53", "53"), 52, 6)
    assert preview(Cells(frame), small=True) == Fields(fields.first[:4], (), 62)


def test_vectors_are_shown_by_their_first_numbers():
    values = np.arange(16, dtype=np.float32).reshape(2, 8) / 3
    assert preview(Vectors(values), 1) == Numbers("8 numbers: 2.67, 3, 3.33, 3.67, 4, 4.33 and 2 more")
    assert preview(Vectors(values[:, :2])) == Numbers("2 numbers: 0, 0.333")


def test_shortening():
    assert [shorten("abc", 3), shorten("abcd", 3)] == ["abc", "ab…"]
