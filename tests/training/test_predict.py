from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from labelaudit.data.batches import Features
from labelaudit.training.predict import PROJECTED, extract_features, predict
from tests.support.training import flat

ROWS = torch.arange(10)


def batches(width):
    inputs = torch.randn(10, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Features(inputs, torch.arange(10) % 2)


def losses_and_sketch(model, data, rows, batch_size):
    seen = extract_features(model, data, rows, batch_size)
    return seen.losses, seen.rows


def test_what_the_last_layer_gets_is_remembered_as_it_is():
    torch.manual_seed(0)
    model = flat(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)))
    data = batches(4)
    losses, sketch = losses_and_sketch(model, data, ROWS, 4)
    assert torch.equal(losses, cross_entropy(predict(model, data, ROWS, 4), data.labels, reduction="none"))
    with torch.no_grad():
        expected = model.module[1](model.module[0](data.inputs))
    assert torch.allclose(sketch, expected.float())
    assert not any(layer._forward_pre_hooks for layer in model.module)


def test_long_rows_keep_their_distances():
    torch.manual_seed(0)
    data = batches(3000)
    _, sketch = losses_and_sketch(flat(nn.Linear(3000, 2)), data, ROWS, 4)
    assert sketch.shape == (10, PROJECTED)
    before, after = torch.pdist(data.inputs.float()), torch.pdist(sketch) / PROJECTED**0.5
    assert ((after / before) - 1).abs().max() < 0.35  # Johnson-Lindenstrauss: about 1/√64 each


def test_networks_without_a_linear_layer_are_known_by_their_logits():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

        def forward(self, inputs):
            return self.factor * inputs

    data = batches(3)
    model = flat(Scale())
    _, sketch = losses_and_sketch(model, data, ROWS, 4)
    assert torch.equal(sketch, predict(model, data, ROWS, 4).float())
