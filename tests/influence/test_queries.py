from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from labelaudit.influence.queries import fit_temperature
from labelaudit.influence.queries import test_loss_query as loss_query
from labelaudit.models.paper import dnn
from tests.conftest import digits, examples_of, flat, ignore

EXAMPLES = examples_of(*digits((1, 7, 4), 7))
ROWS = torch.arange(3, 20)


@pytest.mark.parametrize("name", ["loss", "calibrated", "probability"])
@pytest.mark.parametrize("scale", [0.1, 30.0])  # logits too timid, and too sure of themselves
def test_gradient_is_of_the_mean_loss_over_all_rows_at_once(name, scale):
    torch.manual_seed(0)
    model = flat(dnn(3, 1, 28))
    model.theta.mul_(1 + scale / 10)
    query = loss_query(name, model, EXAMPLES, ROWS, 5, ignore)
    theta = model.theta.clone().requires_grad_()
    inputs, labels = EXAMPLES.batch(ROWS)
    logits = model.at(theta, inputs)
    fitted = fit_temperature(logits.detach(), labels)
    loss = {
        "loss": lambda: cross_entropy(logits, labels),
        "calibrated": lambda: cross_entropy(logits / fitted, labels),
        "probability": lambda: 1 - (logits / max(1, fitted)).softmax(1)[torch.arange(17), labels].mean(),
    }[name]()
    (expected,) = torch.autograd.grad(loss, theta)
    assert torch.allclose(query.gradient, expected, rtol=1e-9, atol=1e-14)
    assert torch.allclose(query.log_probabilities, (logits.detach() / fitted).log_softmax(1))


def test_temperature_undoes_a_scale():
    """Labels drawn from softmax(z) are best explained by z itself, so 3z needs T = 3."""
    torch.manual_seed(0)
    logits = torch.randn(20000, 4)
    labels = torch.distributions.Categorical(logits=logits).sample()
    assert fit_temperature(logits, labels) == pytest.approx(1, rel=0.03)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3 * fit_temperature(logits, labels), rel=1e-3)
