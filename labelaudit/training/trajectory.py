"""What a fine-tune leaves behind for the sweep: the window's steps and its parameters (Algorithm 1, Appendix D)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from torch import Tensor


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


@dataclass
class Trajectory:
    """The steps of a window and enough of its states to have every θ_t again, bit for bit.

    Every `interval`-th state (θ_t, v_t) is kept and the states between are replayed, one extra training pass in
    all. With `interval` 1 every θ_t is kept and nothing is replayed.
    """

    interval: int
    steps: list[Step] = field(default_factory=list)
    _checkpoints: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def record(self, step: Step, theta: Tensor, velocity: Tensor) -> None:
        """Note a step about to be taken from the state (θ, v), each of shape (P,)."""
        if len(self.steps) % self.interval == 0:
            self._checkpoints.append((theta.clone(), velocity.clone() if self.interval > 1 else velocity.new_empty(0)))
        self.steps.append(step)

    def backwards(self, theta: Tensor, take_step: Callable[[Step, Tensor], object]) -> Iterator[tuple[Step, Tensor]]:
        """Yield (step, θ_t before it) from the window's last step to its first.

        Args:
            theta: The model's own parameter vector, overwritten by replays, shape (P,).
            take_step: Takes a training step on the model, given the step and the velocity, both changed in place.
        """
        for number in reversed(range(len(self._checkpoints))):
            segment = self.steps[number * self.interval : (number + 1) * self.interval]
            kept_theta, kept_velocity = self._checkpoints[number]
            thetas = [kept_theta]
            if len(segment) > 1:
                theta.copy_(kept_theta)
                velocity = kept_velocity.clone()
                for step in segment[:-1]:
                    take_step(step, velocity)
                    thetas.append(theta.clone())
            while thetas:
                yield segment[len(thetas) - 1], thetas.pop()


def recording_interval(steps: int, state_bytes: int, budget: int) -> int:
    """How many steps apart to keep states: 1 where `steps` of them fit in `budget` bytes, else √steps."""
    return 1 if steps * state_bytes <= budget else max(1, round(steps**0.5))
