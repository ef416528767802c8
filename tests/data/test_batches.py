from __future__ import annotations

import torch

from tests.support.data import batches_of, digits

PIXELS, LABELS = digits((1, 7), 3)


def test_batches_are_standardised_one_by_one():
    inputs, labels = batches_of(PIXELS, LABELS).batch(torch.tensor([4, 0]))
    assert torch.equal(labels, LABELS[[4, 0]])
    images = PIXELS[[4, 0]].double()
    for got, image in zip(inputs, images, strict=True):
        assert torch.allclose(got, (image - image.mean()) / image.std(), atol=1e-12)


def test_augmentation_needs_a_seed_and_repeats_with_it():
    rows = torch.arange(6)
    shifted = batches_of(PIXELS, LABELS, augmentation="shift")
    plain, _ = batches_of(PIXELS, LABELS).batch(rows)
    assert torch.equal(shifted.batch(rows)[0], plain)
    once, again, other = (shifted.batch(rows, augmentation_seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_shift_moves_an_image_whole_and_flip_mirrors_it():
    dots = torch.zeros(200, 1, 16, 16, dtype=torch.uint8)
    dots[:, :, 8, 8] = 255
    labels = torch.zeros(200, dtype=torch.long)
    raw = batches_of(dots, labels, augmentation="flip-shift")
    places = [tuple((image[0] > 0).nonzero()[0].tolist()) for image in raw.batch(torch.arange(200), 5)[0]]
    assert {down for down, _ in places} == {6, 7, 8, 9, 10}
    assert {right for _, right in places} == {5, 6, 7, 8, 9, 10}  # 8±2, or mirrored 7±2
