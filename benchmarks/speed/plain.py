"""A fine-tune as one writes it by hand: `python -m benchmarks.speed.plain TABLE --model NAME …`.

It knows nothing of labelaudit. The table (Parquet) has the columns `jpeg` and `label`; images are decoded whenever
they are needed, in workers.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, Subset


class Photographs(Dataset[tuple[Tensor, int]]):
    """Encoded images and class indices."""

    def __init__(self, table: Path, transform: Callable[[Image.Image], Tensor]) -> None:
        frame = pd.read_parquet(table, columns=["jpeg", "label"])
        self.jpegs, self.transform = frame["jpeg"].tolist(), transform
        names, indices = np.unique(frame["label"].astype(str), return_inverse=True)
        self.classes, self.labels = len(names), indices.tolist()

    def __len__(self) -> int:
        return len(self.jpegs)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.transform(Image.open(io.BytesIO(self.jpegs[row])).convert("RGB")), self.labels[row]


@dataclass(frozen=True)
class FineTune:
    """Settings and data of a fine-tune."""

    data: Photographs
    network: Callable[[], nn.Module]
    options: argparse.Namespace
    device: torch.device

    def loader(self, rows: np.ndarray | None = None, *, shuffle: bool = False) -> DataLoader[Any]:
        """Mini-batches of some rows, or of all."""
        workers = self.options.workers
        return DataLoader(
            self.data if rows is None else Subset(self.data, rows.tolist()),
            batch_size=self.options.batch_size,
            shuffle=shuffle,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=self.device.type == "cuda",
        )

    def put(self, images: Tensor) -> Tensor:
        """Bring a batch to the device."""
        layout = torch.channels_last if self.options.channels_last else torch.contiguous_format
        return images.to(self.device, memory_format=layout, non_blocking=True)

    def train(
        self, rows: np.ndarray | None = None, after_epoch: Callable[[nn.Module], None] = lambda model: None
    ) -> nn.Module:
        """Fine-tune a new network on some rows, or on all."""
        options = self.options
        torch.manual_seed(options.seed)
        model = self.network().to(self.device).train()
        if options.channels_last:
            model = model.to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(
            model.parameters(), lr=options.learning_rate, momentum=0.9, weight_decay=1e-4, fused=True
        )
        loader = self.loader(rows, shuffle=True)
        for _ in range(options.epochs):
            for images, labels in loader:
                loss = cross_entropy(model(self.put(images)), labels.to(self.device, non_blocking=True))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            after_epoch(model)
        return model

    @torch.no_grad()
    def predict(self, model: nn.Module, rows: np.ndarray) -> np.ndarray:
        """Probabilities (M, C) of some rows."""
        model.eval()
        return torch.cat([model(self.put(images)).softmax(1).cpu() for images, _ in self.loader(rows)]).numpy()


def prepare(arguments: list[str]) -> FineTune:
    """Read settings and data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", type=Path, help="none: random")
    parser.add_argument("--image-size", type=int, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scores", type=Path, help="where the ways to rank rows write one score a row")
    options = parser.parse_args(arguments)
    defaults = timm.get_pretrained_cfg(options.model).to_dict()
    size = options.image_size
    config = resolve_data_config({"input_size": (3, size, size)}, pretrained_cfg=defaults)
    data = Photographs(options.table, create_transform(**config, is_training=False))

    def network() -> nn.Module:
        model = timm.create_model(
            options.model,
            pretrained=options.weights is not None,
            pretrained_cfg_overlay={"file": str(options.weights)} if options.weights else {},
            num_classes=data.classes,
            **({"img_size": size} if defaults.get("fixed_input_size") else {}),
        )
        for parameter in model.get_classifier().parameters():
            nn.init.zeros_(parameter)
        return model

    return FineTune(data, network, options, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def main(arguments: list[str]) -> dict[str, Any]:
    """Fine-tune once."""
    task = prepare(arguments)
    model = task.train()
    if task.device.type == "cuda":
        torch.cuda.synchronize()
    return {"parameters": sum(parameter.numel() for parameter in model.parameters())}


if __name__ == "__main__":
    print(main(sys.argv[1:]))
