"""What comes before the tracked parameters: of several passes over the same inputs only the first computes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Upstream:
    """The modules whose outputs no tracked parameter reaches, as large as they come, and what they put out.

    Args:
        network: The network.
        inputs: Some rows; parameters that are not tracked must not ask for gradients now.
    """

    def __init__(self, network: nn.Module, inputs: Tensor) -> None:
        self._network = network
        reached: set[nn.Module] = set()
        called: set[nn.Module] = set()

        def look(module: nn.Module, _: Any, output: Any) -> None:
            called.add(module)
            if not isinstance(output, Tensor) or output.requires_grad:
                reached.add(module)

        hooks = [module.register_forward_hook(look) for module in network.modules()]
        try:
            with torch.enable_grad():
                network(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        self._modules = list(_largest(network, called - reached))

    @contextmanager
    def once(self) -> Iterator[None]:
        """Within, all passes are taken to be over the same inputs; these modules only compute in the first."""
        kept: dict[nn.Module, list[Tensor]] = {module: [] for module in self._modules}
        calls: dict[nn.Module, int] = {}

        def answer(module: nn.Module, compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
            def forward(*arguments: Any, **named: Any) -> Tensor:
                call = calls.get(module, 0)
                calls[module] = call + 1
                if call == len(kept[module]):
                    kept[module].append(compute(*arguments, **named))
                return kept[module][call].clone()  # whoever gets it may write into it

            return forward

        start = self._network.register_forward_pre_hook(lambda *_: calls.clear())
        own = {module: module.__dict__.get("forward") for module in self._modules}
        for module in self._modules:
            module.forward = answer(module, module.forward)
        try:
            yield
        finally:
            start.remove()
            for module, forward in own.items():
                if forward is None:
                    del module.forward
                else:
                    module.forward = forward


def _largest(module: nn.Module, among: set[nn.Module]) -> Iterator[nn.Module]:
    """Those modules that are in no other one of them; without parameters they are not worth it."""
    if module in among and next(module.parameters(), None) is not None:
        yield module
        return
    for child in module.children():
        yield from _largest(child, among)
