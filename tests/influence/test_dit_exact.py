"""The sweep against automatic differentiation through the whole training run (float64, relative 1e-8)."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from labelaudit.influence.derivatives import forward_over_reverse
from labelaudit.influence.dit import sweep
from labelaudit.influence.queries import test_loss_query as loss_query
from labelaudit.models.paper import cnn, dnn, logistic_regression
from labelaudit.training.fine_tune import FineTune, fine_tune
from tests.conftest import digits, examples_of, flat, ignore, plan

ROWS, QUERY = torch.arange(21), torch.arange(21, 30)
PLANS = {
    "sgd": plan(momentum=0.0),
    "momentum": plan(momentum=0.9),
    "weight decay": plan(momentum=0.9, weight_decay=0.01),
    "cosine": plan(momentum=0.5, weight_decay=0.01, schedule="cosine"),
    "inverse sqrt, one epoch": plan(momentum=0.9, schedule="inverse-sqrt", epochs=1),
    "three epochs": plan(momentum=0.9, weight_decay=0.01, epochs=3, batch_size=6),
}
BUDGET = 1 << 30


def derivative_by_autograd(network, examples, run: FineTune, expected: bool, replace_label=None):
    """−d(final test loss)/d(weight of each row), training rebuilt step by step as one differentiable function."""
    model = flat(network)
    theta, velocity = model.theta.clone(), torch.zeros_like(model.theta)
    weights = torch.zeros(len(ROWS), dtype=torch.float64, requires_grad=True)
    sgd = run.plan.sgd
    order = torch.Generator().manual_seed(3)
    per_epoch = -(-len(ROWS) // run.plan.batch_size)
    rates = iter_rates(run, per_epoch)
    for epoch in range(run.plan.epochs):
        in_window = epoch == run.plan.epochs - 1
        for places in torch.randperm(len(ROWS), generator=order).split(run.plan.batch_size):
            theta = theta if in_window else theta.detach()
            theta.requires_grad_(requires_grad=True)

            def losses(rows, theta=theta):
                inputs, labels = examples.batch(ROWS[rows])
                return cross_entropy(model.at(theta, inputs), labels, reduction="none")

            objective = losses(places).mean()
            if in_window:
                visited = losses(torch.arange(len(ROWS)) if expected else places)
                of = torch.arange(len(ROWS)) if expected else places
                objective = objective + (weights[of] * visited).mean()
            (gradient,) = torch.autograd.grad(objective, theta, create_graph=in_window)
            velocity = sgd.momentum * velocity + gradient + sgd.weight_decay * theta
            theta = theta - next(rates) * velocity
            if not in_window:
                theta, velocity = theta.detach(), velocity.detach()
    inputs, labels = examples.batch(QUERY)
    (slope,) = torch.autograd.grad(cross_entropy(model.at(theta, inputs), labels), weights)
    return -slope


def iter_rates(run: FineTune, per_epoch: int):
    """Learning rates, written out anew."""
    steps, base = run.plan.epochs * per_epoch, run.plan.learning_rate
    for t in range(steps):
        yield {
            "constant": base,
            "cosine": base * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * t / steps, dtype=torch.float64)).item()),
            "inverse-sqrt": base * (t + 1) ** -0.5,
        }[run.plan.schedule]


def network(factory):
    torch.manual_seed(1)
    return factory(3, 1, 28)


def swept(factory, setting, estimator, budget=BUDGET, augmentation="none", steps=10**6):
    examples = examples_of(*digits((1, 7, 4), 10), augmentation=augmentation)
    model = flat(network(factory))
    run = fine_tune(model, examples, ROWS, setting, seed=3, memory_budget=budget, progress=ignore)
    query = loss_query("loss", model, examples, QUERY, 4, ignore)
    influence = sweep(
        model, examples, ROWS, run, query.gradient, forward_over_reverse, estimator, steps, progress=ignore
    )
    return examples, run, influence


@pytest.mark.parametrize("estimator", ["visited", "expected"])
@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("factory", [logistic_regression, dnn])
def test_influence_is_the_derivative_of_training(factory, name, estimator):
    examples, run, influence = swept(factory, PLANS[name], estimator)
    given = influence[torch.arange(len(ROWS)), examples.labels[ROWS]]
    truth = derivative_by_autograd(network(factory), examples, run, expected=estimator == "expected")
    assert (given - truth).norm() <= 1e-8 * truth.norm()


def test_influence_is_the_derivative_of_training_of_a_cnn():
    examples, run, influence = swept(cnn, plan(momentum=0.9, weight_decay=0.01, batch_size=11), "visited")
    given = influence[torch.arange(len(ROWS)), examples.labels[ROWS]]
    truth = derivative_by_autograd(network(cnn), examples, run, expected=False)
    assert (given - truth).norm() <= 1e-8 * truth.norm()


def test_replayed_trajectory_gives_the_same_bits():
    setting = plan(momentum=0.9, weight_decay=0.01, batch_size=2)
    _, kept, influence = swept(dnn, setting, "visited", augmentation="shift")
    _, replayed, again = swept(dnn, setting, "visited", budget=0, augmentation="shift")
    assert (kept.trajectory.interval, replayed.trajectory.interval) == (1, 3)
    assert torch.equal(influence, again)


def test_other_labels_columns_are_influences_under_that_label():
    """Column c is linear in the row's loss, so it must equal −Σ <∇ℓ(x, c), c_t>/|S_t| taken from the same adjoints."""
    examples, run, influence = swept(dnn, plan(epochs=1, batch_size=21), "visited")
    model = flat(network(dnn))
    query_model = flat(network(dnn))
    fine_tune(query_model, examples, ROWS, run.plan, seed=3, memory_budget=BUDGET, progress=ignore)
    query = loss_query("loss", query_model, examples, QUERY, 9, ignore).gradient
    inputs, _ = examples.batch(ROWS)
    for label in range(3):
        for row in (0, 5):
            model.gradient.zero_()
            cross_entropy(model(inputs[row : row + 1]), torch.tensor([label])).backward()
            expected = run.plan.learning_rate * (model.gradient @ query) / len(ROWS)
            assert influence[row, label] == pytest.approx(expected.item(), rel=1e-9)


def test_expected_from_some_steps_is_unbiased_over_them():
    """Every step alone, averaged, is the score from all steps."""
    examples = examples_of(*digits((1, 7, 4), 10))
    setting = plan(batch_size=7)  # three steps
    _, _, everything = swept(dnn, setting, "expected")
    _, _, middle = swept(dnn, setting, "expected", steps=1)
    _, _, capped = swept(dnn, setting, "expected", steps=3)
    assert torch.equal(everything, capped)
    assert not torch.equal(everything, middle)
    correlation = torch.corrcoef(torch.stack([everything.flatten(), middle.flatten()]))[0, 1]
    assert correlation > 0.95
    assert len(examples.labels) == 30
