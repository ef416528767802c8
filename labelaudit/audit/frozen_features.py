"""What a frozen pretrained network sees of images: computed once, and kept by the images' content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from labelaudit.config import ModelConfig
from labelaudit.data.content import EncodedImages
from labelaudit.data.dataset import Dataset, content_hash
from labelaudit.data.hashing import hash_rows
from labelaudit.data.images import ImageSummary, decode
from labelaudit.models.registry import model_spec
from labelaudit.models.spec import ModelSpec
from labelaudit.models.timm_models import cut_off_head
from labelaudit.progress import NullProgress, Progress, ignore
from labelaudit.runtime.files import cache_folder
from labelaudit.runtime.locks import remove_leftovers
from labelaudit.runtime.regular_files import NOT_REGULAR
from labelaudit.runtime.sealed import DamagedError
from labelaudit.runtime.tensor_files import load_tensors, save_tensors
from labelaudit.types import Hashes, Problems
from labelaudit.units import format_count

CHUNK = 512  # images decoded at a time
BATCH = 32


def frozen_features(
    dataset: Dataset,
    images: EncodedImages,
    spec: ModelSpec,
    config: ModelConfig,
    device: torch.device,
    progress: Progress,
    *,
    cached: bool = True,
) -> tuple[NDArray[np.float32], tuple[str | None, ...], Problems]:
    """Features of all images, those seen before from the cache.

    Args:
        dataset: The rows.
        images: Their content.
        spec: The network, whose head is left off.
        config: Where its weights come from, and whether there is a cache.
        device: Where to compute.
        progress: Told how far it is.
        cached: Whether to look into the cache, and to add to it.

    Returns:
        Features, shape (N, D), NaN for what is unreadable; content hashes; and why a row is unreadable.

    Raises:
        InputError: The network has no head of its own.
    """
    with progress.stage("Hashing images", len(dataset)) as advance:
        hashes = hash_rows(dataset, advance)
    cache = FeatureCache.of(config, spec.image_size) if cached else FeatureCache(None)
    see = cut_off_head(spec.network(2, seed=0).to(device).eval())[0]
    blank_image = torch.zeros(1, spec.channels, spec.image_size, spec.image_size, dtype=torch.uint8)
    width = compute(see, spec, blank_image, device, ignore).shape[1]
    known = cache.load(width, progress)
    missing = [row for row, digest in enumerate(hashes) if digest is not None and digest not in known]
    problems = list(dataset.problems)
    with progress.stage(f"Features of {spec.name}", len(missing)) as advance:
        for chunk in np.array_split(missing, max(1, -(-len(missing) // CHUNK))):
            rows = chunk.tolist()
            pixels = np.zeros((len(rows), spec.channels, spec.image_size, spec.image_size), dtype=np.uint8)
            decoded = decode(
                images.some(rows),
                (None,) * len(rows),
                spec.channels,
                spec.resize,
                pixels,
                ignore,
            )
            features = compute(see, spec, torch.from_numpy(pixels), device, advance)
            found = {}
            for row, problem, digest, values in zip(rows, decoded.problems, decoded.hashes, features, strict=True):
                problems[row] = problem or (None if digest == hashes[row] else "has changed while it was read")
                if problems[row] is None and digest is not None:
                    found[digest] = values
            cache.add(found)
            known |= found
    problems = [
        problem or ("cannot be read" if digest is None else None)
        for problem, digest in zip(problems, hashes, strict=True)
    ]
    blank = np.full(width, np.nan, dtype=np.float32)
    matrix = np.stack([blank if digest is None else known.get(digest, blank) for digest in hashes])
    return matrix, hashes, tuple(problems)


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


class FeatureCache:
    """A folder of files with features by content hash, for one network with its weights at one image size."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def of(cls, config: ModelConfig, image_size: int) -> FeatureCache:
        """The cache of a model, below `$LABELAUDIT_CACHE`, or the user's cache folder; none for random weights."""
        if not (config.pretrained or config.weights):
            return cls(None)
        weights = "pretrained" if config.weights is None else content_hash(config.weights.read_bytes())
        identity = json.dumps([config.name, weights, image_size, version("timm")])
        return cls(cache_folder() / "features" / hashlib.sha256(identity.encode()).hexdigest()[:16])

    def load(self, width: int, progress: Progress) -> dict[str, NDArray[np.float32]]:
        """All features there are; a damaged file is removed, and what it held is computed anew.

        Args:
            width: D, how many features an image has.
            progress: Told of damaged files.
        """
        known: dict[str, NDArray[np.float32]] = {}
        if self._folder is None or not self._folder.is_dir():
            return known
        remove_leftovers(self._folder)
        damaged = 0
        for path in sorted(self._folder.glob("*.safetensors")):
            try:
                known |= _features_in(path, width)
            except (OSError, DamagedError, ValueError, RecursionError):
                damaged += 1
                with suppress(OSError):
                    path.unlink()
        if damaged:
            progress.note(f"{format_count(damaged, 'damaged file')} of cached features removed: they are computed anew")
        return known

    def add(self, found: dict[str, NDArray[np.float32]]) -> None:
        """Keep features; a cache that cannot be written is no reason to stop."""
        if not found or self._folder is None:
            return
        name = content_hash("".join(found).encode())[:16]
        features = torch.from_numpy(np.stack(list(found.values())))
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            save_tensors(
                self._folder / f"{name}.safetensors", {"features": features}, {"hashes": json.dumps(list(found))}
            )


def cached_share(hashes: Hashes, config: ModelConfig, width: int) -> float:
    """The share of images whose features are in the cache, in [0, 1].

    Args:
        hashes: Their content hashes.
        config: The network, and where its weights come from.
        width: D, how many features an image has.
    """
    spec = model_spec(config, ImageSummary(grayscale=False, side=config.image_size or 1))
    known = FeatureCache.of(config, spec.image_size).load(width, NullProgress())
    return sum(digest in known for digest in hashes) / len(hashes)


def _features_in(path: Path, width: int) -> dict[str, NDArray[np.float32]]:
    """What a file of the cache holds, by content hash.

    Raises:
        DamagedError: It is not as it was written, or of another network.
        ValueError: Likewise.
        OSError: It cannot be read.
    """
    if not path.is_file():
        raise DamagedError(NOT_REGULAR)
    tensors, metadata = load_tensors(path)
    hashes, features = json.loads(metadata.get("hashes", "null")), tensors.get("features", torch.empty(0))
    if not isinstance(hashes, list) or not all(isinstance(digest, str) for digest in hashes):
        raise DamagedError("it names no images")
    if features.dtype != torch.float32 or features.shape != (len(hashes), width) or not features.isfinite().all():
        raise DamagedError(f"it does not hold {width} finite numbers of each image")
    return dict(zip(hashes, features.numpy(), strict=True))
