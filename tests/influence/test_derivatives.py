from __future__ import annotations

import pytest
import timm
import torch
from torch.nn.functional import cross_entropy

from labelaudit.influence.derivatives import (
    PERTURBATION,
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


@pytest.mark.parametrize(("factory", "terms"), [(small_vit, 24 * 17), (smooth_cnn, 24 * 28 * 28)])
def test_central_differences_agree_with_float64_as_well_as_float32_can(factory, terms):
    """(a ± e)/2ε is off by curvature and by rounding: float32's ε of each gradient, divided by the step, by √`terms`.

    So many terms, one for each row and place, are added up for an entry of a gradient, and their roundings wander like
    a random walk; in which order they are added, and with it the result, depends on machine and threads. For the
    logits the same bound is wide. With float64 rounding is no matter, and what is left is the curvature.
    """
    model, inputs, labels, direction = trained(factory, torch.float32)
    close = central_differences(model, inputs, labels, direction, hessian=True)
    model64, _, _, _ = trained(factory, torch.float64)
    model64.theta.copy_(model.theta)
    inputs, direction = inputs.double(), direction.double()
    exact = forward_over_reverse(model64, inputs, labels, direction, hessian=True)
    step = PERTURBATION[torch.float32]
    curved = central_differences(model64, inputs, labels, direction, hessian=True, perturbation=step)
    curvature = relative(curved.hessian_vectors, exact.hessian_vectors)
    assert curvature <= 1e-4
    gradient = torch.func.grad(lambda theta: cross_entropy(model64.at(theta, inputs), labels))(model64.theta.clone())

    def rounding(value: torch.Tensor, derivative: torch.Tensor) -> float:
        unit = torch.finfo(torch.float32).eps * value.norm() / (step / direction.norm() * derivative.norm())
        return terms**0.5 * unit.item()

    of_gradient, of_logits = rounding(gradient, exact.hessian_vectors), rounding(exact.logits, exact.logit_changes)
    assert relative(close.hessian_vectors, exact.hessian_vectors) <= curvature + of_gradient < 0.02
    assert relative(close.logit_changes, exact.logit_changes) <= curvature + of_logits < 0.02
    assert relative(close.logits, exact.logits) <= terms**0.5 * torch.finfo(torch.float32).eps


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
