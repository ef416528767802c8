from __future__ import annotations

import pytest
import torch
from torch import nn

from labelaudit.models.norms import NormsInFloat32

LAYERS = [nn.LayerNorm(8), nn.GroupNorm(2, 8), nn.BatchNorm1d(8).eval(), nn.RMSNorm(8)]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_norm_in_bfloat16_is_that_of_float32_rounded_once(layer):
    inputs = (1000 + torch.randn(4, 8, generator=torch.Generator().manual_seed(0))).bfloat16()
    expected = layer(inputs.float()).bfloat16()
    half = layer.bfloat16()
    with NormsInFloat32():
        found = half(inputs)
        value, tangent = torch.func.jvp(half, (inputs,), (torch.ones_like(inputs),))
        assert torch.relu(inputs).dtype == torch.bfloat16  # all else is left as it is
    assert found.dtype == value.dtype == tangent.dtype == torch.bfloat16
    assert torch.equal(found, expected)
    layer.float()
