"""Features of images that were computed before: one folder for each network, files found by the images' content."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from labelaudit.config import ModelConfig
from labelaudit.data.dataset import content_hash
from labelaudit.errors import InputError
from labelaudit.likeness.images import Thumbnails
from labelaudit.progress import Progress
from labelaudit.runtime.files import cache_folder
from labelaudit.runtime.locks import remove_leftovers
from labelaudit.runtime.regular_files import NOT_REGULAR
from labelaudit.runtime.sealed import DamagedError
from labelaudit.runtime.tensor_files import load_tensors, read_metadata, save_tensors
from labelaudit.units import format_bytes, format_count

USUAL_LIMIT = 10.0  # GB
LIMIT_VARIABLE = "LABELAUDIT_CACHE_LIMIT"

Keep = Callable[[str, NDArray[np.float32], Thumbnails | None], None]
"""Takes the content hash of an image, its features, shape (D,), and its thumbnail, (C, s, s), if there is one."""


class FeatureCache:
    """A folder of files with features by content hash, for one network with its weights at one image size.

    Each file is written once and whole, under a name that follows from what it holds: several processes may add to a
    folder. Which images a file holds is in its header, so that one without any that is wanted is not read.
    """

    def __init__(self, folder: Path | None, network: str = "") -> None:
        self._folder, self._network = folder, network

    @classmethod
    def of(cls, config: ModelConfig, image_size: int) -> FeatureCache:
        """The cache of a model, below `$LABELAUDIT_CACHE`, or the user's cache folder; none for random weights."""
        if not (config.pretrained or config.weights):
            return cls(None)
        weights = "pretrained" if config.weights is None else content_hash(config.weights.read_bytes())
        identity = json.dumps([config.name, weights, image_size, version("timm")])
        folder = _features_folder() / hashlib.sha256(identity.encode()).hexdigest()[:16]
        return cls(folder, f"{config.name}, {image_size} px")

    def load(
        self, wanted: Collection[str], width: int, small: tuple[int, ...], progress: Progress, keep: Keep
    ) -> set[str]:
        """Hand over the features of wanted images; a damaged file is removed, and what it held is computed anew.

        Args:
            wanted: Content hashes of images.
            width: D, how many features an image has.
            small: C, s, s, the shape of a thumbnail.
            progress: Told of damaged files.
            keep: Given each image's.

        Returns:
            The content hashes of those that were found.
        """
        found: set[str] = set()
        if self._folder is None or not self._folder.is_dir():
            return found
        remove_leftovers(self._folder)
        wanted, damaged = set(wanted), 0
        for path in sorted(self._folder.glob("*.safetensors")):
            try:
                if wanted.isdisjoint(_hashes_in(path)):
                    continue
                for digest, features, thumbnail in _features_in(path, width, small):
                    if digest in wanted:
                        keep(digest, features, thumbnail)
                        found.add(digest)
                os.utime(path)  # for `keep_within_limit`
            except FileNotFoundError:  # another process has removed it
                continue
            except (OSError, DamagedError, ValueError, RecursionError):
                damaged += 1
                with suppress(OSError):
                    path.unlink()
        if damaged:
            progress.note(f"{format_count(damaged, 'damaged file')} of cached features removed: they are computed anew")
        return found

    def known(self, wanted: Collection[str]) -> set[str]:
        """Which images of some content hashes have features here, by what the files say of themselves."""
        found: set[str] = set()
        if self._folder is not None:
            for path in self._folder.glob("*.safetensors"):
                with suppress(OSError, DamagedError, ValueError, RecursionError):
                    found |= set(wanted).intersection(_hashes_in(path))
        return found

    def add(self, found: Mapping[str, tuple[NDArray[np.float32], Thumbnails]]) -> None:
        """Keep features and thumbnails by content hash; a cache that cannot be written is no reason to stop."""
        if not found or self._folder is None:
            return
        name = content_hash("".join(found).encode())[:16]
        tensors = {
            "features": torch.from_numpy(np.stack([features for features, _ in found.values()])),
            "thumbnails": torch.from_numpy(np.stack([thumbnail for _, thumbnail in found.values()])),
        }
        said = {"hashes": json.dumps(list(found)), "network": self._network}
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            save_tensors(self._folder / f"{name}.safetensors", tensors, said)


@dataclass(frozen=True)
class CachedNetwork:
    """What the cache holds of one network.

    Attributes:
        network: Its name and image size.
        images: Of how many images; those in two files count twice.
        size: Bytes.
        used: When it was last used, in seconds since 1970.
    """

    network: str
    images: int
    size: int
    used: float


