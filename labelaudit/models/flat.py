"""A network whose trainable parameters live in one vector, as the method's formulas have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from labelaudit.errors import InputError
from labelaudit.models.norms import NormsInFloat32
from labelaudit.models.upstream import Upstream
from labelaudit.runtime.distributed import SINGLE_PROCESS, ProcessGroup
from labelaudit.units import listed

SMALL_KERNEL = 100_000  # entries; `_prepare_inputs` says of what


class FlatModel:
    """A module with all trainable parameters as views into one contiguous vector θ.

    Optimizer steps, perturbations θ ± εu and checkpoints are then single in-place vector operations without
    copies of the parameter set. The module stays in evaluation mode, in training too: active dropout or batch
    statistics would make the loss of a sample depend on chance or on its neighbours, and DIT meaningless
    (docs/method.md, "Training").

    Influence may be propagated through a part of them only, the tracked ones, as if the others were given: their course
    is the recorded one, whoever is left out. They are the last of θ.

    Of several processes each has such a network, all of them the same θ, and differentiates its shard of a batch.

    With mixed precision, θ and all vectors like it are float32, and what the network computes is bfloat16, but within
    `full_precision`.

    Attributes:
        module: The network, in evaluation mode.
        mixed: Whether its precision is mixed.
        process_group: The processes that work on it.
        parameters: P, over all processes.
        tracked_parameters: P_t, likewise.
        theta: The parameters θ, shape (P,). Writing into it changes the network.
        gradient: The gradient accumulated by `backward()`, shape (P,).
        tracked: The tracked parameters, the end of θ, shape (P_t,).
        tracked_gradient: Their gradient, shape (P_t,).
    """

    process_group: ProcessGroup
    mixed: bool
    parameters: int
    tracked_parameters: int
    theta: Tensor
    gradient: Tensor
    tracked: Tensor
    tracked_gradient: Tensor

    def __init__(
        self,
        module: nn.Module,
        device: torch.device,
        dtype: torch.dtype,
        is_tracked: Callable[[str], bool] = lambda name: True,
        process_group: ProcessGroup = SINGLE_PROCESS,
        mixed: bool = False,
    ) -> None:
        self.process_group, self.mixed = process_group, mixed
        self.module = module.to(device=device, dtype=dtype).eval()
        parameters = self._arrange(is_tracked)
        self.theta = torch.cat([p.detach().reshape(-1) for p in parameters])
        self.gradient = torch.zeros_like(self.theta)
        for parameter, value, gradient in zip(
            parameters, self._split(self.theta), self._split(self.gradient), strict=True
        ):
            parameter.data = value
            parameter.grad = gradient
        self._untracked = parameters[: self._first_tracked]
        first = sum(self._sizes[: self._first_tracked])
        self.tracked, self.tracked_gradient = self.theta[first:], self.gradient[first:]

    def _arrange(self, is_tracked: Callable[[str], bool]) -> list[nn.Parameter]:
        """The trained parameters, the tracked ones last; their names, shapes and sizes are noted."""
        trained = [(name, p) for name, p in self.module.named_parameters() if p.requires_grad]
        trained.sort(key=lambda named: is_tracked(named[0]))  # the order is otherwise kept
        self._names, parameters = zip(*trained, strict=True)
        self._shapes = [p.shape for p in parameters]
        self._sizes = [p.numel() for p in parameters]
        self.parameters = sum(self._sizes)
        self._first_tracked = sum(not is_tracked(name) for name in self._names)
        self.tracked_parameters = sum(self._sizes[self._first_tracked :])
        self._is_tracking = self._recomputes = False
        self._upstream: Upstream | None = None
        convolutions = [module for module in self.module.modules() if isinstance(module, nn.Conv2d)]
        self._channels_last = any(convolution.groups > 1 for convolution in convolutions) or (
            0 < max((convolution.weight.numel() for convolution in convolutions), default=0) <= SMALL_KERNEL
        )
        return list(parameters)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Logits, shape (B, C), at the current θ."""
        with torch.autocast(self.theta.device.type, torch.bfloat16, enabled=self.mixed):
            logits: Tensor = self.module(self._prepare_inputs(inputs))
        return logits[: len(inputs)].to(self.theta.dtype)

    @contextmanager
    def full_precision(self) -> Iterator[None]:
        """Within, nothing is computed in bfloat16."""
        mixed, self.mixed = self.mixed, False
        try:
            yield
        finally:
            self.mixed = mixed

    def recompute_activations(self) -> bool:
        """Have backward passes compute activations anew instead of keeping them; False if the network cannot."""
        switch = getattr(self.module, "set_grad_checkpointing", None)  # timm's name for it
        if switch is None:
            return False
        try:
            switch(True)
        except (AssertionError, NotImplementedError):  # it has the switch, but does not support it
            return False
        self._recomputes = True
        return True

    @contextmanager
    def tracking(self) -> Iterator[None]:
        """Within, gradients of the tracked parameters only are computed."""
        self._is_tracking = True
        for parameter in self._untracked:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            self._is_tracking = False
            for parameter in self._untracked:
                parameter.requires_grad_(True)

    @contextmanager
    def fixed_inputs(self, inputs: Tensor) -> Iterator[None]:
        """Within, while `tracking`, all passes are over these inputs: what no tracked parameter reaches is kept."""
        if self._recomputes:  # which calls blocks again, in backward passes
            yield
            return
        if self._upstream is None:
            self._upstream = Upstream(self.module, self._prepare_inputs(inputs)[:1])
        with self._upstream.once():
            yield

    def at(self, tracked: Tensor, inputs: Tensor) -> Tensor:
        """Logits, shape (B, C), as a function of the tracked parameters (P_t,); differentiable in both modes."""
        first = self._first_tracked
        values = (
            part.view(shape)
            for part, shape in zip(tracked.split(self._sizes[first:]), self._shapes[first:], strict=True)
        )
        state = dict(zip(self._names[first:], values, strict=True))
        if self.mixed:  # autocast's own casts have no derivative in both modes at once
            own = dict(self.module.named_parameters()) | dict(self.module.named_buffers()) | state
            state = {name: value.bfloat16() if value.is_floating_point() else value for name, value in own.items()}
            inputs = inputs.bfloat16()
        with NormsInFloat32() if self.mixed else nullcontext():
            logits: Tensor = torch.func.functional_call(self.module, state, (self._prepare_inputs(inputs),))
        return logits[: len(inputs)].to(self.theta.dtype)

    def backward(self, loss: Tensor, *, retain_graph: bool = False) -> None:
        """Put the gradient of this process's shard of a loss into `gradient`; `all_reduce` makes it the loss's."""
        (self.tracked_gradient if self._is_tracking else self.gradient).zero_()
        loss.backward(retain_graph=retain_graph)

    def all_reduce(self, vectors: Tensor) -> Tensor:
        """Make sums over rows of this process's shard, of shape (…, P or P_t), sums over all rows, in place."""
        return self.process_group.all_reduce(vectors)

    def norm(self, vectors: Tensor) -> Tensor:
        """Euclidean lengths of vectors (…, P or P_t), shape (…)."""
        length: Tensor = vectors.norm(dim=-1)
        return length

    def inner(self, vectors: Tensor, vector: Tensor) -> Tensor:
        """Inner products of vectors (…, P or P_t) with one of them, shape (…)."""
        return vectors @ vector

    def is_at(self, theta: Tensor) -> bool:
        """Whether this is the network's θ."""
        return torch.equal(theta, self.theta)

    def gather_on_leader(self, vectors: Tensor, *, tracked: bool = False) -> Tensor:
        """Vectors (…, P), or (…, P_t) if `tracked`, in main memory, with what others hold; only rank 0 has them."""
        return vectors.detach().cpu() if self.process_group.is_leader else vectors

    def scatter_from_leader(
        self, vectors: Tensor | None, leading: Sequence[int], dtype: torch.dtype, *, tracked: bool = False
    ) -> Tensor:
        """What this process holds of vectors (*leading, P or P_t) that rank 0 has in main memory."""
        like = torch.empty(*leading, self.tracked_parameters if tracked else self.parameters, dtype=dtype)
        return self.process_group.broadcast(vectors, like).to(self.theta.device)

    def index_of(self, name: str) -> int:
        """The place in θ of one parameter, named like `head.weight[3, 17]`.

        Raises:
            InputError: There is no such parameter, or it has no such entry.
        """
        match = re.fullmatch(r"([\w.]+)\[([\d, ]+)\]", name)
        if match is None or match[1] not in self._names:
            raise InputError(
                f"there is no parameter {name!r}; names look like {self._names[0]}[0, 0]; known are "
                + listed(self._names, 10)
            )
        number = self._names.index(match[1])
        shape, entry = self._shapes[number], [int(part) for part in match[2].split(",")]
        if len(entry) != len(shape) or any(index >= size for index, size in zip(entry, shape, strict=True)):
            raise InputError(f"the parameter {match[1]} has the shape {tuple(shape)}; {name} is not in it")
        flat = 0
        for index, size in zip(entry, shape, strict=True):
            flat = flat * size + index
        return int(sum(self._sizes[:number])) + flat

    def _prepare_inputs(self, inputs: Tensor) -> Tensor:
        """The inputs as the network is to get them.

        A process whose shard of a batch is empty puts one row of zeros through: not every network takes none. On CPUs
        grouped convolutions are up to twice as fast with the channels last, small ones with their pooling up to three
        times; large ones are slower, for their kernels are laid out anew at each call.
        """
        inputs = inputs if len(inputs) else inputs.new_zeros(1, *inputs.shape[1:])
        if self._channels_last and inputs.ndim == 4 and inputs.device.type == "cpu":
            last = torch.empty_like(inputs, memory_format=torch.channels_last)
            return last.copy_(inputs)  # `contiguous` leaves images of one channel as they are
        return inputs

    def _split(self, vector: Tensor) -> list[Tensor]:
        return [part.view(shape) for part, shape in zip(vector.split(self._sizes), self._shapes, strict=True)]
