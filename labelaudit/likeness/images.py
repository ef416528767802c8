"""Images that are alike but for compression, light, a small shift or mirroring: by thumbnails, without any network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from labelaudit.likeness.nearest import Compared, at_least_dense, nearest
from labelaudit.types import Floats, Rows

SIDE = 32  # of a thumbnail
SMALLEST_SIDE = 24  # of what a network sees, that is as good
SMALL = 16  # of what the spectrum is taken of
FREQUENCIES = 6  # lowest ones, in each direction
LOUDNESS = 10.0  # of magnitudes, before the logarithm
COLOUR_WEIGHT = 4.0
LIKELY = 0.85  # of the distance of a row's last neighbour: descriptors that are farther apart are not compared further
LARGEST_SHIFT = 3  # pixels of a thumbnail
BLOCK = 2000  # images, or pairs of them, at a time
ONE_COLOUR = 2.0  # standard deviation of each channel's pixels, of 255, below which an image is of one colour
SAMPLE = 500  # rows by which it is told how alike images are that are no copies

Thumbnails = NDArray[np.uint8]
"""uint8, shape (N, C, S, S)."""


def thumbnail_side(image_size: int) -> int:
    """The side of thumbnails, in pixels: that of what a network sees, if that is about as small."""
    return image_size if SMALLEST_SIDE <= image_size <= SIDE else SIDE


def compare_images(
    thumbnails: Thumbnails, rows: Rows, progress: Callable[[int], None], *, every: bool = False
) -> Compared:
    """Find pairs of images that may be copies: the distance is 1 minus their best correlation (`alike`).

    Args:
        thumbnails: Of all rows.
        rows: Those to compare, N ≥ 2; pairs are of places in these.
        progress: Called with the number of images done, N in all.
        every: Whether to compare all neighbours, also where others are about as near.
    """
    neighbours = nearest(_descriptors(thumbnails, rows), progress)
    pairs, distances = neighbours.pairs()
    usual = neighbours.reference
    if not every:
        pairs = pairs[distances <= LIKELY * usual[pairs].max(1)]
    reference = np.full(len(rows), np.nan)
    some = np.unique(np.linspace(0, len(rows) - 1, SAMPLE).astype(np.int64))
    asked = np.union1d(np.unique(pairs), some)
    reference[asked] = 1 - alike(thumbnails, rows[np.stack([asked, neighbours.rows[asked, -1]], axis=1)])
    return Compared(
        pairs,
        distances=1 - alike(thumbnails, rows[pairs]),
        reference=at_least_dense(reference, reference[some]),
        dimensions=neighbours.dimensions,
        apart=neighbours.distances[:, -1],
        empty=_are_of_one_colour(thumbnails, rows),
    )


def _are_of_one_colour(thumbnails: Thumbnails, rows: Rows) -> NDArray[np.bool_]:
    """Whether an image is, but for what compression adds, shape (N,)."""
    found = np.zeros(len(rows), dtype=bool)
    for start in range(0, len(rows), BLOCK):
        part = thumbnails[rows[start : start + BLOCK]].astype(np.float32)
        found[start : start + BLOCK] = part.std((2, 3)).max(1) < ONE_COLOUR
    return found


def _descriptors(thumbnails: Thumbnails, rows: Rows) -> NDArray[np.float32]:
    """What is alike for images that are alike, standardised, shape (N, D).

    Magnitudes of the lowest spatial frequencies change little with a shift, and mirroring exchanges those of (u, v)
    and (u, −v), of which therefore sum and absolute difference are taken; and the mean colour.
    """
    window = torch.hann_window(SMALL + 2, periodic=False)[1:-1]
    mirrored = [-number % SMALL for number in range(FREQUENCIES)]
    parts = []
    for start in range(0, len(rows), BLOCK):
        images = torch.from_numpy(thumbnails[rows[start : start + BLOCK]])
        small = functional.interpolate(images.float() / 255, size=(SMALL, SMALL), mode="area")
        colour = small.mean((2, 3), keepdim=True)
        spectrum = torch.fft.rfft2((small - colour) * window[:, None] * window).abs()[..., :FREQUENCIES]
        one, other = spectrum[:, :, :FREQUENCIES], spectrum[:, :, mirrored]
        magnitudes = torch.cat([one + other, (one - other).abs()], dim=1).flatten(1)
        parts.append(torch.cat([torch.log1p(LOUDNESS * magnitudes), COLOUR_WEIGHT * colour.flatten(1)], dim=1))
    found = torch.cat(parts)
    found -= found.mean(0)
    deviation = found.square().mean(0).sqrt()
    varied = deviation > 1e-6
    return (found[:, varied] / deviation[varied]).numpy() if varied.any() else found.numpy()


def alike(thumbnails: Thumbnails, pairs: NDArray[np.int64]) -> Floats:
    """The best correlation of the two images of each pair over small shifts and mirroring, in [−1, 1], shape (P,).

    The middle of the first image is compared with as large a part of the second; images of one colour are like none.

    Args:
        thumbnails: Of all rows.
        pairs: Rows, shape (P, 2).
    """
    found = np.zeros(len(pairs))
    for start in range(0, len(pairs), BLOCK):
        block = slice(start, start + BLOCK)
        first, second = (torch.from_numpy(thumbnails[ends]) for ends in pairs[block].T)
        found[block] = _correlation(first, second).numpy()
    return found


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    """See `alike`; by the Fourier transform, for all shifts at once."""
    side = first.shape[-1]
    shift = min(LARGEST_SHIFT, (side - 1) // 2)
    inner = slice(shift, side - shift)
    middle = torch.zeros(first.shape)
    middle[..., inner, inner] = first[..., inner, inner].float()
    middle[..., inner, inner] -= middle[..., inner, inner].mean((2, 3), keepdim=True)
    frame = torch.zeros(side, side)
    frame[inner, inner] = 1
    of_middle, of_frame = torch.fft.rfft2(middle).conj(), torch.fft.rfft2(frame).conj()
    pixels = int(frame.sum())

    def at_shifts(spectrum: Tensor) -> Tensor:
        over_shifts: Tensor = torch.fft.irfft2(spectrum, s=(side, side)).roll((shift, shift), (2, 3))
        return over_shifts[..., : 2 * shift + 1, : 2 * shift + 1]

    best = torch.full((len(first),), -1.0)
    for turned in (second.float(), second.float().flip(3)):
        other = turned - turned.mean((2, 3), keepdim=True)
        spectrum = torch.fft.rfft2(other)
        products = at_shifts(of_middle * spectrum).sum(1)
        sums, squares = at_shifts(of_frame * spectrum), at_shifts(of_frame * torch.fft.rfft2(other.square()))
        variation = (squares - sums.square() / pixels).sum(1).clamp(min=0)
        own_variation = middle.square().sum((1, 2, 3))[:, None, None]
        # Less than one step of brightness in each pixel is no picture, but what rounding leaves.
        pictures = (own_variation > pixels) & (variation > pixels)
        norms = (own_variation * variation).sqrt().clamp(min=1)
        found = torch.where(pictures, products / norms, torch.zeros(()))
        best = torch.maximum(best, found.flatten(1).amax(1))
    return best.clamp(-1, 1)
