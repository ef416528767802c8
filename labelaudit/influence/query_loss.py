"""The default query: the loss on held-out rows, in all, by class or by row (Appendix C)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy

from labelaudit.data.batches import Batches
from labelaudit.influence.queries import Query, index_of
from labelaudit.models.flat import FlatModel
from labelaudit.runtime.large_arrays import cells, put_log_softmax
from labelaudit.training.predict import Gathered, predict
from labelaudit.training.thinning import thinned
from labelaudit.types import QueryName, checked

HIGHEST_TEMPERATURE = 20.0

QUERY_TEXT: dict[QueryName, str] = {
    "probability": "mean calibrated probability of a wrong answer on the query rows, 1 − p(label)",
    "calibrated": "mean calibrated test loss on the query rows, in nats",
    "loss": "mean test loss on the query rows, in nats",
    "margin": "minus the mean margin on the query rows, log Σ exp of the other logits − logit of the label",
}


@checked
@dataclass
class QueryLoss:
    """The mean loss over query rows, over groups of them, or of each of them.

    With T̂ the temperature that fits the rows best (Guo et al. 2017), z logits and y labels, the loss of a row is

    - `loss`: cross-entropy(z, y), the paper's;
    - `calibrated`: cross-entropy(z/T̂, y);
    - `probability`: 1 − softmax(z/T)_y with T = max(1, T̂). A row that is badly predicted, or itself mislabelled,
      has almost no gradient here, whereas it would dominate that of a cross-entropy;
    - `margin`: log Σ_{c≠y} exp(z_c) − z_y. Every row has the same weight, however it is predicted; for two classes it
      is the limit of a cross-entropy at high temperature.

    T̂ is fitted where the query is evaluated, and is constant in its gradient; `reuse_temperature` saves a pass.

    Attributes:
        name: The loss.
        batches: Where inputs and labels are.
        rows: The query rows, int64, shape (M,).
        batch_size: Rows in a forward pass.
        group_names: K names; one for all rows together.
        groups: The group, 0 … K−1, of each row, int64, shape (M,).
        fixed_temperature: T; None to fit it.
        temperature: T of the last evaluation.
        log_probabilities: log softmax(z/T̂) at the last evaluation, whichever the loss, shape (M, C) (see `cells`); with
            a fixed temperature, that takes T̂'s place.
    """

    __test__ = False  # pytest, this is no test class

    name: QueryName
    batches: Batches
    rows: Tensor
    batch_size: int
    group_names: tuple[str, ...] = ("test loss",)
    groups: Tensor | None = None
    fixed_temperature: float | None = None
    temperature: float = field(default=1.0, init=False)
    log_probabilities: Tensor = field(default_factory=lambda: torch.empty(0), init=False)
    _theta: Tensor | None = field(default=None, init=False)
    _logits: Tensor = field(default_factory=lambda: torch.empty(0), init=False)
    _reused: tuple[Tensor, float] | None = field(default=None, init=False)

    @property
    def names(self) -> tuple[str, ...]:
        """See `Query`."""
        return self.group_names

    def value(self, model: FlatModel) -> Tensor:
        """See `Query`."""
        logits = self.evaluate(model)
        losses = self._losses(logits.double(), self.batches.labels[self.rows])
        groups, sizes = self._grouping()
        return torch.zeros(len(sizes), dtype=torch.float64).index_add(0, groups, losses) / sizes

    def gradient(self, model: FlatModel) -> Tensor:
        """See `Query`: a pass to fit the temperature, unless it is known, and one for the loss and its gradient."""
        reused = self._reused_at(model)
        if reused is None:
            self.evaluate(model)
        else:
            self.temperature = reused[1]
        answers = Gathered(len(self.rows))
        groups, sizes = self._grouping()
        gradients = torch.zeros_like(model.tracked).repeat(len(sizes), 1)
        for part in torch.arange(len(self.rows)).split(self.batch_size):
            shard = model.process_group.shard(len(part))
            inputs, labels = self.batches.batch(self.rows[part], shard=shard)
            with model.tracking():
                logits = model(inputs)
                losses = self._losses(logits, labels)
                present = groups[part].unique().tolist()
                for group in present:
                    chosen = (groups[part][shard] == group).to(losses.device)
                    loss = losses[chosen].sum() / sizes[group].item()
                    model.backward(loss, retain_graph=group != present[-1])
                    gradients[group] += model.tracked_gradient
            if reused is not None:  # otherwise they are known
                answers.add(model.process_group.all_gather(logits.detach(), len(part)))
        if reused is not None:
            theta, temperature = reused
            self.set_logits(theta, answers.logits, temperature)
        return model.all_reduce(gradients)

    def frozen(self, model: FlatModel) -> Query:
        """See `Query`."""
        self.evaluate(model)
        return replace(self, fixed_temperature=self.temperature)

    def evaluate(self, model: FlatModel) -> Tensor:
        """Set `temperature` and `log_probabilities` at the model's θ; return the logits (M, C)."""
        if self._theta is not None and model.is_at(self._theta):
            return self._logits  # so that the query rows are not predicted twice
        if self._reused_at(model) is None:
            self.set_logits(model.theta.clone(), predict(model, self.batches, self.rows, self.batch_size))
        else:
            self.gradient(model)  # the same bits as a fresh evaluation
        return self._logits

    def set_logits(self, theta: Tensor, logits: Tensor, temperature: float | None = None) -> None:
        """Set the logits (M, C) at θ (P,), and fit the temperature to them.

        Args:
            theta: θ.
            logits: The query rows' logits at θ.
            temperature: T of the loss; None for the one that fits these logits.
        """
        self._theta, self._logits = theta, logits
        fitted = self._fitted(logits)
        self.temperature = self._of_loss(fitted) if temperature is None else temperature
        log_p = cells(*logits.shape)
        put_log_softmax(logits.detach().numpy(), 1 / fitted, log_p)
        self.log_probabilities = torch.from_numpy(log_p)

    def reuse_temperature(self, theta: Tensor, logits: Tensor) -> None:
        """Use the temperature fitted to logits of an earlier epoch, of all rows or as `thinned` has them, at θ (P,).

        One pass then gives the loss and its gradient; fitting T̂ first would take another one.
        """
        self._reused = theta, self._of_loss(self._fitted(logits))

    def _reused_at(self, model: FlatModel) -> tuple[Tensor, float] | None:
        return self._reused if self._reused is not None and model.is_at(self._reused[0]) else None

    def _fitted(self, logits: Tensor) -> float:
        if self.fixed_temperature is not None:
            return self.fixed_temperature
        labels = self.batches.labels[self.rows]
        if len(logits) < len(labels):
            labels = labels[thinned(len(labels), logits.shape[1])]
        return fit_temperature(logits, labels)

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


