from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from labelaudit.influence.query_loss import QueryLoss, fit_temperature
from labelaudit.models.paper import dnn
from tests.support.data import batches_of, digits
from tests.support.training import flat

EXAMPLES = batches_of(*digits((1, 7, 4), 10))
ROWS = torch.arange(3, 20)


def model_at_start():
    torch.manual_seed(0)
    return flat(dnn(3, 784))


@pytest.mark.parametrize("name", ["loss", "calibrated", "probability", "margin"])
@pytest.mark.parametrize("scale", [0.1, 30.0])  # logits too timid, and too sure of themselves
def test_gradient_and_value_are_of_the_mean_loss_over_all_rows_at_once(name, scale):
    model = model_at_start()
    model.theta.mul_(1 + scale / 10)
    query = QueryLoss(name, EXAMPLES, ROWS, 5)
    theta = model.theta.clone().requires_grad_()
    inputs, labels = EXAMPLES.batch(ROWS)
    logits = model.at(theta, inputs)
    fitted = fit_temperature(logits.detach(), labels)
    loss = {
        "loss": lambda: cross_entropy(logits, labels),
        "calibrated": lambda: cross_entropy(logits / fitted, labels),
        "margin": lambda: (
            logits.scatter(1, labels[:, None], -torch.inf).logsumexp(1) - logits[torch.arange(17), labels]
        ).mean(),
        "probability": lambda: 1 - (logits / max(1, fitted)).softmax(1)[torch.arange(17), labels].mean(),
    }[name]()
    (expected,) = torch.autograd.grad(loss, theta)
    assert torch.allclose(query.gradient(model), expected[None], rtol=1e-9, atol=1e-14)
    assert query.value(model).tolist() == pytest.approx([loss.item()])
    assert torch.allclose(query.log_probabilities, (logits.detach() / fitted).log_softmax(1))


def test_a_query_is_evaluated_anew_when_theta_has_moved():
    model, query = model_at_start(), QueryLoss("loss", EXAMPLES, ROWS, 5)
    before = query.value(model)
    model.theta.mul_(2)
    assert query.value(model) != before


@pytest.mark.parametrize("asked", ["gradient", "evaluate"])
def test_with_the_temperature_presumed_one_pass_answers_and_differentiates(asked):
    model = model_at_start()
    model.theta.mul_(4)
    there = model.theta.clone()
    logits = QueryLoss("calibrated", EXAMPLES, ROWS, 5).evaluate(model)
    query = QueryLoss("calibrated", EXAMPLES, ROWS, 5)
    query.reuse_temperature(there, 3 * logits)
    passes = []
    model.module.register_forward_hook(lambda module, inputs, output: passes.append(len(output)))
    found = getattr(query, asked)(model)
    assert passes == [5, 5, 5, 2]
    temperature = fit_temperature(3 * logits, EXAMPLES.labels[ROWS])
    fixed = QueryLoss("calibrated", EXAMPLES, ROWS, 5, fixed_temperature=temperature)
    assert torch.equal(found, fixed.gradient(model) if asked == "gradient" else logits)
    assert query.temperature == temperature
    passes.clear()
    assert torch.equal(query.evaluate(model), logits)
    assert passes == []
    # what is reported is calibrated by what was found; elsewhere nothing is presumed
    anew = QueryLoss("calibrated", EXAMPLES, ROWS, 5)
    assert anew.evaluate(model) is not None
    assert torch.equal(query.log_probabilities, anew.log_probabilities)
    model.theta.mul_(2)
    assert torch.equal(query.gradient(model), anew.gradient(model))
    assert query.temperature == anew.temperature != temperature


def test_temperature_undoes_a_scale():
    """Labels drawn from softmax(z) are best explained by z itself, so 3z needs T = 3."""
    torch.manual_seed(0)
    logits = torch.randn(20000, 4)
    labels = torch.distributions.Categorical(logits=logits).sample()
    assert fit_temperature(logits, labels) == pytest.approx(1, rel=0.03)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3 * fit_temperature(logits, labels), rel=1e-3)
