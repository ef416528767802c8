"""What to record of a run and where to keep it, decided before the run from what the machine has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, isqrt

import torch
from torch import Tensor

from labelaudit.errors import InputError
from labelaudit.runtime.checkpoints import Checkpoints
from labelaudit.training.optimizers import Optimizer
from labelaudit.training.trajectory import InMemory, OnDisk, Trajectory
from labelaudit.training.window import Window
from labelaudit.types import TrajectoryMode
from labelaudit.units import format_bytes


@dataclass(frozen=True)
class Recording:
    """The steps `first` … `stop` − 1, a state every `interval` steps, in memory or on disk.

    Attributes:
        first: The first recorded step.
        stop: The step after the last one.
        interval: How many steps apart states are kept; more than 1 means that those between are replayed.
        keep_moments: Whether the optimizer's moments are kept with θ.
        on_disk: Whether states go to the run's folder.
        memory: Bytes of memory it takes at most.
        disk: Bytes of disk.
        recompute: Whether backward passes compute activations anew.
    """

    first: int
    stop: int
    interval: int
    keep_moments: bool
    on_disk: bool
    memory: int
    disk: int
    recompute: bool = False

    def as_tensor(self) -> Tensor:
        """What a resumed run has to keep, for `like`."""
        return torch.tensor([self.interval, self.keep_moments, self.on_disk, self.recompute], dtype=torch.int64)

    def like(self, saved: Tensor) -> Recording:
        """This recording, in the way a saved run began it."""
        interval, *flags = saved.tolist()
        keep_moments, on_disk, recompute = map(bool, flags)
        return replace(self, interval=interval, keep_moments=keep_moments, on_disk=on_disk, recompute=recompute)

    def trajectory(self, files: Checkpoints | None, device: torch.device) -> Trajectory:
        """An empty trajectory of this kind."""
        assert files is not None or not self.on_disk
        storage = OnDisk(files.part("trajectory"), device) if self.on_disk and files is not None else InMemory()
        return Trajectory(self.first, self.interval, self.keep_moments, storage)


def plan_recording(
    windows: Sequence[Window],
    total_steps: int,
    theta_bytes: int,
    optimizer: Optimizer,
    *,
    memory: int,
    disk: int = 0,
    mode: TrajectoryMode = "auto",
    keep_moments: bool = False,
) -> Recording:
    """Choose how to record what the windows need.

    `auto` keeps every state in memory if they fit; else every √T-th state of T, in memory if those fit, else on disk.

    Args:
        windows: What will be asked for.
        total_steps: T of the run.
        theta_bytes: Size of θ.
        optimizer: Says how many moments there are.
        memory: Bytes the trajectory may take in memory.
        disk: Bytes it may take on disk, 0 if there is nowhere to write.
        mode: `memory` and `disk` keep every state, `replay` every √T-th.
        keep_moments: Keep the moments even where the sweep does not need them (retraining does).

    Raises:
        InputError: A window is outside the run, or nothing of what `mode` allows fits.
    """
    for window in windows:
        if window.stop > total_steps:
            raise InputError(f"the window {window.name} ends with step {window.stop}, the run with step {total_steps}")
    first = min(window.first_step for window in windows)
    stop = min(max(window.stop for window in windows) + 1, total_steps)  # one more, for θ at t2
    steps, root = stop - first, max(1, isqrt(stop - first))
    whole = 1 + (optimizer.moments if keep_moments or optimizer.adjoint_needs_state else 0)
    every = whole * steps * theta_bytes
    kept = (1 + optimizer.moments) * ceil(steps / root) * theta_bytes
    replayed = (1 + optimizer.moments) * root * theta_bytes
    choices = {
        "memory": Recording(first, stop, 1, whole > 1, False, every, 0),
        "replay": Recording(first, stop, root, True, False, kept + replayed, 0),
        "replay on disk": Recording(first, stop, root, True, True, replayed, kept),
        "disk": Recording(first, stop, 1, whole > 1, True, 2 * whole * theta_bytes, every),
    }
    allowed = {"auto": ("memory", "replay", "replay on disk"), "replay": ("replay", "replay on disk")}.get(
        mode, (mode,)
    )
    for name in allowed:
        if choices[name].memory <= memory and choices[name].disk <= disk:
            return choices[name]
    least = choices[allowed[-1]]
    if disk == 0 and least.disk > 0:
        raise InputError(
            f"the trajectory of {steps} steps needs {format_bytes(least.disk)} of disk, and this run has no folder to "
            "write into: give it one (run_folder)"
        )
    raise InputError(
        f"the trajectory of {steps} steps does not fit: with `trajectory` {mode} it needs "
        f"{format_bytes(least.memory)} of memory ({format_bytes(memory)} may be used) and {format_bytes(least.disk)} "
        f"of disk ({format_bytes(disk)} free). Try "
        + ("`trajectory` replay, " if mode in ("memory", "disk") else "")
        + "a shorter `window`, a larger `batch_size`, or a smaller `model`"
    )
