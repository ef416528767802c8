"""The query that most ask: the loss on held-out rows, whole, by class or by row (Appendix C)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy

from labelaudit.config import QueryName
from labelaudit.data.examples import Examples
from labelaudit.influence.queries import Query, index_of
from labelaudit.models.flat import FlatModel
from labelaudit.training.predict import predict

HIGHEST_TEMPERATURE = 20.0

QUERY_TEXT: dict[QueryName, str] = {
    "probability": "mean calibrated probability of a wrong answer on the query rows, 1 − p(label)",
    "calibrated": "mean calibrated test loss on the query rows, in nats",
    "loss": "mean test loss on the query rows, in nats",
    "margin": "minus the mean margin on the query rows, log Σ exp of the other logits − logit of the label",
}


@dataclass
class TestLoss:
    """The mean loss over query rows, over groups of them, or of each of them.

    With T̂ the temperature that fits the rows best (Guo et al. 2017), z logits and y labels, the loss of a row is

    - `loss`: cross-entropy(z, y), the paper's;
    - `calibrated`: cross-entropy(z/T̂, y);
    - `probability`: 1 − softmax(z/T)_y with T = max(1, T̂). A row that is badly predicted, or itself mislabelled,
      has next to no gradient here, where it would rule that of a cross-entropy;
    - `margin`: log Σ_{c≠y} exp(z_c) − z_y. Every row counts the same however it is predicted; for two classes it is
      what a cross-entropy at a high temperature tends to.

    T̂ is fitted where the query is evaluated, and held fixed in its gradient; `presume` spares a pass.

    Attributes:
        name: Which loss.
        examples: Where inputs and labels are.
        rows: The query rows, int64, shape (M,).
        batch_size: How many to put through the network at once.
        group_names: K names; one for all rows together.
        groups: The group, 0 … K−1, of each row, int64, shape (M,).
        fixed_temperature: T, where it is not to be fitted.
        temperature: T of the last evaluation.
        log_probabilities: log softmax(z/T̂) at the last evaluation, whichever the loss, float64, shape (M, C); with a
            fixed temperature, that takes T̂'s place.
    """

    __test__ = False  # pytest, this is no test class

    name: QueryName
    examples: Examples
    rows: Tensor
    batch_size: int
    group_names: tuple[str, ...] = ("test loss",)
    groups: Tensor | None = None
    fixed_temperature: float | None = None
    temperature: float = field(default=1.0, init=False)
    log_probabilities: Tensor = field(default_factory=lambda: torch.empty(0), init=False)
    _theta: Tensor | None = field(default=None, init=False)
    _logits: Tensor = field(default_factory=lambda: torch.empty(0), init=False)
    _presumed: tuple[Tensor, float] | None = field(default=None, init=False)

    @property
    def names(self) -> tuple[str, ...]:
        """See `Query`."""
        return self.group_names

    def value(self, model: FlatModel) -> Tensor:
        """See `Query`."""
        logits = self.evaluate(model)
        losses = self._losses(logits.double(), self.examples.labels[self.rows])
        groups, sizes = self._grouping()
        return torch.zeros(len(sizes), dtype=torch.float64).index_add(0, groups, losses) / sizes

    def gradient(self, model: FlatModel) -> Tensor:
        """See `Query`: a pass to fit the temperature, unless it is known, and one to answer and differentiate."""
        presumed = self._presumption(model)
        if presumed is None:
            self.evaluate(model)
        else:
            self.temperature = presumed[1]
        answers = []
        groups, sizes = self._grouping()
        gradients = torch.zeros_like(model.tracked).repeat(len(sizes), 1)
        for part in torch.arange(len(self.rows)).split(self.batch_size):
            share = model.team.share(len(part))
            inputs, labels = self.examples.batch(self.rows[part], share=share)
            with model.tracking():
                logits = model(inputs)
                losses = self._losses(logits, labels)
                present = groups[part].unique().tolist()
                for group in present:
                    chosen = (groups[part][share] == group).to(losses.device)
                    loss = losses[chosen].sum() / sizes[group].item()
                    model.differentiate(loss, retain_graph=group != present[-1])
                    gradients[group] += model.tracked_gradient
            if presumed is not None:  # else they are known
                answers.append(model.team.gather(logits.detach(), len(part)).cpu())
        if presumed is not None:
            theta, temperature = presumed
            self.remember(theta, torch.cat(answers), temperature)
        return model.add_up(gradients)

    def frozen(self, model: FlatModel) -> Query:
        """See `Query`."""
        self.evaluate(model)
        return replace(self, fixed_temperature=self.temperature)

    def evaluate(self, model: FlatModel) -> Tensor:
        """Set `temperature` and `log_probabilities` at the model's θ; return the logits (M, C)."""
        if self._theta is not None and model.is_at(self._theta):
            return self._logits  # the passes over the query rows are not to be paid for twice
        if self._presumption(model) is None:
            self.remember(model.theta.clone(), predict(model, self.examples, self.rows, self.batch_size))
        else:
            self.gradient(model)  # the same bits as if it had been asked for
        return self._logits

    def remember(self, theta: Tensor, logits: Tensor, temperature: float | None = None) -> None:
        """Take the logits (M, C) at θ (P,) as known, and fit what is to be fitted to them.

        Args:
            theta: θ.
            logits: There.
            temperature: T of the loss, if it is not to be that which fits these logits.
        """
        self._theta, self._logits = theta, logits
        fitted = self._fitted(logits)
        self.temperature = self._of_loss(fitted) if temperature is None else temperature
        self.log_probabilities = (logits.double() / fitted).log_softmax(1)

    def presume(self, theta: Tensor, logits: Tensor) -> None:
        """Take the temperature at θ (P,) from logits (M, C) of a little earlier in the training.

        One pass there then answers and differentiates, where it takes one to answer and another one after T̂ is known.
        """
        self._presumed = theta, self._of_loss(self._fitted(logits))

    def _presumption(self, model: FlatModel) -> tuple[Tensor, float] | None:
        return self._presumed if self._presumed is not None and model.is_at(self._presumed[0]) else None

    def _fitted(self, logits: Tensor) -> float:
        if self.fixed_temperature is not None:
            return self.fixed_temperature
        return fit_temperature(logits, self.examples.labels[self.rows])

    def _of_loss(self, fitted: float) -> float:
        if self.fixed_temperature is not None:
            return self.fixed_temperature
        return {"loss": 1.0, "margin": 1.0, "calibrated": fitted, "probability": max(1.0, fitted)}[self.name]

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        scaled = logits / self.temperature
        if self.name == "probability":
            return 1 - scaled.softmax(1).gather(1, labels[:, None])[:, 0]
        if self.name == "margin":
            others = logits.scatter(1, labels[:, None], -torch.inf).logsumexp(1)
            return others - logits.gather(1, labels[:, None])[:, 0]
        return cross_entropy(scaled, labels, reduction="none")

    def _grouping(self) -> tuple[Tensor, Tensor]:
        groups = torch.zeros(len(self.rows), dtype=torch.int64) if self.groups is None else self.groups
        return groups, torch.bincount(groups, minlength=len(self.group_names))


