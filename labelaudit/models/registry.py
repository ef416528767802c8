"""A model's name → its specification."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import sys
from collections.abc import Callable

import timm
from PIL import Image
from torch import nn

from labelaudit.config import ModelConfig
from labelaudit.data.examples import standardise_each
from labelaudit.data.images import ImageSummary
from labelaudit.errors import InputError
from labelaudit.models.paper import cnn, dnn, logistic_regression
from labelaudit.models.spec import ModelSpec, TrainingDefaults
from labelaudit.models.timm_models import timm_spec
from labelaudit.models.weights import load_whole

Factory = Callable[..., nn.Module]

SMALL_MODELS: dict[str, tuple[Factory, TrainingDefaults]] = {
    "lr": (logistic_regression, TrainingDefaults(epochs=5, learning_rate=0.003)),
    "dnn": (dnn, TrainingDefaults(epochs=5, learning_rate=0.01)),
    "cnn": (cnn, TrainingDefaults(epochs=6, learning_rate=0.01)),
}
CUSTOM_DEFAULTS = TrainingDefaults(epochs=5, learning_rate=0.01)
LARGEST_SMALL_INPUT = 64  # pixels: what a model trained from nothing on a CPU can make use of


def model_spec(config: ModelConfig, images: ImageSummary) -> ModelSpec:
    """Find the model a name stands for: `lr`, `dnn`, `cnn`, `package.module:factory`, or any timm model.

    A factory is called with those of the keyword arguments `num_classes`, `channels` and `image_size` that it
    takes, and returns a module that maps images (B, channels, image_size, image_size), each standardised, to
    logits (B, num_classes).

    Raises:
        InputError: There is no such model, or options do not go together.
    """
    if config.pretrained and (config.name in SMALL_MODELS or ":" in config.name):
        raise InputError(f"--pretrained: there are no pretrained weights for {config.name}; choose a timm model")
    if config.pretrained and config.weights:
        raise InputError("--pretrained and --weights exclude each other")
    if config.name in SMALL_MODELS:
        factory, defaults = SMALL_MODELS[config.name]
        return _own_spec(config, images, factory, defaults)
    if ":" in config.name:
        return _own_spec(config, images, _import_factory(config.name), CUSTOM_DEFAULTS)
    if timm.is_model(config.name):
        return timm_spec(config)
    names = [*SMALL_MODELS, *timm.list_models()]
    near = difflib.get_close_matches(config.name, names, n=5, cutoff=0.5)
    raise InputError(
        f"no model {config.name!r}"
        + (f"; the nearest names are {', '.join(near)}" if near else "")
        + " (lr, dnn, cnn, any timm model, or your own as package.module:factory)"
    )


def _own_spec(config: ModelConfig, images: ImageSummary, factory: Factory, defaults: TrainingDefaults) -> ModelSpec:
    """A network trained on standardised squares of the images' own colour and, up to a limit, size."""
    channels = 1 if images.grayscale else 3
    size = config.image_size or max(8, min(images.side, LARGEST_SMALL_INPUT))
    known = {"channels": channels, "image_size": size}
    parameters = inspect.signature(factory).parameters.values()
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    names = {parameter.name for parameter in parameters}

    def build(num_classes: int) -> nn.Module:
        arguments = {"num_classes": num_classes, **known}
        try:
            module = factory(**{key: value for key, value in arguments.items() if takes_any or key in names})
        except TypeError as error:
            raise InputError(f"--model {config.name}: the factory cannot be called: {error}") from error
        if not isinstance(module, nn.Module):
            raise InputError(f"--model {config.name} returned {type(module).__name__}, not a torch.nn.Module")
        if config.weights:
            load_whole(module, config.weights, config.name)
        return module

    small = config.image_size is None and images.side > LARGEST_SMALL_INPUT
    return ModelSpec(
        name=config.name,
        channels=channels,
        image_size=size,
        resize=functools.partial(_squash, size=size),
        normalise=standardise_each,
        build=build,
        defaults=defaults,
        notes=(
            f"images are shrunk to {size}×{size}; for photographs a pretrained network sees far more, for example "
            "--model resnet18 --pretrained",
        )
        * small,
    )


def _squash(image: Image.Image, size: int) -> Image.Image:
    return image if image.size == (size, size) else image.resize((size, size), Image.Resampling.BILINEAR)


def _import_factory(name: str) -> Factory:
    module_name, _, attribute = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does: the user's own code lies in the working directory
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        raise InputError(f"--model {name}: {error}; is it in the working directory or installed?") from error
    except AttributeError as error:
        raise InputError(f"--model {name}: {module_name} has no {attribute!r}") from error
    if not callable(factory):
        raise InputError(f"--model {name} is not callable")
    return factory  # type: ignore[no-any-return]  # a user's module is untyped
