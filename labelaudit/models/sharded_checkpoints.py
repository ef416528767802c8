"""The checkpoints of several processes: rank 0 alone reads and writes, whole vectors, whatever each process holds.

So a run can be resumed by another number of processes, and only rank 0 needs the folder.
"""

from __future__ import annotations

import json

import torch
from torch import Tensor

from labelaudit.models.flat import FlatModel
from labelaudit.runtime.checkpoints import Checkpoints, Sharding


class SharedCheckpoints(Checkpoints):
    """`Checkpoints` that all processes of a model's group use together, in the same order."""

    def __init__(self, files: Checkpoints, model: FlatModel) -> None:
        self.folder = files.folder
        self._files, self._model, self._process_group = files, model, model.process_group

    def part(self, name: str) -> Checkpoints:
        """The folder of a part of the run."""
        return SharedCheckpoints(self._files.part(name), self._model)

    def due(self) -> bool:
        """Whether it is time to save, by rank 0's clock."""
        return self._process_group.from_leader(self._files.due()) > 0

    def save(self, name: str, tensors: dict[str, Tensor], sharding: dict[str, Sharding] | None = None) -> None:
        """Have rank 0 replace the group `name`; sharded tensors are gathered from all processes first.

        Raises:
            RunError: It cannot be written. What was there before is intact.
        """
        sharding = sharding or {}
        gathered = tensors | {
            key: self._model.gather_on_leader(tensors[key], tracked=axis == "tracked") for key, axis in sharding.items()
        }
        with self._process_group.raise_together():
            if self._process_group.is_leader:
                self._files.save(name, gathered, sharding)

    def load(self, name: str) -> dict[str, Tensor] | None:
        """The group `name`, with this process's part of sharded tensors, or None if it was never saved.

        Raises:
            InputError: The file is damaged, or of another run.
        """
        saved: tuple[dict[str, Tensor], dict[str, Sharding]] | None = None
        with self._process_group.raise_together():
            if self._process_group.is_leader:
                saved = self._files.load_with_sharding(name)
        if not self._process_group.from_leader(saved is not None):
            return None
        tensors, sharding = saved or ({}, {})
        described = [
            [key, sharding.get(key), str(value.dtype).removeprefix("torch."), *value.shape]
            for key, value in tensors.items()
        ]
        loaded = {}
        for key, axis, kind, *shape in json.loads(self._process_group.all_gather_text(json.dumps(described))[0]):
            tensor, dtype = tensors.get(key), getattr(torch, kind)
            if axis is None:
                loaded[key] = self._process_group.broadcast(tensor, torch.empty(shape, dtype=dtype))
            else:
                loaded[key] = self._model.scatter_from_leader(tensor, shape[:-1], dtype, tracked=axis == "tracked")
        return loaded


def checkpoints_of(model: FlatModel, files: Checkpoints | None) -> Checkpoints | None:
    """Checkpoints for all processes that work on a model."""
    return files if files is None or model.process_group.size == 1 else SharedCheckpoints(files, model)
