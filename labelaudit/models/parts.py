"""Which parameters of a network are meant by `all`, `head`, `last:N` or `auto`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

SMALL_NETWORK = 1_000_000
"""Parameters below which twice the time of a sweep is still next to nothing."""
LARGE_PART = "last:2"
"""What `auto` is of larger ones: the influence through the blocks before it is mostly noise (docs/cost.md)."""


def parameters_of(network: nn.Module, part: str) -> Callable[[str], bool]:
    """Whether a parameter, by its name, belongs to a part of a network.

    Args:
        network: timm's networks say themselves what their blocks are; of any other each child of it is one.
        part: `all`; `head`, the last block; `last:N`, the head and the N blocks before it; or `auto`.
    """
    if part == "auto":
        part = "all" if sum(p.numel() for p in network.parameters()) < SMALL_NETWORK else LARGE_PART
    if part == "all":
        return lambda name: True
    block_of = _blocks(network)
    blocks = sorted(set(block_of.values()))
    first = blocks[-min(len(blocks), 1 + (0 if part == "head" else int(part.removeprefix("last:"))))]
    return lambda name: block_of[name] >= first


def train_only(network: nn.Module, part: str) -> None:
    """Freeze all parameters that do not belong to a part of a network."""
    belongs = parameters_of(network, part)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and belongs(name))


def _blocks(network: nn.Module) -> dict[str, int]:
    """The block of each parameter, counted from the input."""
    matcher: Any = getattr(network, "group_matcher", None)
    if matcher is not None:
        from timm.models import group_parameters  # takes seconds to import, and other networks do not need it

        found: dict[str, int] = group_parameters(network, matcher(coarse=True), reverse=True)
        return found
    order: dict[str, int] = {}
    return {name: order.setdefault(name.partition(".")[0], len(order)) for name, _ in network.named_parameters()}
