"""Read all rows once: checked, hashed, and as what a network takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from labelaudit.audit.frozen_features import frozen_features
from labelaudit.audit.inputs import FeatureInputs, ImageInputs, Inputs
from labelaudit.config import ModelConfig
from labelaudit.data.content import EncodedImages, Texts, Vectors
from labelaudit.data.dataset import Dataset
from labelaudit.data.encoders import join
from labelaudit.data.hashing import hash_rows
from labelaudit.data.images import DEEP, ImageSummary, decode, summarise_images
from labelaudit.data.pixels import DecodedAnew, allocate, choose_place
from labelaudit.errors import InputError
from labelaudit.likeness.images import Thumbnails, thumbnail_side
from labelaudit.models.registry import feature_model, model_spec
from labelaudit.models.spec import ModelSpec
from labelaudit.models.timm_models import is_timm_model
from labelaudit.progress import Progress
from labelaudit.types import Hashes, Problems


@dataclass(frozen=True)
class ReadRows:
    """All rows of some datasets, one after the other.

    Attributes:
        inputs: What they are to a network.
        hashes: Their content hashes, None where nothing could be read.
        problems: Why one cannot be used, None where it can.
        thumbnails: Of images, where they were asked for, uint8, shape (N, C, s, s).
    """

    inputs: Inputs
    hashes: Hashes
    problems: Problems
    thumbnails: Thumbnails | None = None


def read_inputs(
    parts: list[Dataset],
    config: ModelConfig,
    classes: int,
    device: torch.device,
    progress: Progress,
    custom_model: nn.Module | None = None,
    *,
    cached: bool = True,
    like: ImageSummary | None = None,
    thumbnails: bool = False,
) -> ReadRows:
    """Read all rows of the datasets, one after the other.

    Args:
        parts: Datasets of one kind; the first decides how rows are prepared.
        config: The model.
        classes: C.
        device: Where a frozen network computes its features.
        progress: Told how far it is.
        custom_model: A network made by the user, instead of `config.name`.
        cached: Whether what a frozen network sees may come from the cache, and go there.
        like: What the network takes, whatever the images are like now; None to look at them.
        thumbnails: Whether images are wanted small, too, to be compared.

    Raises:
        InputError: They are of different kinds, nothing can be read, or the model does not go with them.
    """
    first = parts[0]
    if any(type(part.content) is not type(first.content) for part in parts):
        raise InputError(
            f"{parts[1].source} is a {parts[1].kind}, unlike {first.source}, a {first.kind}", option="test"
        )
    for part in parts:
        for note in part.notes:
            progress.note(f"{part.source}: {note}")
    if isinstance(first.content, EncodedImages):
        return (
            _read_frozen(parts, first.content, config, device, progress, cached)
            if config.train == "head"
            else _read_images(
                parts, first.content, config, classes, progress, custom_model, like, thumbnails=thumbnails
            )
        )
    if config.train == "head":
        raise InputError("`train` head is for images and a pretrained network; these rows need none")
    if config.text_encoding != "auto" and not isinstance(first.content, Texts):
        raise InputError(f"`text_encoding` {config.text_encoding} is for texts, which these are not")
    model = feature_model(config, custom_model)
    with progress.stage("Reading rows", sum(map(len, parts))) as advance:
        hashes = tuple(digest for part in parts for digest in hash_rows(part, advance))
    problems = tuple(problem for part in parts for problem in part.problems)
    content = join([part.content for part in parts])
    return ReadRows(FeatureInputs(model, content, config.text_encoding), hashes, problems)


def _read_images(
    parts: list[Dataset],
    first: EncodedImages,
    config: ModelConfig,
    classes: int,
    progress: Progress,
    custom_model: nn.Module | None,
    like: ImageSummary | None,
    *,
    thumbnails: bool,
) -> ReadRows:
    summary = like or summarise_images(first, parts[0].problems)
    if summary is None:
        problem = next((problem for problem in parts[0].problems if problem is not None), None)
        raise InputError(
            f"none of the {len(parts[0])} images in {parts[0].source} can be read"
            + (f" ({problem})" if problem else "")
        )
    _say_if_deep(summary, progress)
    spec = model_spec(config, summary, custom_model)
    spec.network(classes, seed=0)  # weights that do not fit are better known before the images are read
    for note in spec.notes:
        progress.note(f"{spec.name}: {note}")
    return _decode_all(parts, spec, config, progress, thumbnails=thumbnails)


def _say_if_deep(summary: ImageSummary, progress: Progress) -> None:
    if summary.deep:
        progress.note(DEEP)


def _decode_all(
    parts: list[Dataset], spec: ModelSpec, config: ModelConfig, progress: Progress, *, thumbnails: bool
) -> ReadRows:
    images = _joined(parts)
    problems = tuple(problem for part in parts for problem in part.problems)
    shape = (len(problems), spec.channels, spec.image_size, spec.image_size)
    place = choose_place(shape, config.image_cache, config.image_cache_limit)
    kept = None if place == "none" else allocate(shape, place)
    side = thumbnail_side(spec.image_size)
    own_size = side == spec.image_size and kept is not None  # then an image is its own thumbnail
    small = None
    if thumbnails and not own_size:
        small = allocate((*shape[:2], side, side), "memory" if place == "none" else place)
    with progress.stage("Reading images", len(problems)) as advance:
        decoded = decode(images, problems, spec.channels, spec.resize, kept, advance, small)

    def decode_anew(
        rows: Sequence[int], pixels: NDArray[np.uint8] | None, advance: Callable[[int], None]
    ) -> dict[int, str]:
        before = tuple(decoded.problems[row] for row in rows)
        now = decode(images.some(rows), before, spec.channels, spec.resize, pixels, advance)
        return {
            row: problem or "has changed since the run began"
            for row, digest, problem, old in zip(rows, now.hashes, now.problems, before, strict=True)
            if old is None and (problem is not None or digest != decoded.hashes[row])
        }

    pixels = DecodedAnew(decode_anew, shape) if kept is None else torch.from_numpy(kept)
    return ReadRows(
        ImageInputs(spec, pixels), decoded.hashes, decoded.problems, kept if thumbnails and own_size else small
    )


def _joined(parts: list[Dataset]) -> EncodedImages:
    """The images of all parts, one after the other."""
    contents = [part.content for part in parts]
    starts = np.cumsum([0, *map(len, parts)])

    def read(row: int) -> bytes:
        number = int(np.searchsorted(starts, row, side="right")) - 1
        content = contents[number]
        assert isinstance(content, EncodedImages)
        return content.read(row - int(starts[number]))

    return EncodedImages(read)


def _read_frozen(
    parts: list[Dataset],
    first: EncodedImages,
    config: ModelConfig,
    device: torch.device,
    progress: Progress,
    cached: bool,
) -> ReadRows:
    """Images as a frozen network sees them, for a linear layer to be trained on."""
    summary = summarise_images(first, parts[0].problems)
    if config.name is None or not is_timm_model(config.name) or summary is None:
        raise InputError("`train` head needs readable images and a `model` of timm, with `pretrained` or `weights`")
    _say_if_deep(summary, progress)
    spec = model_spec(config, summary)
    for note in spec.notes:
        progress.note(f"{spec.name}: {note}")
    found = []
    for part in parts:
        assert isinstance(part.content, EncodedImages)
        found.append(frozen_features(part, part.content, spec, config, device, progress, cached=cached))
    head = replace(feature_model(ModelConfig(name="lr")), name=f"{spec.name}, head only")
    return ReadRows(
        FeatureInputs(head, Vectors(np.concatenate([part.features for part in found]))),
        tuple(digest for part in found for digest in part.hashes),
        tuple(problem for part in found for problem in part.problems),
        np.concatenate([part.thumbnails for part in found]),
    )
