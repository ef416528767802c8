"""Influence on a GPU against the CPU's in float64, which the other tests hold against automatic differentiation."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import pearsonr

from labelaudit.data.batches import Images, standardise_each
from labelaudit.influence.derivatives import central_differences, forward_over_reverse
from labelaudit.influence.dit import sweep
from labelaudit.influence.estimate import dynamic_influence
from labelaudit.influence.influence_function import Solver, influence_function
from labelaudit.influence.leave_one_out import leave_one_out
from labelaudit.influence.query_loss import QueryLoss
from labelaudit.influence.scoring import Scoring
from labelaudit.models.flat import FlatModel
from labelaudit.models.paper import cnn, dnn
from labelaudit.runtime.machine import reproducible
from labelaudit.training.fine_tune import Run
from labelaudit.training.optimizers import SGD, AdamW
from labelaudit.training.window import Window
from labelaudit.types import Augmentation
from tests.support.data import CPU, digits
from tests.support.networks import vit
from tests.support.training import plan, train

pytestmark = pytest.mark.gpu

CUDA = torch.device("cuda")
ROWS, QUERY = torch.arange(24), torch.arange(24, 36)
PLANS = {
    "sgd": plan(optimizer=SGD(0.9, 0.01), learning_rate=0.02),
    "adamw, clipped": plan(optimizer=AdamW(0.01, epsilon_root=1e-4), learning_rate=0.003, clip_norm=1.0),
}
WINDOW = Window("last", 3, 6)


def network(factory):
    torch.manual_seed(1)
    return dnn(3, 784) if factory is dnn else factory(3, 1, 28)


def recorded(device, dtype, factory, setting, augmentation: Augmentation = "none", mode="memory") -> Run:
    model = FlatModel(network(factory), device, dtype)
    batches = Images(*digits((0, 1, 7), 12), standardise_each, device, dtype, augmentation)
    with reproducible():
        return train(model, batches, ROWS, setting, windows="full", mode=mode, keep_moments=True)


def swept(run: Run, differentiate, scoring, name="probability") -> torch.Tensor:
    with reproducible():
        return sweep(run, [WINDOW], QueryLoss(name, run.batches, QUERY, 8), differentiate, scoring, lambda _: None)


@pytest.mark.parametrize("query", ["probability", "calibrated", "loss", "margin"])
@pytest.mark.parametrize("setting", PLANS)
@pytest.mark.parametrize("differentiate", [forward_over_reverse, central_differences])
def test_in_float64_it_is_the_same(differentiate, setting, query):
    for scoring in (Scoring("visited"), Scoring("expected", 2)):
        here, there = (
            swept(recorded(device, torch.float64, dnn, PLANS[setting], "flip-shift"), differentiate, scoring, query)
            for device in (CPU, CUDA)
        )
        assert (here - there).abs().max() < 1e-6 * here.abs().max()


@pytest.mark.parametrize("mode", ["memory", "replay"])
@pytest.mark.parametrize("factory", [cnn, vit])
def test_in_float32_it_is_as_near_as_float32_is(factory, mode):
    exact = swept(recorded(CPU, torch.float64, factory, PLANS["sgd"]), forward_over_reverse, Scoring("visited"))
    single = swept(
        recorded(CUDA, torch.float32, factory, PLANS["sgd"], mode=mode), forward_over_reverse, Scoring("visited")
    )
    assert (single - exact).norm() < 1e-3 * exact.norm()


def test_central_differences_bear_the_products_of_float32():
    """With TF32, of ten bits, they would not."""
    run = recorded(CUDA, torch.float32, vit, PLANS["sgd"])
    torch.backends.cuda.matmul.allow_tf32 = True  # as a user's own code may have it
    try:
        exact, near = (swept(run, way, Scoring("visited")) for way in (forward_over_reverse, central_differences))
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    assert pearsonr(exact.flatten(), near.flatten()).statistic > 0.999


def test_all_estimators_of_the_public_interface_run_there():
    window, setting = Window("full", 0, 6), PLANS["sgd"]
    found = {}
    for device in (CPU, CUDA):
        run = recorded(device, torch.float64, dnn, setting)
        query = QueryLoss("loss", run.batches, QUERY, 8)
        found[device.type] = {
            "dit": dynamic_influence(run, window, query).values,
            "retrained": leave_one_out(run, window, query).values,
            "cg": influence_function(run, window, query, solver=Solver(damping=10.0)).values,
            "sgd": influence_function(run, window, query, solver=Solver("sgd", damping=10.0, iterations=2)).values,
        }
    for name, here in found["cpu"].items():
        there = found["cuda"][name]
        assert torch.allclose(here, there, rtol=1e-4, atol=1e-8 + 1e-6 * here.abs().nan_to_num().max(), equal_nan=True)
