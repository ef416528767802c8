"""Any timm model, with the input transform of its own data configuration.

timm takes as long to import as all else together, and is not imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from labelaudit.config import ModelConfig
from labelaudit.errors import InputError
from labelaudit.models.spec import ModelSpec, TrainingDefaults
from labelaudit.models.weights import check_names, read_weights
from labelaudit.runtime.hub import cached_models, is_reachable, without_retries

CONVOLUTIONAL = TrainingDefaults(epochs=3, learning_rate=0.001)
TRANSFORMER = TrainingDefaults(epochs=3, learning_rate=0.0003)


def is_timm_model(name: str) -> bool:
    """Whether timm has a model of that name."""
    import timm

    return bool(timm.is_model(name))


def timm_names() -> list[str]:
    """The names of all of timm's models."""
    import timm

    return list(timm.list_models())


def timm_spec(name: str, config: ModelConfig) -> ModelSpec:
    """Describe the timm model of that name; weights are loaded when it is built.

    Raises:
        InputError: On building, if the weights cannot be had or do not fit.
    """
    import timm
    from timm.data import create_transform, resolve_data_config

    pretrained_cfg = timm.get_pretrained_cfg(name).to_dict()
    size = config.image_size
    data = resolve_data_config({"input_size": (3, size, size)} if size else {}, pretrained_cfg=pretrained_cfg)
    # timm's evaluation transform up to, but without, the conversion to a tensor.
    steps = create_transform(**data, is_training=False, normalize=False).transforms[:-1]
    mean = torch.tensor(data["mean"])[:, None, None]
    std = torch.tensor(data["std"])[:, None, None]

    def resize(image: Image.Image) -> Image.Image:
        for step in steps:
            image = step(image)
        return image

    def normalise(images: Tensor) -> Tensor:
        return (images - mean.to(images)) / std.to(images)

    def build(num_classes: int) -> nn.Module:
        arguments = {"img_size": size} if size and pretrained_cfg.get("fixed_input_size") else {}
        return _create(name, config, num_classes, arguments)

    untrained = not (config.pretrained or config.weights)
    return ModelSpec(
        name=name,
        channels=3,
        image_size=data["input_size"][1],
        resize=resize,
        normalise=normalise,
        build=build,
        # timm fixes the input size of transformers, whose position embeddings depend on it.
        defaults=TRANSFORMER if pretrained_cfg.get("fixed_input_size") else CONVOLUTIONAL,
        notes=("its weights are random: give `pretrained` or `weights`, or it will see little",) * untrained,
    )


def cut_off_head(network: nn.Module) -> tuple[Callable[[Tensor], Tensor], nn.Module]:
    """A timm network as what its head sees of images, (B, C, S, S) to (B, D), and the head, (B, D) to logits.

    Raises:
        InputError: It is not timm's, and has no such parts.
    """
    if not (hasattr(network, "forward_features") and hasattr(network, "get_classifier")):
        raise InputError(f"{type(network).__name__} has no head of its own to be trained alone; choose a timm model")
    backbone: Any = network

    def features(images: Tensor) -> Tensor:
        pooled: Tensor = backbone.forward_head(backbone.forward_features(images), pre_logits=True)
        return pooled

    head: nn.Module = backbone.get_classifier()
    return features, head


def class_tokens(network: nn.Module, blocks: int) -> Callable[[Tensor], Tensor]:
    """What a vision transformer's last blocks say of images, as DINOv2's own linear evaluation reads it.

    Args:
        network: The transformer.
        blocks: How many blocks.

    Returns:
        Maps images (B, C, S, S) to the blocks' class tokens, each through the network's last norm, (B, blocks · D).

    Raises:
        InputError: It is not timm's, has no class token, or not so many blocks.
    """
    transformer: Any = network
    if not (hasattr(network, "forward_intermediates") and getattr(network, "num_prefix_tokens", False)):
        raise InputError(f"{type(network).__name__} has no class token; choose a vision transformer of timm's")
    if blocks > len(transformer.blocks):
        raise InputError(f"{type(network).__name__} has {len(transformer.blocks)} blocks, not {blocks}")

    def features(images: Tensor) -> Tensor:
        found = transformer.forward_intermediates(
            images, indices=blocks, return_prefix_tokens=True, norm=True, output_fmt="NLC", intermediates_only=True
        )
        return torch.cat([prefix[:, 0] for _, prefix in found], dim=1)

    return features


def _is_cached(name: str) -> bool:
    """Whether the Hugging Face cache has the weights of a model, which then need no connection."""
    import timm

    hub_id = timm.get_pretrained_cfg(name).to_dict().get("hf_hub_id") or ""
    return hub_id.startswith("timm/") and hub_id.removeprefix("timm/") in cached_models("timm")


def _create(name: str, config: ModelConfig, num_classes: int, arguments: dict[str, int]) -> nn.Module:
    import timm

    state = read_weights(config.weights) if config.weights else None
    downloads = config.pretrained and not _is_cached(name)
    reachable = downloads and is_reachable()
    try:
        with without_retries(offline=not reachable):
            created = timm.create_model(
                name,
                pretrained=config.pretrained or state is not None,
                pretrained_cfg_overlay={} if state is None else {"state_dict": dict(state)},
                num_classes=num_classes,
                **arguments,
            )
    # What timm raises for weights that cannot be had or do not fit depends on the model.
    except Exception as error:
        reason = str(error).strip().splitlines()[-1].strip()
        if config.weights:
            raise InputError(f"{config.weights} does not fit {name}: {reason}", option="weights") from error
        if config.pretrained:
            reason = reason if reachable or not downloads else "the Hugging Face hub cannot be reached"
            raise InputError(
                f"the weights of {name} could not be had ({reason}); give them with `weights`", option="pretrained"
            ) from error
        raise InputError(f"`model` {name} cannot be built: {reason}") from error
    module: nn.Module = created
    pretrained_cfg = timm.get_pretrained_cfg(name)
    if state is not None and config.weights:
        head = pretrained_cfg.classifier or ()
        check_names(module, state, config.weights, name, (head,) if isinstance(head, str) else tuple(head))
    if (config.pretrained or config.weights) and num_classes != pretrained_cfg.num_classes:
        # A new head's random logits would send gradients through the backbone that wreck it in a few steps.
        for parameter in created.get_classifier().parameters():
            nn.init.zeros_(parameter)
    return module
