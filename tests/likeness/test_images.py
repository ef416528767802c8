"""How alike images are, by their definition; and what is found of compressed, shifted and mirrored ones."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit.likeness.images import alike, compare_images, thumbnail_side
from labelaudit.progress import ignore
from tests.support.blots import GREY, RGB, compressed, pictures


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    padded = np.pad(image, ((0, 0), (3, 3), (3, 3)), mode="edge")
    height, width = image.shape[1:]
    return padded[:, 3 - down : 3 - down + height, 3 - right : 3 - right + width]


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """By the definition: the middle of one against each part of the other of that size, and of its mirror image."""
    inner = first.astype(float)[:, 3:-3, 3:-3]
    inner -= inner.mean((1, 2), keepdims=True)
    best = -1.0
    for other in (second, second[:, :, ::-1]):
        for down in range(7):
            for right in range(7):
                part = other.astype(float)[:, down : down + inner.shape[1], right : right + inner.shape[2]]
                part = part - part.mean((1, 2), keepdims=True)
                best = max(best, (inner * part).sum() / np.sqrt((inner**2).sum() * (part**2).sum()))
    return best


@pytest.mark.parametrize("shape", [GREY, RGB])
def test_likeness_is_the_best_correlation_over_shifts_and_mirroring(shape):
    images = pictures(12, shape)
    pairs = np.array([[row, other] for row in range(12) for other in range(row)])
    expected = [correlation(images[row], images[other]) for row, other in pairs]
    assert alike(images, pairs) == pytest.approx(expected, abs=1e-4)


def test_a_shifted_and_mirrored_image_in_another_light_is_like_itself():
    images = pictures(2, RGB)
    images[1] = shifted(images[0] // 2 + 60, 3, -2)[:, :, ::-1]
    assert alike(images, np.array([[0, 1]])) == pytest.approx([1], abs=1e-3)


def test_images_of_one_colour_are_like_none():
    images = np.stack([np.full(RGB, value, np.uint8) for value in (0, 120, 255)] + [*pictures(1, RGB)])
    images[1, 0, 16, 16] += 1
    pairs = np.array([[0, 1], [0, 2], [1, 2], [0, 3], [1, 3]])
    assert alike(images, pairs).tolist() == [0] * 5


@pytest.mark.parametrize("shape", [GREY, RGB])
def test_changed_images_are_among_the_nearest_and_near(shape):
    images = pictures(400, shape)
    changed = [compressed(image, 85) for image in images[:20]]
    changed += [shifted(image, 2, -2)[:, :, ::-1] for image in images[20:40]]
    compared = compare_images(np.concatenate([images, np.stack(changed)]), np.arange(440), ignore)
    near = (compared.distances < 0.05) & (compared.relative < 0.15)
    found = {tuple(pair) for pair in compared.pairs[near].tolist()}
    assert found <= {(row, 400 + row) for row in range(40)}
    assert len(found) >= 38


def test_pairs_are_of_the_rows_asked_for():
    images = pictures(50, RGB)
    images[30] = compressed(images[10], 90)
    rows = np.arange(5, 45)
    compared = compare_images(images, rows, ignore)
    nearest = rows[compared.pairs[compared.distances.argmin()]]
    assert nearest.tolist() == [10, 30]
    every = compare_images(images, rows, ignore, every=True)
    assert len(every.pairs) > len(compared.pairs)


@pytest.mark.parametrize("side", [1, 2, 4, 7])
def test_tiny_images_can_be_compared(side):
    images = np.random.default_rng(0).integers(0, 256, (20, 1, side, side)).astype(np.uint8)
    compared = compare_images(images, np.arange(20), ignore)
    assert np.isfinite(compared.distances).all()
    same = compare_images(np.full((20, 3, side, side), 7, np.uint8), np.arange(20), ignore, every=True)
    assert (same.distances == 1).all()


def test_thumbnails_have_one_size_unless_the_network_sees_about_as_little():
    assert [thumbnail_side(size) for size in (8, 24, 28, 32, 33, 224)] == [32, 24, 28, 32, 32, 32]
