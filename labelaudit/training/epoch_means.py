"""What the forward passes of a fine-tune say of its rows, averaged over the epochs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from labelaudit.runtime.large_arrays import cells, touched


class EpochMeans:
    """Means over the epochs, of what is measured in the step that visits a row.

    Attributes:
        margins: Each row's margin z_y − max_{c≠y} z_c (AUM, Pleiss et al. 2020); float64, shape (N,).
        mean_logits: Its logits; float64 (float32 if they are many, see `cells`), shape (N, C).
        epoch_losses: The mean loss of each epoch, which is not averaged; float64, shape (epochs,).
    """

    def __init__(self, rows: Tensor, labels: Tensor, classes: int, epochs: int) -> None:
        """Begin with none of some rows (N,), of all class indices."""
        self.margins = torch.zeros(len(rows), dtype=torch.float64)
        self.mean_logits = torch.from_numpy(cells(len(rows), classes))
        self.epoch_losses = torch.zeros(epochs, dtype=torch.float64)
        self._labels, self._place = labels, places_of(rows, len(labels))

    def add(self, logits: Tensor, rows: Tensor, epoch: int) -> None:
        """Add a step's logits (B, C), of its rows (B,)."""
        epochs = len(self.epoch_losses)
        places, labels = self._place[rows], self._labels[rows]
        self.mean_logits[places] += (logits / epochs).to(self.mean_logits.dtype)
        touched(logits.nbytes)
        self.margins[places] += margin(logits, labels) / epochs
        self.epoch_losses[epoch] += cross_entropy(logits, labels, reduction="sum") / len(self.margins)


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """z_y − max_{c≠y} z_c, shape (B,), from logits (B, C) and class indices (B,)."""
    given = labels[:, None]
    best_other = logits.scatter(1, given, -torch.inf).amax(1)
    return logits.gather(1, given)[:, 0] - best_other


def places_of(rows: Tensor, total: int) -> Tensor:
    """Which of some rows (N,) each of `total` rows is, −1 for none; shape (total,)."""
    return torch.full((total,), -1).index_copy(0, rows, torch.arange(len(rows)))
