"""What a frozen pretrained network sees of images: computed once, and kept by the images' content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from labelaudit.audit.feature_cache import FeatureCache, cache_limit, keep_within_limit
from labelaudit.config import ModelConfig
from labelaudit.data.content import EncodedImages
from labelaudit.data.dataset import Dataset
from labelaudit.data.hashing import hash_rows
from labelaudit.data.images import ImageSummary, decode
from labelaudit.likeness.images import Thumbnails, thumbnail_side
from labelaudit.models.registry import model_spec
from labelaudit.models.spec import ModelSpec
from labelaudit.models.timm_models import cut_off_head
from labelaudit.progress import Progress, ignore
from labelaudit.types import Hashes, Problems

CHUNK = 512  # images decoded at a time
BATCH = 32


@dataclass(frozen=True)
class FrozenFeatures:
    """What a frozen network sees of images.

    Attributes:
        features: Shape (N, D), NaN for what is unreadable.
        thumbnails: The images, small; uint8, shape (N, C, s, s).
        hashes: Content hashes, None where nothing could be read.
        problems: Why a row is unreadable, None where it is not.
    """

    features: NDArray[np.float32]
    thumbnails: Thumbnails
    hashes: Hashes
    problems: Problems


def frozen_features(
    dataset: Dataset,
    images: EncodedImages,
    spec: ModelSpec,
    config: ModelConfig,
    device: torch.device,
    progress: Progress,
    *,
    cached: bool = True,
) -> FrozenFeatures:
    """Features and thumbnails of all images, those seen before from the cache.

    Args:
        dataset: The rows.
        images: Their content.
        spec: The network, whose head is left off.
        config: Where its weights come from, and whether there is a cache.
        device: Where to compute.
        progress: Told how far it is.
        cached: Whether to look into the cache, and to add to it.

    Raises:
        InputError: The network has no head of its own.
    """
    if cached:
        cache_limit()  # before anything is computed, whether it can be used
    with progress.stage("Hashing images", len(dataset)) as advance:
        hashes = hash_rows(dataset, advance)
    cache = FeatureCache.of(config, spec.image_size) if cached else FeatureCache(None)
    see = cut_off_head(spec.network(2, seed=0).to(device).eval())[0]
    blank_image = torch.zeros(1, spec.channels, spec.image_size, spec.image_size, dtype=torch.uint8)
    width = compute(see, spec, blank_image, device, ignore).shape[1]
    side = thumbnail_side(spec.image_size)
    matrix = np.full((len(dataset), width), np.nan, dtype=np.float32)
    thumbnails = np.zeros((len(dataset), spec.channels, side, side), dtype=np.uint8)
    without: list[int] = []
    rows_of: dict[str, list[int]] = {}
    for row, digest in enumerate(hashes):
        if digest is not None:
            rows_of.setdefault(digest, []).append(row)

    def keep(digest: str, values: NDArray[np.float32], thumbnail: Thumbnails | None) -> None:
        matrix[rows_of[digest]] = values
        if thumbnail is None:
            without.extend(rows_of[digest])
        else:
            thumbnails[rows_of[digest]] = thumbnail

    known = cache.load(rows_of, width, thumbnails.shape[1:], progress, keep)
    missing = [row for digest, rows in rows_of.items() if digest not in known for row in rows]
    problems = list(dataset.problems)
    with progress.stage(f"Features of {spec.name}", len(missing)) as advance:
        for chunk in np.array_split(missing, max(1, -(-len(missing) // CHUNK))):
            rows = chunk.tolist()
            pixels = np.zeros((len(rows), spec.channels, spec.image_size, spec.image_size), dtype=np.uint8)
            small = np.zeros((len(rows), *thumbnails.shape[1:]), dtype=np.uint8)
            decoded = decode(images.some(rows), (None,) * len(rows), spec.channels, spec.resize, pixels, ignore, small)
            features = compute(see, spec, torch.from_numpy(pixels), device, advance)
            thumbnails[rows] = small
            found = {}
            for place, (row, problem, digest) in enumerate(zip(rows, decoded.problems, decoded.hashes, strict=True)):
                problems[row] = problem or (None if digest == hashes[row] else "has changed while it was read")
                if problems[row] is None and digest is not None:
                    matrix[row] = features[place]
                    found[digest] = features[place], small[place]
            cache.add(found)
    if cached:
        keep_within_limit(progress)
    problems = [
        problem or ("cannot be read" if digest is None else None)
        for problem, digest in zip(problems, hashes, strict=True)
    ]
    _decode_small(images, without, spec, thumbnails, progress)
    return FrozenFeatures(matrix, thumbnails, hashes, tuple(problems))


def _decode_small(
    images: EncodedImages, rows: list[int], spec: ModelSpec, thumbnails: Thumbnails, progress: Progress
) -> None:
    """Put thumbnails of images whose features were cached without."""
    if not rows:
        return
    small = np.zeros((len(rows), *thumbnails.shape[1:]), dtype=np.uint8)
    with progress.stage("Thumbnails", len(rows)) as advance:
        decode(images.some(rows), (None,) * len(rows), spec.channels, spec.resize, None, advance, small)
    thumbnails[rows] = small


def compute(
    see: Callable[[torch.Tensor], torch.Tensor],
    spec: ModelSpec,
    pixels: torch.Tensor,
    device: torch.device,
    progress: Callable[[int], None],
) -> NDArray[np.float32]:
    """What the network's head would `see` of images in uint8, shape (N, C, S, S); shape (N, D)."""
    parts = []
    with torch.no_grad():
        for batch in pixels.split(BATCH):
            parts.append(see(spec.normalise(batch.to(device).float() / 255)).float().cpu().numpy())
            progress(len(batch))
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)


def cached_share(hashes: Hashes, config: ModelConfig) -> float:
    """The share of images whose features are in the cache, in [0, 1].

    Args:
        hashes: Their content hashes.
        config: The network, and where its weights come from.
    """
    spec = model_spec(config, ImageSummary(grayscale=False, side=config.image_size or 1))
    known = FeatureCache.of(config, spec.image_size).known([digest for digest in hashes if digest is not None])
    return sum(digest in known for digest in hashes) / len(hashes)
