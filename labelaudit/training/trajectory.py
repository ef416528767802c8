"""The record of a fine-tune: its steps, and enough of its states to restore all (docs/method.md, "Recording")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from labelaudit.errors import InputError
from labelaudit.runtime.checkpoints import Checkpoints, Sharding


@dataclass(frozen=True)
class Step:
    """One optimizer step.

    Attributes:
        index: t, counted from the start of the run; also the seed of the step's augmentation.
        rows: The mini-batch S_t, int64, shape (B,).
        learning_rate: η_t.
    """

    index: int
    rows: Tensor
    learning_rate: float


@dataclass(frozen=True)
class State:
    """θ (P,) and the optimizer's moments (M, P), M being 0 where they are not kept."""

    theta: Tensor
    moments: Tensor


class Storage(Protocol):
    """Where states are kept, by number."""

    def put(self, number: int, state: State) -> None:
        """Keep a state."""

    def get(self, number: int) -> State:
        """Give it back."""


class InMemory:
    """States in main memory, or on the GPU."""

    def __init__(self) -> None:
        self._states: dict[int, State] = {}

    def put(self, number: int, state: State) -> None:
        """Keep a copy."""
        self._states[number] = State(state.theta.clone(), state.moments.clone())

    def get(self, number: int) -> State:
        """Give back the copy itself."""
        return self._states[number]


class OnDisk:
    """One safetensors file a state; each is whole or not there."""

    def __init__(self, files: Checkpoints, device: torch.device) -> None:
        self._files, self._device = files, device

    def put(self, number: int, state: State) -> None:
        """Write it."""
        sharding: dict[str, Sharding] = {"theta": "parameters", "moments": "parameters"}
        self._files.save(f"state-{number:07d}", {"theta": state.theta, "moments": state.moments}, sharding)

    def get(self, number: int) -> State:
        """Read it.

        Raises:
            InputError: The file is gone, damaged, or of another run.
        """
        tensors = self._files.load(f"state-{number:07d}")
        if tensors is None:
            raise InputError(f"{self._files.folder} lacks the state before step {number + 1} of the trajectory")
        return State(tensors["theta"].to(self._device), tensors["moments"].to(self._device))


Replay = Callable[[Step, Tensor], object]
"""Takes a training step on the model, given the step and the moments, both changed in place."""


@dataclass
class Trajectory:
    """The steps from `first` on and, of their states (θ_t, moments_t), every `interval`-th.

    The states between are replayed, bit for bit, one extra training pass in all. With `interval` 1 none is.

    Attributes:
        first: The first recorded step.
        interval: How many steps apart states are kept.
        keep_moments: Whether the moments are kept; replaying needs them.
        storage: Where.
        steps: The recorded steps.
    """

    first: int
    interval: int
    keep_moments: bool
    storage: Storage
    steps: list[Step] = field(default_factory=list)

    def record(self, step: Step, theta: Tensor, moments: Tensor, *, stored: bool = False) -> None:
        """Note a step about to be taken from the state (θ (P,), moments (M, P)); `stored`: it is kept already."""
        if len(self.steps) % self.interval == 0 and not stored:
            self.storage.put(step.index, State(theta, moments if self.keep_moments else moments[:0]))
        self.steps.append(step)

    @property
    def stop(self) -> int:
        """The step after the last recorded one."""
        return self.first + len(self.steps)

    def state(self, index: int, theta: Tensor, replay: Replay) -> State:
        """The state before the recorded step `index`.

        Args:
            index: t.
            theta: The model's own parameter vector, overwritten by replays, shape (P,).
            replay: Takes a step on that model.
        """
        return next(self.backwards(index + 1, index, theta, replay))[1]

    def backwards(self, stop: int, start: int, theta: Tensor, replay: Replay) -> Iterator[tuple[Step, State]]:
        """Yield (step, state before it) from step `stop` − 1 back to `start`; arguments as in `state`."""
        for low in range(start - (start - self.first) % self.interval, stop, self.interval)[::-1]:
            segment = self.steps[low - self.first : min(low + self.interval, stop) - self.first]
            states = [self.storage.get(low)]
            if len(segment) > 1:
                theta.copy_(states[0].theta)
                moments = states[0].moments.clone()
                for step in segment[:-1]:
                    replay(step, moments)
                    states.append(State(theta.clone(), moments.clone() if self.keep_moments else moments[:0]))
            while states and segment[len(states) - 1].index >= start:
                yield segment[len(states) - 1], states.pop()
