"""Rows as networks take them, images of one size or numbers, and the networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from labelaudit.data.batches import Batches, Features, Images, TextFeatures
from labelaudit.data.content import Cells, Texts, Vectors
from labelaudit.data.encoders import encode
from labelaudit.data.images import ImageSummary
from labelaudit.data.pixels import DecodedAnew, Pixels
from labelaudit.data.text_encoders import encode_texts, encode_words_alike
from labelaudit.errors import InputError
from labelaudit.models.spec import FeatureModel, ModelSpec, TrainingDefaults
from labelaudit.progress import Progress
from labelaudit.types import Augmentation, Rows, TextEncoding

MEASURED_ROWS = 1000  # by which the length of rows is known well enough


class Inputs(Protocol):
    """What a run trains on, whatever the rows are."""

    @property
    def model(self) -> str:
        """The network's name."""

    @property
    def defaults(self) -> TrainingDefaults:
        """The training that suits it."""

    @property
    def encoder_is_stateless(self) -> bool:
        """Whether a row is the same to the network whatever other rows there are, so that it can be kept for later."""

    @property
    def trains_to_convergence(self) -> bool:
        """Whether the network is so cheap that the number of epochs is searched rather than taken from the model."""

    @property
    def images(self) -> ImageSummary | None:
        """What the network takes, as if all images were so; None if the rows are no images to it."""

    def batches(
        self, labels: Tensor, fit_on: Rows, device: torch.device, dtype: torch.dtype, augmentation: Augmentation
    ) -> Batches:
        """The rows as mini-batches; encoders are fitted on the given ones."""

    @property
    def has_second_view(self) -> bool:
        """Whether rows can be encoded in a second way, for networks of the same kind."""

    def second_view(self, labels: Tensor, fit_on: Rows, device: torch.device, dtype: torch.dtype) -> Batches | None:
        """The rows in another encoding; None where there is no other."""

    def defaults_for(self, batches: Batches, rows: Rows) -> TrainingDefaults:
        """The training that suits the network and these rows."""

    def network(self, classes: int, seed: int, batches: Batches) -> nn.Module:
        """The network before training."""

    def text(self, batches: Batches) -> str:
        """What the network gets of a row, in words."""

    @property
    def lost_rows(self) -> dict[int, str]:
        """Why rows are no longer what they were when they were read, for each such row that is known."""

    def find_lost_rows(self, progress: Progress) -> dict[int, str]:
        """Look at all rows again for those that are not as they were."""


@dataclass(frozen=True)
class ImageInputs:
    """Decoded images.

    Attributes:
        spec: The model they were prepared for.
        pixels: uint8, shape (N, C, S, S).
    """

    spec: ModelSpec
    pixels: Pixels

    @property
    def model(self) -> str:
        """The network's name."""
        return self.spec.name

    @property
    def defaults(self) -> TrainingDefaults:
        """The training that suits it."""
        return self.spec.defaults

    @property
    def encoder_is_stateless(self) -> bool:
        """Images are prepared one by one."""
        return True

    @property
    def trains_to_convergence(self) -> bool:
        """A network for images costs too much to be trained twice."""
        return False

    @property
    def images(self) -> ImageSummary:
        """Colour and side of what the network takes."""
        return ImageSummary(self.spec.channels == 1, self.spec.image_size)

    def batches(
        self, labels: Tensor, fit_on: Rows, device: torch.device, dtype: torch.dtype, augmentation: Augmentation
    ) -> Images:
        """The images as mini-batches."""
        return Images(self.pixels, labels, self.spec.normalise, device, dtype, augmentation)

    @property
    def has_second_view(self) -> bool:
        """Images are seen in one way."""
        return False

    def second_view(self, labels: Tensor, fit_on: Rows, device: torch.device, dtype: torch.dtype) -> None:
        """They are seen in one way."""
        return

    def defaults_for(self, batches: Batches, rows: Rows) -> TrainingDefaults:
        """Images are standardised, so that what suits the network suits them."""
        return self.defaults

    def network(self, classes: int, seed: int, batches: Batches) -> nn.Module:
        """The network before training."""
        return self.spec.network(classes, seed)

    def text(self, batches: Batches) -> str:
        """Size and colour."""
        size, colour = self.spec.image_size, "grey" if self.spec.channels == 1 else "RGB"
        return f"{size}×{size} {colour}"

    @property
    def lost_rows(self) -> dict[int, str]:
        """Only images that are decoded anew for each pass can be lost."""
        return self.pixels.lost if isinstance(self.pixels, DecodedAnew) else {}

    def find_lost_rows(self, progress: Progress) -> dict[int, str]:
        """Look at images that are decoded anew again, for those that are not as they were."""
        if not isinstance(self.pixels, DecodedAnew):
            return {}
        with progress.stage("Reading images again", self.pixels.rows) as advance:
            return self.pixels.look(advance)