@checked
def loss_by_class(
    name: QueryName, batches: Batches, rows: Tensor, batch_size: int, classes: Sequence[str]
) -> QueryLoss:
    """The mean test loss of each class that has query rows.

    Args:
        name: The loss, see `QueryLoss`.
        batches: Where inputs and labels are.
        rows: The query rows, int64, shape (M,).
        batch_size: Rows in a forward pass.
        classes: The class names, by class index.

    Returns:
        A query of one quantity for each of these classes.
    """
    present, groups = batches.labels[rows].unique(return_inverse=True)
    names = tuple(f"test loss on {classes[index]}" for index in present.tolist())
    return QueryLoss(name, batches, rows, batch_size, names, groups)


@checked
def loss_by_sample(
    name: QueryName,
    batches: Batches,
    rows: Tensor,
    batch_size: int,
    ids: Sequence[str],
    only: Sequence[str] | None = None,
) -> QueryLoss:
    """The test loss of each query row, or of the chosen ones only.

    Args:
        name: The loss, see `QueryLoss`.
        batches: Where inputs and labels are.
        rows: The query rows, int64, shape (M,).
        batch_size: Rows in a forward pass.
        ids: What the rows are called, M ids.
        only: The ids of the rows that are wanted; None for all.

    Returns:
        A query of one quantity for each of the rows.

    Raises:
        InputError: There is no sample of such an id.
    """
    places = range(len(ids)) if only is None else [index_of(ids, wanted, "sample") for wanted in only]
    names = tuple(f"loss on {ids[place]}" for place in places)
    return QueryLoss(name, batches, rows[list(places)], batch_size, names, torch.arange(len(places)))


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T, between 1/20 and 20, with the least mean cross-entropy(z/T, y)."""
    some = thinned(*logits.shape)
    logits, labels = logits[some].double(), labels[some]

    def loss(log_temperature: float) -> float:
        return cross_entropy(logits / float(np.exp(log_temperature)), labels).item()

    bound = np.log(HIGHEST_TEMPERATURE)
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))
