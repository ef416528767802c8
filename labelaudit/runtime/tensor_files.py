"""Tensors in safetensors files that carry a SHA-256 of what they hold (see `labelaudit.runtime.sealed`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from labelaudit.runtime.files import write_atomically
from labelaudit.runtime.sealed import SEAL, DamagedError


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, whole or not at all, with a hash of all it says.

    Raises:
        OSError: It cannot be written.
    """
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    described = {**metadata, SEAL.decode(): _digest(kept, metadata)}
    try:
        write_atomically(path, lambda file: save_file(kept, file, metadata=described))
    except SafetensorError as error:  # how the library tells a full disk
        raise OSError(str(error)) from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read back what `save_tensors` wrote: the tensors and the metadata.

    Raises:
        DamagedError: It is no such file, or not as it was written.
        OSError: It cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # it is no mapping
    # Of a damaged header the library believes any shape and type.
    except (SafetensorError, ValueError, TypeError, KeyError, RuntimeError, OverflowError) as error:
        raise DamagedError(str(error).partition("\n")[0] or type(error).__name__) from error
    if metadata.pop(SEAL.decode(), None) != _digest(tensors, metadata):
        raise DamagedError("its content is not what its SHA-256 says")
    return tensors, metadata


def read_metadata(path: Path) -> dict[str, str]:
    """What the header of such a file says; it is not checked, which takes all of the file.

    Raises:
        DamagedError: It is no such file.
        OSError: It cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, ValueError, TypeError) as error:
        raise DamagedError(str(error).partition("\n")[0] or type(error).__name__) from error


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    described = [[name, str(tensor.dtype), list(tensor.shape)] for name, tensor in sorted(tensors.items())]
    digest = hashlib.sha256(json.dumps([described, sorted(metadata.items())]).encode())
    for _, tensor in sorted(tensors.items()):
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