def cached_networks() -> list[CachedNetwork]:
    """What the cache holds, the last used first."""
    found = []
    for folder in _features_folder().glob("*/"):
        network, images, size, used = "unknown", 0, 0, 0.0
        for path in folder.glob("*.safetensors"):
            with suppress(OSError):
                state = path.stat()
                size, used = size + state.st_size, max(used, state.st_mtime)
            with suppress(OSError, DamagedError, ValueError, RecursionError):
                metadata = read_metadata(path)
                images += len(_hashes_of(metadata))
                network = metadata.get("network", network)
        if size:
            found.append(CachedNetwork(network, images, size, used))
    return sorted(found, key=lambda one: -one.used)


def clear_cache() -> int:
    """Remove all cached features; return how many bytes that were."""
    freed = 0
    for folder in _features_folder().glob("*/"):
        remove_leftovers(folder)
        for path in folder.glob("*.safetensors"):
            freed += _remove(path)
        with suppress(OSError):  # another process has just added to it
            folder.rmdir()
    return freed


def cache_limit() -> float:
    """How large cached features may be, all together, in bytes.

    Raises:
        InputError: The environment variable is no number.
    """
    text = os.environ.get(LIMIT_VARIABLE, "")
    try:
        limit = float(text or USUAL_LIMIT)
        if not 0 <= limit < math.inf:
            raise ValueError
    except ValueError as error:
        raise InputError(f"{LIMIT_VARIABLE} is {text!r}: give a number of GB, 0 or more") from error
    return 1e9 * limit


def keep_within_limit(progress: Progress) -> None:
    """Remove the features used least recently where there are more than may be, and say so."""
    files = []
    for path in _features_folder().glob("*/*.safetensors"):
        with suppress(OSError):
            state = path.stat()
            files.append((state.st_mtime, state.st_size, path))
    total, limit, removed = sum(size for _, size, _ in files), cache_limit(), 0
    for _, size, path in sorted(files):
        if total - removed <= limit:
            break
        removed += _remove(path) or size
    if removed:
        progress.note(
            f"{format_bytes(removed)} of cached features removed, those used least recently: at most "
            f"{format_bytes(int(limit))} are kept (LABELAUDIT_CACHE_LIMIT, in GB)"
        )


def _features_folder() -> Path:
    return cache_folder() / "features"


def _remove(path: Path) -> int:
    """Remove a file, if another process has not; return how many bytes that were."""
    with suppress(OSError):
        size = path.stat().st_size
        path.unlink()
        return size
    return 0


def _hashes_in(path: Path) -> list[str]:
    """The images of a file, by its header alone.

    Raises:
        DamagedError: It has no such header.
        ValueError: Likewise.
        OSError: It cannot be read.
    """
    if not path.is_file():
        raise DamagedError(NOT_REGULAR)
    return _hashes_of(read_metadata(path))


def _hashes_of(metadata: Mapping[str, str]) -> list[str]:
    """The images that a header names.

    Raises:
        DamagedError: It names none.
        ValueError: Likewise.
    """
    hashes = json.loads(metadata.get("hashes", "null"))
    if not isinstance(hashes, list) or not all(isinstance(digest, str) for digest in hashes):
        raise DamagedError("it names no images")
    return hashes


def _features_in(
    path: Path, width: int, small: tuple[int, ...]
) -> Iterator[tuple[str, NDArray[np.float32], Thumbnails | None]]:
    """What a file holds, by content hash; nothing of it is given before all of it is checked.

    Raises:
        DamagedError: It is not as it was written, or of another network.
        ValueError: Likewise.
        OSError: It cannot be read.
    """
    tensors, metadata = load_tensors(path)
    hashes, features = _hashes_of(metadata), tensors.get("features", torch.empty(0))
    if features.dtype != torch.float32 or features.shape != (len(hashes), width) or not features.isfinite().all():
        raise DamagedError(f"it does not hold {width} finite numbers of each image")
    if "thumbnails" not in tensors:  # as those before version 0.2 are
        return zip(hashes, features.numpy(), [None] * len(hashes), strict=True)
    thumbnails = tensors["thumbnails"]
    if thumbnails.dtype != torch.uint8 or thumbnails.shape != (len(hashes), *small):
        raise DamagedError("it does not hold a thumbnail of each image")
    return zip(hashes, features.numpy(), thumbnails.numpy(), strict=True)
