"""Queries: the functions of θ whose change is estimated, and their gradients q (docs/method.md, "Queries")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from labelaudit.errors import InputError
from labelaudit.models.flat import FlatModel
from labelaudit.types import checked
from labelaudit.units import listed


@runtime_checkable
class Query(Protocol):
    """K quantities that depend on θ. Influence is how much each would change without a training sample."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the K quantities are called."""

    def value(self, model: FlatModel) -> Tensor:
        """The quantities at the model's θ, float64, shape (K,)."""

    def frozen(self, model: FlatModel) -> Query:
        """The query with its fitted temperature frozen at the model's θ; `gradient` differentiates this one."""

    def gradient(self, model: FlatModel) -> Tensor:
        """Their gradients q at the model's θ in the tracked parameters, shape (K, P_t)."""


@checked
@dataclass(frozen=True)
class ValueQuery:
    """Any quantities that are differentiable in θ and cheap enough to be computed in one go.

    Attributes:
        names: What they are called, K names.
        function: Maps the tracked θ (P_t,) to (K,). A function of your own will call `model.at(theta, inputs)` for
            logits (B, C):

            >>> ValueQuery(("mean logit of the first class",), lambda theta: model.at(theta, inputs)[:, :1].mean(0))
    """

    names: tuple[str, ...]
    function: Callable[[Tensor], Tensor]

    def value(self, model: FlatModel) -> Tensor:
        """See `Query`."""
        return self.function(model.tracked.detach()).detach().double()

    def frozen(self, model: FlatModel) -> Query:
        """See `Query`: it fits nothing."""
        return self

    def gradient(self, model: FlatModel) -> Tensor:
        """See `Query`.

        Raises:
            InputError: The function does not give K values.
        """
        with torch.enable_grad():
            theta = model.tracked.detach().clone().requires_grad_()
            values = self.function(theta)
            if values.shape != (len(self.names),):
                raise InputError(
                    f"the query {', '.join(self.names[:3])} gave a tensor of shape {tuple(values.shape)}; it should "
                    f"have {len(self.names)} values, one for each name"
                )
            gradients = [torch.autograd.grad(value, theta, retain_graph=True)[0] for value in values]
        return torch.stack(gradients)


@checked
def prediction(
    model: FlatModel, inputs: Tensor, names: Sequence[str], classes: Sequence[str], class_name: str
) -> ValueQuery:
    """The logit f_c(x) of a class for each input (Theorem 5).

    Args:
        model: The network, such as `run.model`.
        inputs: Shape (B, …).
        names: What the inputs are called, B names.
        classes: The class names, by class index.
        class_name: c.

    Returns:
        A query of B quantities.

    Raises:
        InputError: There is no class of that name.
    """
    index = index_of(classes, class_name, "class")
    return ValueQuery(
        tuple(f"prediction of {class_name} for {name}" for name in names),
        lambda theta: model.at(theta, inputs)[:, index],
    )


@checked
def feature_importance(model: FlatModel, inputs: Tensor, label: int, features: Sequence[int]) -> ValueQuery:
    """∂ℓ(z)/∂x_k: how the loss of one sample depends on entries of its input (Theorem 6).

    Args:
        model: The network, such as `run.model`.
        inputs: The sample's input, shape (1, …).
        label: Its class index.
        features: The entries k of the flattened input.

    Returns:
        A query of K quantities, one for each of the entries.

    Raises:
        InputError: There is no such entry.
    """
    for feature in features:
        if not 0 <= feature < inputs.numel():
            raise InputError(f"feature {feature} is outside the input, which has features 0 to {inputs.numel() - 1}")
    target = torch.tensor([label], device=inputs.device)

    def function(theta: Tensor) -> Tensor:
        with torch.enable_grad():
            x = inputs.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(cross_entropy(model.at(theta, x), target), x, create_graph=True)
            return gradient.reshape(-1)[list(features)]

    return ValueQuery(tuple(f"∂loss/∂x[{k}]" for k in features), function)


@checked
def parameter_importance(model: FlatModel, parameters: Sequence[str]) -> ValueQuery:
    """Single parameters θ_k (Theorem 7: q = e_k).

    Args:
        model: The network, such as `run.model`.
        parameters: Their names and indices, like `head.weight[3, 17]`.

    Returns:
        A query of K quantities, one for each of the parameters.

    Raises:
        InputError: There is no such parameter or entry, or it is not tracked.
    """
    first = len(model.theta) - len(model.tracked)
    places = [model.index_of(name) - first for name in parameters]
    for name, place in zip(parameters, places, strict=True):
        if place < 0:
            raise InputError(f"the parameter {name} is not tracked, and influence does not go through it")
    return ValueQuery(tuple(parameters), lambda theta: theta[places])


def index_of(known: Sequence[str], name: str, what: str) -> int:
    """Index of a name among the known ones.

    Raises:
        InputError: It is unknown; the message lists the known ones.
    """
    if name not in known:
        raise InputError(f"there is no {what} {name!r}; there are {listed(known, 10)}")
    return list(known).index(name)
