"""A network whose trainable parameters live in one vector, as the method's formulas have them."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from labelaudit.distributed import ALONE, Team
from labelaudit.errors import InputError


class FlatModel:
    """A module with all trainable parameters as views into one contiguous vector θ.

    Optimizer steps, perturbations θ ± εu and checkpoints are then single in-place vector operations without
    copies of the parameter set. The module stays in evaluation mode, in training too: active dropout or batch
    statistics would make the loss of a sample depend on chance or on its neighbours, and DIT meaningless (METHOD §3).

    Of several processes each has such a network, all of them the same θ, and differentiates its share of a batch.

    Attributes:
        module: The network, in evaluation mode.
        team: The processes that work on it.
        parameters: P, over all processes.
        theta: The parameters θ, shape (P,). Writing into it changes the network.
        gradient: The gradient accumulated by `backward()`, shape (P,).
    """

    team: Team
    parameters: int
    theta: Tensor
    gradient: Tensor

    def __init__(self, module: nn.Module, device: torch.device, dtype: torch.dtype, team: Team = ALONE) -> None:
        self.team = team
        self.module = module.to(device=device, dtype=dtype).eval()
        self._names, parameters = zip(
            *((name, p) for name, p in self.module.named_parameters() if p.requires_grad), strict=True
        )
        self._shapes = [p.shape for p in parameters]
        self._sizes = [p.numel() for p in parameters]
        self.parameters = sum(self._sizes)
        self.theta = torch.cat([p.detach().reshape(-1) for p in parameters])
        self.gradient = torch.zeros_like(self.theta)
        for parameter, value, gradient in zip(
            parameters, self._split(self.theta), self._split(self.gradient), strict=True
        ):
            parameter.data = value
            parameter.grad = gradient

    def __call__(self, inputs: Tensor) -> Tensor:
        """Logits, shape (B, C), at the current θ."""
        return self.module(inputs)  # type: ignore[no-any-return]  # nn.Module.__call__ is untyped

    def at(self, theta: Tensor, inputs: Tensor) -> Tensor:
        """Logits, shape (B, C), as a function of any θ of shape (P,); differentiable in both modes."""
        parameters = dict(zip(self._names, self._split(theta), strict=True))
        return torch.func.functional_call(self.module, parameters, (inputs,))  # type: ignore[no-any-return]  # untyped

    def differentiate(self, loss: Tensor, *, retain_graph: bool = False) -> None:
        """Put the gradient of this process's share of a loss into `gradient`; `add_up` makes it that of the loss."""
        self.gradient.zero_()
        loss.backward(retain_graph=retain_graph)

    def add_up(self, vectors: Tensor) -> Tensor:
        """Make sums over rows of this process's share, of shape (…, P), sums over all rows, in place."""
        return self.team.sum_(vectors)

    def norm(self, vectors: Tensor) -> Tensor:
        """Euclidean lengths of vectors (…, P), shape (…)."""
        length: Tensor = vectors.norm(dim=-1)
        return length

    def inner(self, vectors: Tensor, vector: Tensor) -> Tensor:
        """Inner products of vectors (…, P) with one (P,), shape (…)."""
        return vectors @ vector

    def is_at(self, theta: Tensor) -> bool:
        """Whether this is the network's θ."""
        return torch.equal(theta, self.theta)

    def whole(self, vectors: Tensor) -> Tensor:
        """Vectors of shape (…, P), in main memory, with what the other processes hold; needed on the leader only."""
        return vectors.detach().cpu() if self.team.leader else vectors

    def own(self, vectors: Tensor | None) -> Tensor:
        """What this process holds of vectors (…, P) that the leader has in main memory."""
        told = self.team.tell(None if vectors is None else {"vectors": vectors})
        assert told is not None
        return told["vectors"].to(self.theta.device)

    def index_of(self, name: str) -> int:
        """The place in θ of one parameter, named like `head.weight[3, 17]`.

        Raises:
            InputError: There is no such parameter, or it has no such entry.
        """
        match = re.fullmatch(r"([\w.]+)\[([\d, ]+)\]", name)
        if match is None or match[1] not in self._names:
            raise InputError(f"there is no parameter {name!r}; names look like {self._names[0]}[0, 0]; known are "
                             + ", ".join(self._names[:10]) + " …" * (len(self._names) > 10))  # fmt: skip
        number = self._names.index(match[1])
        shape, entry = self._shapes[number], [int(part) for part in match[2].split(",")]
        if len(entry) != len(shape) or any(index >= size for index, size in zip(entry, shape, strict=True)):
            raise InputError(f"the parameter {match[1]} has the shape {tuple(shape)}; {name} is not in it")
        flat = 0
        for index, size in zip(entry, shape, strict=True):
            flat = flat * size + index
        return int(sum(self._sizes[:number])) + flat

    def _split(self, vector: Tensor) -> list[Tensor]:
        return [part.view(shape) for part, shape in zip(vector.split(self._sizes), self._shapes, strict=True)]
