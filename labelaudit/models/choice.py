"""Which network images get where the user names none: a pretrained one if it is at hand, for photographs."""

from __future__ import annotations

from pathlib import Path

from labelaudit.config import AuditConfig
from labelaudit.data.content import EncodedImages
from labelaudit.data.dataset import Dataset
from labelaudit.data.images import ImageSummary, summarise_images
from labelaudit.models.registry import PHOTOGRAPH_SIDE
from labelaudit.models.timm_models import is_timm_model
from labelaudit.progress import Progress
from labelaudit.runtime.hub import cached_models

DOWNLOADED = "resnet18"  # where pretrained weights are asked for, and no network is named
PREFERRED = ("resnet50", "convnext_tiny", "resnet34", "resnet18", "efficientnet_b0", "tf_efficientnet_lite0")
"""Those that see well and cost little on a CPU, the best first; of others the smallest file is taken."""
LARGEST_WEIGHTS = 400_000_000  # bytes of a network that is taken unasked


def are_photographs(images: ImageSummary) -> bool:
    """Whether images are in colour and large enough for a network trained from nothing on them to see little."""
    return not images.grayscale and images.side >= PHOTOGRAPH_SIDE


def choose_network(config: AuditConfig, dataset: Dataset, progress: Progress) -> AuditConfig:
    """Name the network for images where the settings leave it open; what is chosen is noted.

    A file of weights says by its name which network it is of. Otherwise photographs get the head of a pretrained
    network if the weights of one are asked for, or lie in the Hugging Face cache.

    Args:
        config: The settings.
        dataset: The rows.
        progress: Told what was chosen.

    Returns:
        The settings, with the network named if one was chosen.
    """
    model, changes_images = config.model, config.training.augmentation != "none"
    if model.name is not None or not isinstance(dataset.content, EncodedImages):
        return config
    if model.weights is not None:
        name, why = _named_by_weights(model.weights), "which the weights are called after"
    elif model.pretrained:
        name, why = DOWNLOADED, "for none is named"
    else:
        images = summarise_images(dataset.content, dataset.problems)
        wanted = images is not None and are_photographs(images) and not changes_images
        name, why = _at_hand() if wanted else None, "whose pretrained weights are in the cache"
    if name is None:
        return config
    trained = "head" if model.train == "all" and not changes_images else model.train
    progress.note(f"`model` is {name}, {why}, with `train` {trained}; give `model` for another")
    pretrained = model.weights is None
    chosen = model.model_copy(update={"name": name, "pretrained": pretrained, "train": trained})
    return config.model_copy(update={"model": chosen})


def _named_by_weights(weights: Path) -> str | None:
    """The timm model that a file of weights is called after, such as `resnet18.safetensors`; None if there is none."""
    name = weights.name.split(".")[0]
    return name if is_timm_model(name) else None


def _at_hand() -> str | None:
    """A timm model whose weights are in the Hugging Face cache; None if there is none."""
    sizes = {
        name: size for name, size in cached_models("timm").items() if size <= LARGEST_WEIGHTS and is_timm_model(name)
    }
    known = [name for preferred in PREFERRED for name in sorted(sizes) if name.split(".")[0] == preferred]
    return known[0] if known else min(sizes, key=lambda name: (sizes[name], name), default=None)
