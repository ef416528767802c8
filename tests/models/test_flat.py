from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from labelaudit.models.flat import FlatModel
from labelaudit.models.paper import dnn
from tests.support.training import flat


def test_theta_and_gradient_are_the_networks_own():
    network = dnn(3, 16)
    reference = [parameter.detach().double().clone() for parameter in network.parameters()]
    model = flat(network)
    assert torch.equal(model.theta, torch.cat([p.reshape(-1) for p in reference]))
    inputs, labels = torch.randn(5, 1, 4, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])
    cross_entropy(model(inputs), labels).backward()
    expected = torch.autograd.grad(cross_entropy(network(inputs), labels), list(network.parameters()))
    assert torch.equal(model.gradient, torch.cat([g.reshape(-1) for g in expected]))
    assert torch.equal(model.at(model.theta, inputs), model(inputs))
    model.theta.zero_()
    assert not model(inputs).any()


def test_frozen_parameters_dropout_and_batch_statistics_stay_out_of_it():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    network[0].requires_grad_(requires_grad=False)
    model = flat(network.train())
    assert model.theta.numel() == 4 + 4 + 4 * 2 + 2
    inputs = torch.randn(6, 4, dtype=torch.float64)
    # not bit for bit: products of another shape are summed in another order
    torch.testing.assert_close(model(inputs)[:3], model(inputs[:3]), rtol=1e-12, atol=1e-14)
    assert torch.equal(network[1].running_mean, torch.zeros(4, dtype=torch.float64))


@pytest.mark.parametrize(
    ("channels", "groups", "width", "last"), [(4, 1, 4, True), (1, 1, 4, True), (4, 1, 4000, False), (4, 4, 4000, True)]
)
def test_small_and_grouped_convolutions_get_their_channels_last_and_answer_the_same(channels, groups, width, last):
    torch.manual_seed(0)
    convolution = nn.Conv2d(channels, width, 3, groups=groups)
    network = nn.Sequential(convolution, nn.Flatten(), nn.Linear(width * 6 * 6, 2))
    inputs, seen = torch.randn(3, channels, 8, 8), []
    expected = network(inputs)
    convolution.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    logits = FlatModel(network, torch.device("cpu"), torch.float32)(inputs)
    assert (seen[0].stride() == (64 * channels, 1, 8 * channels, channels)) is last
    torch.testing.assert_close(logits, expected)
