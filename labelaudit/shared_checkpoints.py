"""The checkpoints of several processes: the leader alone reads and writes, whole vectors, whatever each process holds.

So a run can be gone on with by another number of processes, and only the leader needs the folder.
"""

from __future__ import annotations

import json
import re

import torch
from torch import Tensor

from labelaudit.checkpoints import Checkpoints
from labelaudit.models.flat import FlatModel

VECTORS = re.compile(r"theta|moments|scored-at\d+|(?P<tracked>(theta|moments|gathered)\d+)")
"""The names, in a fine-tune, a trajectory and a sweep, of what has an entry for each parameter, or each tracked one."""


class SharedCheckpoints(Checkpoints):
    """`Checkpoints` that all processes of a model's team use together, in the same order."""

    def __init__(self, files: Checkpoints, model: FlatModel) -> None:
        self.folder = files.folder
        self._files, self._model, self._team = files, model, model.team

    def part(self, name: str) -> Checkpoints:
        """The folder of a part of the run."""
        return SharedCheckpoints(self._files.part(name), self._model)

    def due(self) -> bool:
        """Whether the leader finds it time to save."""
        return self._team.of_leader(self._files.due()) > 0

    def save(self, name: str, tensors: dict[str, Tensor]) -> None:
        """Have the leader replace the group `name` by its tensors, and by all processes' entries of vectors.

        Raises:
            RunError: It cannot be written. What was there before is intact.
        """
        gathered = {}
        for key, tensor in tensors.items():
            match = VECTORS.fullmatch(key)
            gathered[key] = tensor if match is None else self._model.whole(tensor, tracked=match["tracked"] is not None)
        with self._team.together():
            if self._team.leader:
                self._files.save(name, gathered)

    def load(self, name: str) -> dict[str, Tensor] | None:
        """The group `name`, with this process's entries of vectors, or None if it was never saved.

        Raises:
            InputError: The file is damaged, or of another run.
        """
        found: dict[str, Tensor] | None = None
        with self._team.together():
            if self._team.leader:
                found = self._files.load(name)
        if not self._team.of_leader(found is not None):
            return None
        described = [
            [key, str(value.dtype).removeprefix("torch."), *value.shape] for key, value in (found or {}).items()
        ]
        loaded = {}
        for key, kind, *shape in json.loads(self._team.say(json.dumps(described))[0]):
            tensor, dtype = (found or {}).get(key), getattr(torch, kind)
            if match := VECTORS.fullmatch(key):
                loaded[key] = self._model.own(tensor, shape[:-1], dtype, tracked=match["tracked"] is not None)
            else:
                loaded[key] = self._team.tell(tensor, torch.empty(shape, dtype=dtype))
        return loaded


def checkpoints_of(model: FlatModel, files: Checkpoints | None) -> Checkpoints | None:
    """Checkpoints for all processes that work on a model."""
    return files if files is None or model.team.size == 1 else SharedCheckpoints(files, model)
