from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from labelaudit.training.epoch_means import EpochMeans, margin


def test_margin_by_hand():
    logits = torch.tensor([[1.0, 3.0, 2.0], [5.0, 0.0, 4.5]])
    assert margin(logits, torch.tensor([1, 2])).tolist() == [1.0, -0.5]


def test_means_of_steps_by_hand():
    rows, labels = torch.tensor([4, 1, 2]), torch.tensor([0, 1, 0, 0, 2])
    means = EpochMeans(rows, labels, 3, epochs=2)
    first, second = torch.randn(2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    means.add(first[:2], rows[:2], 0)
    means.add(first[2:], rows[2:], 0)
    means.add(second[[2, 0, 1]], rows[[2, 0, 1]], 1)
    torch.testing.assert_close(means.mean_logits, (first + second) / 2)
    torch.testing.assert_close(means.margins, (margin(first, labels[rows]) + margin(second, labels[rows])) / 2)
    losses = torch.stack([cross_entropy(logits, labels[rows]) for logits in (first, second)])
    torch.testing.assert_close(means.epoch_losses, losses)
