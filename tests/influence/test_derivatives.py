from __future__ import annotations

import pytest
import timm
import torch
from torch.nn.functional import cross_entropy

from labelaudit.influence.derivatives import (
    central_differences,
    choose_differentiation,
    forward_over_reverse,
)
from labelaudit.influence.query_loss import QueryLoss
from labelaudit.models.paper import cnn
from tests.support.data import batches_of, digits
from tests.support.training import flat, plan, train


def small_vit() -> torch.nn.Module:
    return timm.create_model("vit_tiny_patch16_224", img_size=28, patch_size=7, depth=3, in_chans=1, num_classes=3)


def small_cnn() -> torch.nn.Module:
    return cnn(3, 1, 28)


def smooth_cnn() -> torch.nn.Module:
    relu = cnn(3, 1, 28)
    swap = {torch.nn.ReLU: torch.nn.GELU(), torch.nn.MaxPool2d: torch.nn.AvgPool2d(2)}
    return torch.nn.Sequential(*(swap.get(type(layer), layer) for layer in relu))


def trained(factory, dtype):
    """A network a few steps into training on real digits, and a direction the sweep would take."""
    torch.manual_seed(0)
    model = flat(factory(), dtype)
    batches = batches_of(*digits((1, 7, 4), 16), dtype=dtype)
    rows = torch.arange(48)
    train(model, batches, rows, plan(learning_rate=0.01))
    direction = -0.01 * QueryLoss("loss", batches, rows, 48).gradient(model)
    return model, *batches.batch(rows[:24]), direction


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize("factory", [small_vit, smooth_cnn])
def test_central_differences_agree_with_forward_over_reverse_in_float32(factory):
    """What curvature adds is small; the rest is float32's rounding of two gradients, divided by a step of 1e-3.

    Rounding depends on the order in which terms are summed, and that on the number of threads: H u of the convolutional
    network is 0.4e-3 away with two threads, and 1.04e-3 with one.
    """
    model, inputs, labels, direction = trained(factory, torch.float32)
    exact = forward_over_reverse(model, inputs, labels, direction, hessian=True)
    close = central_differences(model, inputs, labels, direction, hessian=True)
    assert relative(close.hessian_vectors, exact.hessian_vectors) <= 2e-3
    assert relative(close.logit_changes, exact.logit_changes) <= 1e-3
    assert relative(close.logits, exact.logits) <= 1e-5
    model, inputs, labels, direction = trained(factory, torch.float64)
    exact = forward_over_reverse(model, inputs, labels, direction, hessian=True)
    close = central_differences(model, inputs, labels, direction, hessian=True, perturbation=1e-3)
    assert relative(close.hessian_vectors, exact.hessian_vectors) <= 1e-4


def test_across_relu_kinks_the_products_agree_and_so_does_h_u_once_no_kink_is_crossed():
    """Some of the 900,000 activations change sign within ±1e-3; within ±1e-8, which float64 can resolve, none does."""
    model, inputs, labels, direction = trained(small_cnn, torch.float32)
    exact = forward_over_reverse(model, inputs, labels, direction, hessian=True)
    close = central_differences(model, inputs, labels, direction, hessian=True)
    assert relative(close.logit_changes, exact.logit_changes) <= 1e-3
    model, inputs, labels, direction = trained(small_cnn, torch.float64)
    exact = forward_over_reverse(model, inputs, labels, direction, hessian=True)
    close = central_differences(model, inputs, labels, direction, hessian=True, perturbation=1e-8)
    assert relative(close.hessian_vectors, exact.hessian_vectors) <= 1e-6


@pytest.mark.parametrize("factory", [small_vit, small_cnn])
@pytest.mark.parametrize("method", [central_differences, forward_over_reverse])
def test_without_hessian_the_rest_is_the_same_and_theta_stays(factory, method):
    model, inputs, labels, direction = trained(factory, torch.float64)
    theta = model.theta.clone()
    whole = method(model, inputs, labels, direction, hessian=True)
    part = method(model, inputs, labels, direction, hessian=False)
    assert torch.equal(model.theta, theta)
    assert relative(part.logit_changes, whole.logit_changes) < 1e-9
    assert part.hessian_vectors.numel() == 0


def test_forward_over_reverse_is_double_backward():
    model, inputs, labels, direction = trained(small_cnn, torch.float64)
    theta = model.theta.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(model.at(theta, inputs), labels), theta, create_graph=True)
    (expected,) = torch.autograd.grad(gradient @ direction[0], theta)
    result = forward_over_reverse(model, inputs, labels, direction, hessian=True)
    assert relative(result.hessian_vectors[0], expected) < 1e-10
    assert torch.equal(result.logits, model(inputs).detach())


def test_a_zero_direction_gives_zeros():
    model, inputs, labels, direction = trained(small_cnn, torch.float32)
    result = central_differences(model, inputs, labels, torch.zeros_like(direction), hessian=True)
    assert not result.logit_changes.any()
    assert not result.hessian_vectors.any()


def test_choice_goes_by_precision_size_and_kinks_unless_overridden():
    small, large = (torch.nn.Sequential(torch.nn.Linear(inputs, 1), torch.nn.ReLU()) for inputs in (10, 1_000_000))
    assert choose_differentiation("auto", flat(small, torch.float32)) is forward_over_reverse
    assert choose_differentiation("auto", flat(large, torch.float32)) is central_differences
    assert choose_differentiation("auto", flat(large, torch.float64)) is forward_over_reverse
    assert choose_differentiation("auto", flat(torch.nn.Linear(10, 1), torch.float32)) is central_differences
    assert choose_differentiation("auto", flat(torch.nn.Linear(10, 1), torch.float64)) is forward_over_reverse
    assert choose_differentiation("central-differences", flat(small)) is central_differences
    assert choose_differentiation("forward-over-reverse", flat(large, torch.float32)) is forward_over_reverse
