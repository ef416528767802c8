"""A network whose trainable parameters live in one vector, as the method's formulas have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from labelaudit.errors import InputError


class FlatModel:
    """A module with all trainable parameters as views into one contiguous vector θ.

    Optimizer steps, perturbations θ ± εu and checkpoints are then single in-place vector operations without
    copies of the parameter set. The module stays in evaluation mode, in training too: active dropout or batch
    statistics would make the loss of a sample depend on chance or on its neighbours, and DIT meaningless (METHOD §3).

    Influence may be propagated through a part of them only, the tracked ones, as if the others were given: their course
    is the recorded one, whoever is left out. They are the last of θ.

    Attributes:
        module: The network, in evaluation mode.
        theta: The parameters θ, shape (P,). Writing into it changes the network.
        gradient: The gradient accumulated by `backward()`, shape (P,).
        tracked: The tracked parameters, the end of θ, shape (P_t,).
        tracked_gradient: Their gradient, shape (P_t,).
    """

    def __init__(
        self,
        module: nn.Module,
        device: torch.device,
        dtype: torch.dtype,
        is_tracked: Callable[[str], bool] = lambda name: True,
    ) -> None:
        self.module = module.to(device=device, dtype=dtype).eval()
        trained = [(name, p) for name, p in self.module.named_parameters() if p.requires_grad]
        trained.sort(key=lambda named: is_tracked(named[0]))  # the order is otherwise kept
        self._names, parameters = zip(*trained, strict=True)
        self._shapes = [p.shape for p in parameters]
        self._sizes = [p.numel() for p in parameters]
        self.theta = torch.cat([p.detach().reshape(-1) for p in parameters])
        self.gradient = torch.zeros_like(self.theta)
        for parameter, value, gradient in zip(
            parameters, self._split(self.theta), self._split(self.gradient), strict=True
        ):
            parameter.data = value
            parameter.grad = gradient
        untracked = sum(not is_tracked(name) for name in self._names)
        self._untracked = parameters[:untracked]
        first = sum(self._sizes[:untracked])
        self.tracked, self.tracked_gradient = self.theta[first:], self.gradient[first:]

    def __call__(self, inputs: Tensor) -> Tensor:
        """Logits, shape (B, C), at the current θ."""
        return self.module(inputs)  # type: ignore[no-any-return]  # nn.Module.__call__ is untyped

    @contextmanager
    def tracking(self) -> Iterator[None]:
        """Within, gradients of the tracked parameters only are computed."""
        for parameter in self._untracked:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in self._untracked:
                parameter.requires_grad_(True)

    def at(self, tracked: Tensor, inputs: Tensor) -> Tensor:
        """Logits, shape (B, C), as a function of the tracked parameters (P_t,); differentiable in both modes."""
        first = len(self._untracked)
        values = (
            part.view(shape)
            for part, shape in zip(tracked.split(self._sizes[first:]), self._shapes[first:], strict=True)
        )
        parameters = dict(zip(self._names[first:], values, strict=True))
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
