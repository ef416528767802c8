"""What a model kind has to say before it is built: its input, its training defaults, and how to build it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import nn

from labelaudit.data.batches import Normalise
from labelaudit.data.encoders import LARGEST_SQUARED_NORM
from labelaudit.types import OptimizerName

LARGEST_RATE = 1.0


@dataclass(frozen=True)
class TrainingDefaults:
    """Training that suits a kind of model, with SGD momentum 0.9 and batches of about 32.

    Attributes:
        epochs: Passes over the rows.
        learning_rate: η_0.
        from_nothing: Whether the network starts from random parameters and so needs a number of steps, however few
            the rows are.
        by_norm: Whether the rate is that of rows with a mean squared norm of `LARGEST_SQUARED_NORM`, and goes with its
            inverse: a linear layer then learns from short rows as fast as from long ones.
    """

    epochs: int
    learning_rate: float
    from_nothing: bool = False
    by_norm: bool = False

    def for_rows(self, squared_norm: float) -> TrainingDefaults:
        """The same for rows with this mean squared norm."""
        if not self.by_norm or squared_norm == 0:
            return self
        return replace(self, learning_rate=min(LARGEST_RATE, self.learning_rate * LARGEST_SQUARED_NORM / squared_norm))

    def learning_rate_of(self, optimizer: OptimizerName) -> float:
        """The rate for an optimizer. Adam's steps have about the size of the rate whatever the gradient is."""
        return self.learning_rate / 10 if optimizer == "adamw" else self.learning_rate


@dataclass(frozen=True)
class ModelSpec:
    """A network for images, not built yet.

    Attributes:
        name: As the user gave it.
        channels: 1 for grey, 3 for RGB.
        image_size: The side S of its square input, in pixels.
        resize: Maps an image of any size to S×S.
        normalise: Maps a float batch in [0, 1] to the network's input.
        build: Makes the network for a number of classes, from torch's current random state.
        defaults: What suits it.
        notes: What the user should know of it.
    """

    name: str
    channels: int
    image_size: int
    resize: Callable[[Image.Image], Image.Image]
    normalise: Normalise
    build: Callable[[int], nn.Module]
    defaults: TrainingDefaults
    notes: tuple[str, ...] = ()

    def network(self, num_classes: int, seed: int) -> nn.Module:
        """Build the network; the same seed gives the same initial parameters."""
        with seeded(seed):
            return self.build(num_classes)


@dataclass(frozen=True)
class FeatureModel:
    """A network for rows of numbers, not built yet.

    Attributes:
        name: As the user gave it.
        build: Makes the network for a number of classes and one of features, from torch's current random state.
        defaults: What suits it.
        takes_any_width: Whether it can be built for any number of features: not a network of the user's own, nor one
            with weights from a file.
    """

    name: str
    build: Callable[[int, int], nn.Module]
    defaults: TrainingDefaults
    takes_any_width: bool = False

    def network(self, num_classes: int, num_features: int, seed: int) -> nn.Module:
        """Build the network; the same seed gives the same initial parameters."""
        with seeded(seed):
            return self.build(num_classes, num_features)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's random state from a seed, and afterwards as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
