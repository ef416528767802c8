"""A network whose trainable parameters live in one vector, as the method's formulas have them."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from labelaudit.errors import InputError


class FlatModel:
    """A module with all trainable parameters as views into one contiguous vector θ.

    Optimizer steps, perturbations θ ± εu and checkpoints are then single in-place vector operations without
    copies of the parameter set. The module stays in evaluation mode, in training too: active dropout or batch
    statistics would make the loss of a sample depend on chance or on its neighbours, and DIT meaningless (METHOD §3).

    Attributes:
        module: The network, in evaluation mode.
        theta: The parameters θ, shape (P,). Writing into it changes the network.
        gradient: The gradient accumulated by `backward()`, shape (P,).
    """

    def __init__(self, module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        self.module = module.to(device=device, dtype=dtype).eval()
        self._names, parameters = zip(
            *((name, p) for name, p in self.module.named_parameters() if p.requires_grad), strict=True
        )
        self._shapes = [p.shape for p in parameters]
        self._sizes = [p.numel() for p in parameters]
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
