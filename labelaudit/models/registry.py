"""A model's name → what it takes, its training defaults, and how to build it."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

from PIL import Image
from torch import nn

from labelaudit.config import ModelConfig
from labelaudit.data.batches import standardise_each
from labelaudit.data.images import ImageSummary
from labelaudit.errors import InputError
from labelaudit.models.paper import cnn, dnn, logistic_regression
from labelaudit.models.spec import FeatureModel, ModelSpec, TrainingDefaults
from labelaudit.models.timm_models import is_timm_model, timm_names, timm_spec
from labelaudit.models.weights import load_whole

Factory = Callable[..., nn.Module]

SMALL_MODELS: dict[str, tuple[Factory, TrainingDefaults]] = {
    "lr": (logistic_regression, TrainingDefaults(epochs=5, learning_rate=0.003, from_nothing=True, by_norm=True)),
    "dnn": (dnn, TrainingDefaults(epochs=5, learning_rate=0.01, from_nothing=True)),
    "cnn": (cnn, TrainingDefaults(epochs=6, learning_rate=0.01, from_nothing=True)),
}
CUSTOM_DEFAULTS = TrainingDefaults(epochs=5, learning_rate=0.01)
IMAGE_MODEL, FEATURE_MODEL = "cnn", "lr"  # where none is named
PHOTOGRAPH_SIDE = 32  # pixels: colour images from this side on are taken for photographs
NEEDS_PRETRAINED = (
    "photographs of this size need a pretrained network: `model` resnet18 with `pretrained` and `train` head"
)
LARGEST_SMALL_INPUT = 64  # pixels: what a model trained from nothing on a CPU can make use of


def model_spec(config: ModelConfig, images: ImageSummary, custom_model: nn.Module | None = None) -> ModelSpec:
    """Find the network for images that a name stands for: `lr`, `dnn`, `cnn`, `package.module:factory`, any of timm's.

    A factory is called with those of the keyword arguments `num_classes`, `channels`, `image_size` and `num_features`
    (channels · image_size²) that it takes, and returns a module that maps images (B, channels, image_size, image_size),
    each standardised, to logits (B, num_classes).

    Args:
        config: The name, the weights and the images' size.
        images: What the images are like.
        custom_model: A network made by the user, copied for each fold and trained from the parameters it has.

    Raises:
        InputError: There is no such model, or options do not go together.
    """
    name = config.name or IMAGE_MODEL
    if custom_model is not None:
        return _own_spec(type(custom_model).__name__, config, images, lambda: deepcopy(custom_model), CUSTOM_DEFAULTS)
    if config.pretrained and (name in SMALL_MODELS or ":" in name):
        raise InputError(f"there are no pretrained weights for {name}; choose a timm model", option="pretrained")
    if config.pretrained and config.weights:
        raise InputError("`pretrained` and `weights` exclude each other")
    if name in SMALL_MODELS:
        factory, defaults = SMALL_MODELS[name]
        return _own_spec(name, config, images, factory, defaults)
    if ":" in name:
        return _own_spec(name, config, images, _import_factory(name), CUSTOM_DEFAULTS)
    if is_timm_model(name):
        return timm_spec(name, config)
    raise _no_such_model(name, [*SMALL_MODELS, *timm_names()])


def feature_model(config: ModelConfig, custom_model: nn.Module | None = None) -> FeatureModel:
    """Find the network for rows of numbers that a name stands for: `lr`, `dnn` or `package.module:factory`.

    A factory is called with those of the keyword arguments `num_classes` and `num_features` that it takes, and returns
    a module that maps (B, num_features) to logits (B, num_classes).

    Args:
        config: The name and the weights.
        custom_model: A network made by the user, copied for each fold and trained from the parameters it has.

    Raises:
        InputError: There is no such model, or it takes images.
    """
    name = config.name or FEATURE_MODEL
    if custom_model is not None:
        return FeatureModel(
            type(custom_model).__name__, lambda num_classes, num_features: deepcopy(custom_model), CUSTOM_DEFAULTS
        )
    if name not in ("lr", "dnn") and ":" not in name:
        if name == "cnn" or is_timm_model(name):
            raise InputError(f"`model` {name} takes images; for other data choose lr, dnn, or your own factory")
        raise _no_such_model(name, ["lr", "dnn"])
    if config.pretrained or config.image_size:
        raise InputError(f"--{'pretrained' if config.pretrained else 'image-size'} is for images, which these are not")
    factory, defaults = SMALL_MODELS[name] if name in SMALL_MODELS else (_import_factory(name), CUSTOM_DEFAULTS)

    def build(num_classes: int, num_features: int) -> nn.Module:
        return _build(factory, {"num_classes": num_classes, "num_features": num_features}, name, config.weights)

    return FeatureModel(name, build, defaults, takes_any_width=name in SMALL_MODELS and config.weights is None)


def _own_spec(
    name: str, config: ModelConfig, images: ImageSummary, factory: Factory, defaults: TrainingDefaults
) -> ModelSpec:
    """A network trained on standardised squares of the images' own colour and, up to a limit, size."""
    channels = 1 if images.grayscale else 3
    size = config.image_size or max(8, min(images.side, LARGEST_SMALL_INPUT))
    known = {"channels": channels, "image_size": size, "num_features": channels * size**2}

    def build(num_classes: int) -> nn.Module:
        return _build(factory, {"num_classes": num_classes, **known}, name, config.weights)

    notes = []
    if config.image_size is None and images.side > LARGEST_SMALL_INPUT:
        notes.append(f"images are shrunk to {size}×{size}")
    if defaults.from_nothing and channels == 3 and size >= PHOTOGRAPH_SIDE and config.weights is None:
        notes.append(NEEDS_PRETRAINED)
    return ModelSpec(
        name=name,
        channels=channels,
        image_size=size,
        resize=functools.partial(_squash, size=size),
        normalise=standardise_each,
        build=build,
        defaults=defaults,
        notes=tuple(notes),
    )


