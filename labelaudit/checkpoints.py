"""A run's folder: what it has computed so far, so that a killed run goes on where it was."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from labelaudit.data.dataset import content_hash
from labelaudit.distributed import team
from labelaudit.errors import InputError, RunError
from labelaudit.files import write_atomically


class Checkpoints:
    """Named groups of tensors in a folder, each file whole or not there, each marked as this run's."""

    def __init__(self, folder: Path, run: RunFolder, identity: str, every_seconds: float) -> None:
        """Use `RunFolder.open`, which checks whose folder it is."""
        self.folder = folder
        self._run, self._identity = run, identity
        self._mark = content_hash(identity.encode())
        self._every = every_seconds
        self._last = time.monotonic()

    def part(self, name: str) -> Checkpoints:
        """The folder of a part of the run."""
        return Checkpoints(self.folder / name, self._run, self._identity, self._every)

    def due(self) -> bool:
        """Whether it is time to save what has been computed since the last `save`."""
        return time.monotonic() - self._last >= self._every

    def save(self, name: str, tensors: dict[str, Tensor]) -> None:
        """Replace the group `name`.

        Raises:
            RunError: It cannot be written, for example because the disk is full. What was there before is intact.
        """
        path = self._path(name)
        contiguous = {key: tensor.detach().contiguous() for key, tensor in tensors.items()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not self._run.identity_file.exists():  # a run that ends before it has anything to keep leaves nothing
                write_atomically(self._run.identity_file, lambda file: file.write_text(self._identity))
            write_atomically(path, lambda file: save_file(contiguous, file, metadata={"run": self._mark}))
        except (OSError, SafetensorError) as error:
            raise RunError(
                f"cannot write {path}: {error}. What was saved before is intact: make room, then go on with --resume"
            ) from error
        self._last = time.monotonic()

    def load(self, name: str) -> dict[str, Tensor] | None:
        """The group `name`, or None if it was never saved.

        Raises:
            InputError: The file is damaged, or of another run.
        """
        path = self._path(name)
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                mark = (file.metadata() or {}).get("run")
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # it is no mapping
        except (OSError, SafetensorError) as error:
            raise InputError(f"--resume: {path} is damaged ({error}); start anew with --overwrite") from error
        if mark != self._mark:
            raise InputError(f"--resume: {path} belongs to another run; start anew with --overwrite")
        return tensors

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what it needs to be gone on with.

    Attributes:
        folder: The run's own folder.
        resume: Whether to go on with the run that is in it.
        overwrite: Whether to delete it, once the new run begins.
        every_seconds: How far apart the run saves what it has.
    """

    folder: Path
    resume: bool = False
    every_seconds: float = 60.0
    overwrite: bool = False

    @property
    def identity_file(self) -> Path:
        """What decides the run's results, in words."""
        return self.folder / "run.json"

    def check(self) -> None:
        """Look, before anything is computed, whether there is an unfinished run.

        Raises:
            InputError: There is one and `resume` is off, or there is none and it is on.
        """
        exists = self.identity_file.exists()
        if exists and not self.resume and not self.overwrite:
            raise InputError(
                f"{self.folder} holds an unfinished run; go on with --resume, or start anew with --overwrite"
            )
        if self.resume and not exists:
            raise InputError(f"--resume: there is no unfinished run in {self.folder}")

    def open(self, identity: dict[str, Any]) -> Checkpoints:
        """Begin a run, or go on with it.

        Args:
            identity: What decides the results: settings, versions, data. JSON values.

        Raises:
            InputError: The folder holds an unfinished run and `resume` is off, or another run and it is on.
        """
        text = json.dumps(identity, indent=2, sort_keys=True) + "\n"
        with team().together():
            if team().leader:
                self._begin(identity, text)
        return Checkpoints(self.folder, self, text, self.every_seconds)

    def _begin(self, identity: dict[str, Any], text: str) -> None:
        self.check()
        file = self.identity_file
        if self.resume:
            try:
                found = json.loads(file.read_text())
            except ValueError as error:
                raise InputError(f"--resume: {file} is damaged ({error}); start anew with --overwrite") from error
            if found != json.loads(text):
                raise InputError(
                    f"--resume: the unfinished run in {self.folder} is another one: {_differences(found, identity)}. "
                    "Repeat its settings, or start anew with --overwrite"
                )
        elif self.overwrite:
            self.remove()

    def remove(self) -> None:
        """Delete the folder, once the run is done or is to be overwritten."""
        if self.folder.exists():
            shutil.rmtree(self.folder)


def _differences(found: Any, wanted: Any) -> str:
    """Which values differ, by name."""
    before, now = _flat(found), _flat(wanted)
    names = [name for name in now | before if before.get(name) != now.get(name)]
    shown = [f"{name} was {before.get(name)!r} and is now {now.get(name)!r}" for name in names[:3]]
    return "; ".join(shown) + " …" * (len(names) > 3)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        key: v for name, part in value.items() for key, v in _flat(part, f"{prefix}.{name}" if prefix else name).items()
    }
