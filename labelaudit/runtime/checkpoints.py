"""The run folder: what a run has computed so far, for a killed run to go on from."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from labelaudit.errors import InputError, RunError
from labelaudit.runtime.distributed import process_group
from labelaudit.runtime.files import RUN_FILE, write_atomically
from labelaudit.runtime.locks import remove_leftovers
from labelaudit.runtime.regular_files import require_regular
from labelaudit.runtime.sealed import DamagedError
from labelaudit.runtime.tensor_files import load_tensors, save_tensors
from labelaudit.units import listed

Sharding = Literal["parameters", "tracked"]
"""What a tensor's last axis runs over, if that may be spread over processes: all parameters, or those tracked."""


class Checkpoints:
    """Named groups of tensors in a folder, each file whole or not there, each marked as this run's."""

    def __init__(self, folder: Path, run: RunFolder, identity: str, every_seconds: float) -> None:
        """Use `RunFolder.open`, which checks whose folder it is."""
        self.folder = folder
        self._run, self._identity = run, identity
        self._mark = hashlib.sha256(identity.encode()).hexdigest()
        self._every = every_seconds
        self._last = time.monotonic()

    def part(self, name: str) -> Checkpoints:
        """The folder of a part of the run."""
        return Checkpoints(self.folder / name, self._run, self._identity, self._every)

    def due(self) -> bool:
        """Whether it is time to save what has been computed since the last `save`."""
        return time.monotonic() - self._last >= self._every

    def save(self, name: str, tensors: dict[str, Tensor], sharding: dict[str, Sharding] | None = None) -> None:
        """Replace the group `name`.

        Args:
            name: What to call it.
            tensors: The whole of it.
            sharding: Of which of the tensors each process may hold a part; stored with them.

        Raises:
            RunError: It cannot be written, for example because the disk is full. What was there before is intact.
        """
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not self._run.identity_file.exists():  # a run that ends before it has anything to keep leaves nothing
                write_atomically(self._run.identity_file, lambda file: file.write_text(self._identity))
            save_tensors(path, tensors, {"run": self._mark, "sharding": json.dumps(sharding or {})})
        except OSError as error:
            raise RunError(
                f"cannot write {path}: {error}. What was saved before is intact: make room, then go on with `resume`"
            ) from error
        self._last = time.monotonic()

    def load(self, name: str) -> dict[str, Tensor] | None:
        """The group `name`, or None if it was never saved.

        Raises:
            InputError: The file is damaged, or of another run.
        """
        saved = self.load_with_sharding(name)
        return None if saved is None else saved[0]

    def load_with_sharding(self, name: str) -> tuple[dict[str, Tensor], dict[str, Sharding]] | None:
        """The group `name` and the `sharding` it was saved with, or None if it was never saved.

        Raises:
            InputError: The file is damaged, or of another run.
        """
        path = self._path(name)
        if not path.exists():
            return None
        require_regular(path, "resume")
        try:
            tensors, metadata = load_tensors(path)
        except (OSError, DamagedError) as error:
            raise InputError(f"{path} is damaged ({error}); start anew with `overwrite`", option="resume") from error
        if metadata.get("run") != self._mark:
            raise InputError(f"{path} belongs to another run; start anew with `overwrite`", option="resume")
        return tensors, json.loads(metadata.get("sharding", "{}"))

    def discard(self) -> None:
        """Delete all that was saved."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


def require_alike(saved: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> None:
    """Make sure that a saved group has the names, shapes and types of what it is to replace.

    Raises:
        InputError: It has not.
    """
    found, wanted = ({name: (t.dtype, t.shape) for name, t in group.items()} for group in (saved, like))
    if found != wanted:
        raise InputError("what was saved is not what this run saves; start anew with `overwrite`", option="resume")


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
        return self.folder / RUN_FILE

    def check(self) -> None:
        """Look, before anything is computed, whether there is an unfinished run.

        Raises:
            InputError: There is one and `resume` is off, or there is none and it is on.
        """
        exists = self.identity_file.exists()
        if exists and not self.resume and not self.overwrite:
            raise InputError(
                f"{self.folder} holds an unfinished run; go on with `resume`, or start anew with `overwrite`"
            )
        if self.resume and not exists:
            raise InputError(f"there is no unfinished run in {self.folder}", option="resume")

    def open(self, identity: dict[str, Any]) -> Checkpoints:
        """Begin a run, or go on with it.

        Args:
            identity: What decides the results: settings, versions, data. JSON values.

        Raises:
            InputError: The folder holds an unfinished run and `resume` is off, or another run and it is on.
        """
        text = json.dumps(identity, indent=2, sort_keys=True) + "\n"
        with process_group().raise_together():
            if process_group().is_leader:
                self._begin(identity, text)
        return Checkpoints(self.folder, self, text, self.every_seconds)

    def _begin(self, identity: dict[str, Any], text: str) -> None:
        self.check()
        file = self.identity_file
        if self.resume:
            try:
                require_regular(file, "resume")
                found = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError, RecursionError) as error:
                raise InputError(
                    f"{file} is damaged ({error}); start anew with `overwrite`", option="resume"
                ) from error
            if found != json.loads(text):
                raise InputError(
                    f"the unfinished run in {self.folder} is another one: {_differences(found, identity)}. "
                    "Repeat its settings, or start anew with `overwrite`",
                    option="resume",
                )
            for part in (self.folder, *(path for path in self.folder.rglob("*") if path.is_dir())):
                remove_leftovers(part)
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
    return listed([f"{name} was {before.get(name)!r} and is now {now.get(name)!r}" for name in names], 3)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        key: v for name, part in value.items() for key, v in _flat(part, f"{prefix}.{name}" if prefix else name).items()
    }
