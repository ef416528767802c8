"""A network whose parameters are spread over the processes of a group, for those that do not fit into each (FSDP2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from labelaudit.errors import InputError
from labelaudit.models.flat import FlatModel
from labelaudit.runtime.distributed import ProcessGroup


class ShardedModel(FlatModel):
    """A `FlatModel` with a part of θ, its gradient and all vectors like them on each process.

    Each parameter is cut along its first dimension. A block's parameters are brought together when it computes, and are
    gone after it. All that is done entry by entry, as by optimizers and adjoints, is the same as with the whole θ;
    lengths and inner products are summed over the processes.

    Attributes:
        theta: This process's entries of θ, one parameter after the other, shape (own P,).
        gradient: The same entries of the gradient.
        tracked: This process's entries of the tracked parameters, the end of its θ, shape (own P_t,).
        tracked_gradient: The same entries of the gradient.
    """

    def __init__(
        self,
        module: nn.Module,
        device: torch.device,
        dtype: torch.dtype,
        is_tracked: Callable[[str], bool],
        process_group: ProcessGroup,
        mixed: bool = False,
    ) -> None:
        self.process_group, self.mixed = process_group, mixed
        self.module = module.to(dtype=dtype).eval()  # each part goes to the device when it is cut
        self._arrange(is_tracked)
        mesh = init_device_mesh(device.type, (process_group.size,))
        for part in (*blocks(self.module), self.module):
            fully_shard(part, mesh=mesh, reshard_after_forward=True)
        for part in self.module.modules():
            if isinstance(part, FSDPModule):
                part.set_gradient_divide_factor(1.0)  # a sum over the processes, not their mean
                part.set_force_sum_reduction_for_comms(True)  # gloo knows no other
        cut = dict(self.module.named_parameters())
        self._parts = [cut[name] for name in self._names]
        self.theta = torch.cat([_local(part).reshape(-1) for part in self._parts])
        self.gradient = torch.zeros_like(self.theta)
        first = sum(_local(part).numel() for part in self._parts[: self._first_tracked])
        self.tracked, self.tracked_gradient = self.theta[first:], self.gradient[first:]

    def __call__(self, inputs: Tensor) -> Tensor:
        """Logits of this process's rows, shape (B, C); all processes have to ask, if for no rows."""
        for part, values in zip(self._parts, self._own_views(self.theta), strict=True):
            _local(part).copy_(values)
        with self.process_group.collective():
            return super().__call__(inputs)

    @contextmanager
    def tracking(self) -> Iterator[None]:
        """Nothing: all gradients are computed, for FSDP2 decides at first which ones are needed."""
        yield

    @contextmanager
    def fixed_inputs(self, inputs: Tensor) -> Iterator[None]:
        """Nothing: each pass is as any other."""
        yield

    def at(self, tracked: Tensor, inputs: Tensor) -> Tensor:
        """A function of θ needs all of it.

        Raises:
            InputError: Always.
        """
        raise InputError(
            "a sharded network cannot be differentiated in forward mode: use `derivatives` "
            "central-differences, or `shard` never"
        )

    def backward(self, loss: Tensor, *, retain_graph: bool = False) -> None:
        """Put the gradient of a loss, summed over the processes, into `gradient`."""
        with self.process_group.collective():
            loss.backward(retain_graph=retain_graph)
        for part, values in zip(self._parts, self._own_views(self.gradient), strict=True):
            if part.grad is None:
                values.zero_()
            else:
                values.copy_(_local(part.grad))
            part.grad = None

    def all_reduce(self, vectors: Tensor) -> Tensor:
        """Nothing: gradients are summed as they are formed."""
        return vectors

    def norm(self, vectors: Tensor) -> Tensor:
        """Euclidean lengths of vectors (…, own P), shape (…)."""
        squares: Tensor = vectors.norm(dim=-1).square()
        return self.process_group.all_reduce(squares).sqrt()

    def inner(self, vectors: Tensor, vector: Tensor) -> Tensor:
        """Inner products of vectors (…, own P) with one (own P,), shape (…)."""
        return self.process_group.all_reduce(vectors @ vector)

    def is_at(self, theta: Tensor) -> bool:
        """Whether this is the network's θ, on all processes."""
        return self.process_group.min(torch.equal(theta, self.theta)) > 0

    def gather_on_leader(self, vectors: Tensor, *, tracked: bool = False) -> Tensor:
        """Vectors of all processes' entries, in main memory, on rank 0; elsewhere those of its own."""
        own = vectors.detach().cpu().contiguous()
        if not self.process_group.is_leader:
            if own.numel():
                with self.process_group.collective():
                    dist.send(own, dst=0)
            return own
        whole = own.new_empty(*own.shape[:-1], self.tracked_parameters if tracked else self.parameters)
        for rank in range(self.process_group.size):
            places = self._places(rank, tracked)
            length = sum(place.stop - place.start for place in places)
            entries = own if rank == 0 else own.new_empty(*own.shape[:-1], length)
            if rank > 0 and entries.numel():
                with self.process_group.collective():
                    dist.recv(entries, src=rank)
            for place, values in zip(places, entries.split([p.stop - p.start for p in places], -1), strict=True):
                whole[..., place] = values
        return whole

    def scatter_from_leader(
        self, vectors: Tensor | None, leading: Sequence[int], dtype: torch.dtype, *, tracked: bool = False
    ) -> Tensor:
        """This process's entries of vectors that rank 0 has in main memory."""
        own = torch.empty(*leading, len(self.tracked if tracked else self.theta), dtype=dtype)
        if not self.process_group.is_leader:
            if own.numel():
                with self.process_group.collective():
                    dist.recv(own, src=0)
            return own.to(self.theta.device)
        assert vectors is not None
        for rank in reversed(range(self.process_group.size)):
            own = torch.cat([vectors[..., place] for place in self._places(rank, tracked)], -1).contiguous()
            if rank > 0 and own.numel():
                with self.process_group.collective():
                    dist.send(own, dst=rank)
        return own.to(self.theta.device)

    def _places(self, rank: int, tracked: bool) -> list[slice]:
        """Where in the whole θ, or its tracked part, the entries of a process are, a slice for each parameter."""
        places, start, first = [], 0, self._first_tracked * tracked
        for shape, size in zip(self._shapes[first:], self._sizes[first:], strict=True):
            rows, width = (shape[0], size // shape[0]) if len(shape) and shape[0] else (1, size)
            shard = -(-rows // self.process_group.size)  # as torch.chunk cuts
            first, last = min(rank * shard, rows), min((rank + 1) * shard, rows)
            places.append(slice(start + first * width, start + last * width))
            start += size
        return places

    def _own_views(self, vector: Tensor) -> list[Tensor]:
        locals_ = [_local(part) for part in self._parts]
        parts = vector.split([local.numel() for local in locals_])
        return [part.view(local.shape) for part, local in zip(parts, locals_, strict=True)]


def blocks(module: nn.Module) -> list[nn.Module]:
    """The parts of a network that follow one another, such as the blocks of a transformer.

    They are the outermost members of its `Sequential`s and `ModuleList`s that have parameters.
    """
    found: list[nn.Module] = []
    for child in module.children():
        if isinstance(module, (nn.Sequential, nn.ModuleList)) and not isinstance(child, (nn.Sequential, nn.ModuleList)):
            found += [child] if any(True for _ in child.parameters()) else []
        else:
            found += blocks(child)
    return found


def _local(tensor: Tensor) -> Tensor:
    assert isinstance(tensor, DTensor)
    with torch.no_grad():
        local: Tensor = tensor.to_local()
    return local