def _build(factory: Factory, arguments: dict[str, int], name: str, weights: Path | None) -> nn.Module:
    """Call a factory with what it takes of the arguments.

    Raises:
        InputError: It raises something itself, returns no network, or the weights do not fit.
    """
    try:
        parameters = inspect.signature(factory).parameters.values()
        takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
        names = {parameter.name for parameter in parameters}
        module = factory(**{key: value for key, value in arguments.items() if takes_any or key in names})
    except MemoryError:
        raise
    # A user's own code raises what it likes; `sys.exit` is a factory, too.
    except (Exception, SystemExit) as error:
        raise InputError(f"`model` {name}: the factory cannot be called: {said_by(error)}") from error
    if not isinstance(module, nn.Module):
        raise InputError(f"`model` {name} returned {type(module).__name__}, not a torch.nn.Module")
    if weights:
        load_whole(module, weights, name)
    return module


def said_by(error: BaseException) -> str:
    """An exception of somebody else's code in one line: its kind, its message, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if len(frames) > 1 else ""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}{place}"


def _no_such_model(name: str, names: list[str]) -> InputError:
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.5)
    return InputError(
        f"no model {name!r}"
        + (f"; the nearest names are {', '.join(near)}" if near else "")
        + " (lr, dnn, cnn, any timm model, or your own as package.module:factory)"
    )


def _squash(image: Image.Image, size: int) -> Image.Image:
    return image if image.size == (size, size) else image.resize((size, size), Image.Resampling.BILINEAR)


def _import_factory(name: str) -> Factory:
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute or module_name.startswith("."):
        raise InputError(f"`model` {name}: a factory of your own is named as package.module:factory")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does: the user's own code lies in the working directory
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        raise InputError(f"`model` {name}: {error}; is it in the working directory or installed?") from error
    except MemoryError:
        raise
    # Importing runs the user's own code, which raises what it likes.
    except (Exception, SystemExit) as error:
        if isinstance(error, AttributeError) and module_name in sys.modules:
            raise InputError(f"`model` {name}: {module_name} has no {attribute!r}") from error
        raise InputError(f"`model` {name}: importing your own {module_name} failed: {said_by(error)}") from error
    if not callable(factory):
        raise InputError(f"`model` {name} is not callable")
    return factory  # type: ignore[no-any-return]  # a user's module is untyped
