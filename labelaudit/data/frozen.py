"""What a frozen pretrained network sees of images: computed once, and kept by the images' content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from labelaudit.config import ModelConfig
from labelaudit.data.content import EncodedImages
from labelaudit.data.dataset import Dataset, content_hash
from labelaudit.data.hashing import hash_rows
from labelaudit.data.images import decode
from labelaudit.files import cache_folder, write_atomically
from labelaudit.models.spec import ModelSpec
from labelaudit.models.timm_models import cut_off_head
from labelaudit.progress import Progress, ignore

CHUNK = 512  # images decoded at a time
BATCH = 32

Problems = tuple[str | None, ...]


def frozen_features(
    dataset: Dataset, images: EncodedImages, spec: ModelSpec, config: ModelConfig, device: torch.device,
    progress: Progress, *, cached: bool = True,
) -> tuple[NDArray[np.float32], tuple[str | None, ...], Problems]:  # fmt: skip
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
    known = cache.load()
    missing = [row for row, digest in enumerate(hashes) if digest is not None and digest not in known]
    problems = list(dataset.problems)
    see = cut_off_head(spec.network(2, seed=0).to(device).eval())[0]
    with progress.stage(f"Features of {spec.name}", len(missing)) as advance:
        for chunk in np.array_split(missing, max(1, -(-len(missing) // CHUNK))):
            rows = chunk.tolist()
            pixels = np.zeros((len(rows), spec.channels, spec.image_size, spec.image_size), dtype=np.uint8)
            decoded = decode(
                images.some(rows), (None,) * len(rows), spec.channels,
                spec.resize, pixels, ignore,
            )  # fmt: skip
            features = compute(see, spec, torch.from_numpy(pixels), device, advance)
            found = {}
            for row, problem, values in zip(rows, decoded.problems, features, strict=True):
                problems[row] = problem
                if problem is None and (digest := hashes[row]) is not None:
                    found[digest] = values
            cache.add(found)
            known |= found
    problems = [
        problem or ("cannot be read" if digest is None else None)
        for problem, digest in zip(problems, hashes, strict=True)
    ]
    width = len(next(iter(known.values()))) if known else 1
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

    def load(self) -> dict[str, NDArray[np.float32]]:
        """All features there are; a damaged file counts as none."""
        known: dict[str, NDArray[np.float32]] = {}
        for path in sorted(self._folder.glob("*.safetensors")) if self._folder else []:
            try:
                with safe_open(path, framework="np") as file:
                    hashes = json.loads((file.metadata() or {})["hashes"])
                    known |= dict(zip(hashes, file.get_tensor("features"), strict=True))
            except (OSError, SafetensorError, KeyError, ValueError):
                continue
        return known

    def add(self, found: dict[str, NDArray[np.float32]]) -> None:
        """Keep features; a cache that cannot be written is no reason to stop."""
        if not found or self._folder is None:
            return
        name = content_hash("".join(found).encode())[:16]
        tensors = {"features": np.stack(list(found.values()))}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(
                self._folder / f"{name}.safetensors",
                lambda file: save_file(tensors, file, metadata={"hashes": json.dumps(list(found))}),
            )
        except (OSError, SafetensorError):
            return
