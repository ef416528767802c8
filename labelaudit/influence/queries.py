"""Queries: what the influence is an influence on, as a vector q in parameter space (METHOD §5, Appendix C)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy

from labelaudit.config import QueryName
from labelaudit.data.examples import Examples
from labelaudit.models.flat import FlatModel

HIGHEST_TEMPERATURE = 20.0

QUERY_TEXT: dict[QueryName, str] = {
    "probability": "mean calibrated probability of a wrong answer on the query rows, 1 − p(label)",
    "calibrated": "mean calibrated test loss on the query rows, in nats",
    "loss": "mean test loss on the query rows, in nats",
}


@dataclass(frozen=True)
class TestLossQuery:
    """The gradient of a mean test loss at θ, and what it was computed from.

    Attributes:
        gradient: q = ∇_θ of the mean loss over the query rows, shape (P,).
        temperature: T the logits were divided by.
        log_probabilities: log softmax(z/T̂) of the query rows with the T̂ that fits them best, float64, shape (M, C).
    """

    gradient: Tensor
    temperature: float
    log_probabilities: Tensor


def test_loss_query(
    name: QueryName,
    model: FlatModel,
    examples: Examples,
    rows: Tensor,
    batch_size: int,
    progress: Callable[[int], None],
) -> TestLossQuery:
    """The gradient of a test loss over `rows` at the model's θ: two passes over them.

    With T̂ the temperature that fits the rows best (Guo et al. 2017), z logits and y labels, the loss of a row is

    - `loss`: cross-entropy(z, y), the paper's;
    - `calibrated`: cross-entropy(z/T̂, y);
    - `probability`: 1 − softmax(z/T)_y with T = max(1, T̂). A row that is badly predicted, or itself mislabelled,
      has next to no gradient here, where it would rule that of a cross-entropy.
    """
    logits = predict(model, examples, rows, batch_size, progress)
    fitted = fit_temperature(logits, examples.labels[rows])
    temperature = {"loss": 1.0, "calibrated": fitted, "probability": max(1.0, fitted)}[name]
    model.gradient.zero_()
    for batch in rows.split(batch_size):
        inputs, labels = examples.batch(batch)
        scaled = model(inputs) / temperature
        if name == "probability":
            loss = (1 - scaled.softmax(1).gather(1, labels[:, None])).sum()
        else:
            loss = cross_entropy(scaled, labels, reduction="sum")
        (loss / len(rows)).backward()
        progress(len(batch))
    return TestLossQuery(model.gradient.clone(), temperature, (logits.double() / fitted).log_softmax(1))


def predict(
    model: FlatModel, examples: Examples, rows: Tensor, batch_size: int, progress: Callable[[int], None]
) -> Tensor:
    """Logits of the rows at the model's θ, shape (len(rows), C), on the CPU."""
    logits = []
    with torch.no_grad():
        for batch in rows.split(batch_size):
            logits.append(model(examples.batch(batch)[0]).cpu())
            progress(len(batch))
    return torch.cat(logits)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T, between 1/20 and 20, with the least mean cross-entropy(z/T, y)."""
    logits = logits.double()

    def loss(log_temperature: float) -> float:
        return cross_entropy(logits / float(np.exp(log_temperature)), labels).item()

    bound = np.log(HIGHEST_TEMPERATURE)
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))