@dataclass(frozen=True)
class FeatureInputs:
    """Texts, cells or vectors, encoded once it is known which rows train.

    Attributes:
        spec: The model.
        content: The rows.
        text_encoding: What texts are counted in.
    """

    spec: FeatureModel
    content: Texts | Cells | Vectors
    text_encoding: TextEncoding = "auto"

    @property
    def model(self) -> str:
        """The network's name."""
        return self.spec.name

    @property
    def defaults(self) -> TrainingDefaults:
        """The training that suits it."""
        return self.spec.defaults

    @property
    def encoder_is_stateless(self) -> bool:
        """What a feature is depends on the rows the encoder was fitted on."""
        return False

    @property
    def trains_to_convergence(self) -> bool:
        """Networks on encoded rows are cheap."""
        return True

    @property
    def images(self) -> None:
        """They are numbers."""
        return

    def batches(
        self, labels: Tensor, fit_on: Rows, device: torch.device, dtype: torch.dtype, augmentation: Augmentation
    ) -> Features | TextFeatures:
        """The encoded rows as mini-batches; the encoder is fitted on the given ones.

        Raises:
            InputError: They are to be augmented, or have nothing in which they differ.
        """
        if augmentation != "none":
            raise InputError(f"`augment` {augmentation} is for images, which these are not")
        if isinstance(self.content, Texts):
            encoded = encode_texts(self.content.values, fit_on, labels.numpy(), self.text_encoding)
            return TextFeatures(encoded, labels, device, dtype)
        return Features(torch.from_numpy(encode(self.content, fit_on)).to(device, dtype), labels)

    @property
    def has_second_view(self) -> bool:
        """Texts have, unless the network is made for so many features."""
        return isinstance(self.content, Texts) and self.spec.takes_any_width

    def second_view(
        self, labels: Tensor, fit_on: Rows, device: torch.device, dtype: torch.dtype
    ) -> TextFeatures | None:
        """Texts as words that all count alike; None of other data."""
        if not isinstance(self.content, Texts):
            return None
        encoded = encode_words_alike(self.content.values, fit_on)
        return None if encoded is None else TextFeatures(encoded, labels, device, dtype)

    def defaults_for(self, batches: Batches, rows: Rows) -> TrainingDefaults:
        """The training that suits the network and rows of this length."""
        some = torch.from_numpy(rows[:: -(-len(rows) // MEASURED_ROWS)])
        return self.defaults.for_rows(batches.batch(some)[0].double().square().sum(1).mean().item())

    def network(self, classes: int, seed: int, batches: Batches) -> nn.Module:
        """The network before training, for as many features as there are."""
        inputs, _ = batches.batch(torch.zeros(1, dtype=torch.long))
        return self.spec.network(classes, inputs.shape[1], seed)

    def text(self, batches: Batches) -> str:
        """The number of features; of texts also how they were encoded."""
        if isinstance(batches, TextFeatures):
            return batches.encoded.text
        inputs, _ = batches.batch(torch.zeros(1, dtype=torch.long))
        return f"{inputs.shape[1]:,} {'features' if isinstance(self.content, Cells) else 'numbers'}"

    @property
    def lost_rows(self) -> dict[int, str]:
        """None, as all are in memory."""
        return {}

    def find_lost_rows(self, progress: Progress) -> dict[int, str]:
        """There are none."""
        return {}
