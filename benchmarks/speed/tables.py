"""Small tables of photographs for the cases, and the networks they are for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelaudit.data.flips import flip_rows


@dataclass(frozen=True)
class Network:
    """A network and how it is fine-tuned.

    Attributes:
        title: What to call it.
        name: timm's name.
        image_size: Pixels.
        batch_size: Rows in a step.
        learning_rate: The default of `labelaudit scan` for it.
        weights: File in the folder of weights, None for random ones.
        channels_last: Whether that makes the plain fine-tune faster (it does convolutions a quarter).
    """

    title: str
    name: str
    image_size: int
    batch_size: int
    learning_rate: float = 3e-4
    weights: str | None = None
    channels_last: bool = False

    @property
    def layout(self) -> list[str]:
        """The option of the plain fine-tune that says so."""
        return ["--channels-last"] if self.channels_last else []

    def options(self, weights: Path) -> list[str]:
        """The options that name it, the same for the plain fine-tune and for `labelaudit scan`."""
        options = ["--model", self.name, "--image-size", str(self.image_size), "--batch-size", str(self.batch_size)]
        options += ["--learning-rate", str(self.learning_rate)]
        return options if self.weights is None else [*options, "--weights", str(weights / self.weights)]


VIT_S = Network("ViT-S/14, 112 px", "vit_small_patch14_dinov2", 112, 32, weights="vit_small_patch14_dinov2.safetensors")
VIT_B = Network("ViT-B/16, 224 px", "vit_base_patch16_224", 224, 8)
LITE = Network(
    "EfficientNet-Lite0, 224 px", "tf_efficientnet_lite0", 224, 16, 1e-3, "tf_efficientnet_lite0.safetensors", True
)
TINY = Network("ViT-Tiny/16, 32 px", "vit_tiny_patch16_224", 32, 4)  # to try that everything runs


def photographs(data: Path, out: Path, rows: int, others: int = 0) -> tuple[Path, Path]:
    """Write a table of ants and bees to audit, half and half, and one of other images that are trusted."""
    frame = pd.read_parquet(data / "hymenoptera_224.parquet", columns=["jpeg", "label"])
    frame = frame.sample(frac=1, random_state=0)
    in_turn = frame.groupby("label").cumcount().argsort(kind="stable")  # an ant, a bee, an ant, …
    frame = frame.iloc[in_turn.to_numpy()[: rows + others]]
    table, trusted = out / f"photographs-{rows}.parquet", out / f"trusted-{others}.parquet"
    frame[:rows].to_parquet(table, index=False)
    if others:
        frame[rows:].to_parquet(trusted, index=False)
    return table, trusted


def flipped_photographs(data: Path, out: Path, rows: int, rate: float) -> tuple[Path, NDArray[np.bool_]]:
    """Write a table of ants and bees with a share of the labels flipped; return it and which are wrong (N,)."""
    table, _ = photographs(data, out, rows)
    frame = pd.read_parquet(table)
    names, true = np.unique(frame["label"], return_inverse=True)
    given = flip_rows(true.astype(np.int64), len(names), int(rate * rows), "symmetric", seed=0)
    flipped = out / "flipped.parquet"
    frame.assign(label=names[given]).to_parquet(flipped, index=False)
    return flipped, given != true
