from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from labelaudit.data.content import EncodedImages
from labelaudit.data.dataset import Dataset
from labelaudit.data.images import decode, open_image, summarise_images
from labelaudit.progress import ignore
from tests.support.paths import SAMPLE

DIGIT = (SAMPLE / "train/0/00119.png").read_bytes()


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def dataset_of(*contents: bytes | None) -> Dataset:
    """None stands for a file that has gone."""

    def read(row: int) -> bytes:
        content = contents[row]
        if content is None:
            raise FileNotFoundError(2, "No such file or directory")
        return content

    rows = len(contents)
    return Dataset("test", "test", tuple(map(str, range(rows))), ("a",) * rows, (None,) * rows, EncodedImages(read))


def test_unreadable_images_keep_their_row_and_shift_no_other():
    dataset = dataset_of(DIGIT, b"no image", DIGIT[:300], None, b"", DIGIT)
    steps: list[int] = []
    pixels = np.zeros((6, 1, 28, 28), dtype=np.uint8)
    decoded = decode(dataset.content, dataset.problems, 1, lambda image: image, pixels, steps.append)
    expected = np.array(Image.open(io.BytesIO(DIGIT)))
    assert np.array_equal(pixels[0, 0], expected)
    assert np.array_equal(pixels[5, 0], expected)
    assert not pixels[1:5].any()
    assert decode(dataset.content, dataset.problems, 1, lambda image: image, None, ignore) == decoded
    problems = decoded.problems
    assert (problems[0], problems[5]) == (None, None)
    assert problems[1] == "not an image"
    assert problems[2].startswith("cannot be decoded")
    assert problems[3] == "cannot be read: No such file or directory"
    assert problems[4] == "empty file"
    assert decoded.hashes[0] == hashlib.sha256(DIGIT).hexdigest()
    assert decoded.hashes[3] is None
    assert sum(steps) == 6


def test_a_known_problem_is_not_read():
    dataset = Dataset("test", "test", ("0",), ("a",), ("file not found",), lambda row: pytest.fail("read"))
    decoded = decode(dataset.content, dataset.problems, 1, lambda image: image, None, ignore)
    assert decoded.problems == ("file not found",)


def test_colour_orientation_depth_transparency_and_frames():
    red = Image.new("RGB", (4, 2), (255, 0, 0))
    assert open_image(encoded(red, "PNG"), 1).getpixel((0, 0)) == 76
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    assert open_image(encoded(red, "JPEG", exif=exif), 3).size == (2, 4)
    deep = Image.fromarray(np.full((2, 2), 0x8000, dtype=np.uint16))
    assert open_image(encoded(deep, "PNG"), 1).getpixel((0, 0)) == 0x80
    with pytest.raises(OSError, match="floating-point"):
        open_image(encoded(Image.fromarray(np.zeros((2, 2), dtype=np.float32)), "TIFF"), 1)
    clear = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    assert open_image(encoded(clear, "PNG"), 3).getpixel((0, 0)) == (255, 255, 255)
    frames = [Image.new("L", (2, 2), value) for value in (10, 200)]
    gif = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert open_image(gif, 1).getpixel((0, 0)) == 10


def test_a_decompression_bomb_is_one_unreadable_row(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    dataset = dataset_of(DIGIT)
    decoded = decode(dataset.content, dataset.problems, 1, lambda image: image, None, ignore)
    assert "exceeds limit" in str(decoded.problems[0])


def summary_of(*contents):
    dataset = dataset_of(*contents)
    return summarise_images(dataset.content, dataset.problems)


def test_summary():
    wide = encoded(Image.new("RGB", (300, 20)), "PNG")
    assert summary_of(DIGIT, DIGIT, b"x").side == 28
    assert summary_of(DIGIT, DIGIT).grayscale
    summary = summary_of(DIGIT, wide, wide)
    assert (summary.grayscale, summary.side) == (False, 20)
    assert summary_of(b"x", None) is None
