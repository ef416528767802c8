"""Normalisation in float32 within a network that computes in bfloat16, as autocast has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

NORMS = {functional.layer_norm, functional.group_norm, functional.instance_norm, functional.batch_norm}
NORMS |= {functional.rms_norm, torch.layer_norm, torch.group_norm, torch.instance_norm, torch.batch_norm}


class NormsInFloat32(TorchFunctionMode):
    """Within, normalisation of a tensor in bfloat16 is computed in float32, and its result rounded to bfloat16.

    On GPUs its forward-mode derivative would otherwise be float32 beside a bfloat16 value, which no product takes.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        arguments: tuple[Any, ...] = (),
        named: dict[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch."""
        named = named or {}
        given = next((value for value in (*arguments, *named.values()) if isinstance(value, Tensor)), None)
        if function not in NORMS or given is None or given.dtype != torch.bfloat16:
            return function(*arguments, **named)
        arguments = tuple(_in_float32(value) for value in arguments)
        return function(*arguments, **{key: _in_float32(value) for key, value in named.items()}).to(torch.bfloat16)


def _in_float32(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value