def loss_by_class(
    name: QueryName, examples: Examples, rows: Tensor, batch_size: int, classes: Sequence[str]
) -> TestLoss:
    """One test loss for each class that has query rows."""
    present, groups = examples.labels[rows].unique(return_inverse=True)
    names = tuple(f"test loss on {classes[index]}" for index in present.tolist())
    return TestLoss(name, examples, rows, batch_size, names, groups)


def loss_by_sample(
    name: QueryName,
    examples: Examples,
    rows: Tensor,
    batch_size: int,
    ids: Sequence[str],
    only: Sequence[str] | None = None,
) -> TestLoss:
    """One test loss for each of the query rows (M,), called `ids`, or only for some of them by id.

    Raises:
        InputError: There is no sample of such an id.
    """
    places = range(len(ids)) if only is None else [index_of(ids, wanted, "sample") for wanted in only]
    names = tuple(f"loss on {ids[place]}" for place in places)
    return TestLoss(name, examples, rows[list(places)], batch_size, names, torch.arange(len(places)))


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T, between 1/20 and 20, with the least mean cross-entropy(z/T, y)."""
    logits = logits.double()

    def loss(log_temperature: float) -> float:
        return cross_entropy(logits / float(np.exp(log_temperature)), labels).item()

    bound = np.log(HIGHEST_TEMPERATURE)
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))
