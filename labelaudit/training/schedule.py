"""Learning-rate schedules as functions of the step."""

from __future__ import annotations

import math

from labelaudit.types import Schedule


def learning_rate(schedule: Schedule, base: float, step: int, steps: int, warmup_steps: int = 0) -> float:
    """The rate η_t of step t of T.

    Args:
        schedule: `constant` η_0; `linear` η_0·(1 − t/T); `cosine` η_0·(1 + cos(πt/T))/2; `inverse-sqrt` η_0/√(t+1),
            the paper's decay.
        base: η_0.
        step: t, from 0.
        steps: T, the steps of the whole run.
        warmup_steps: W, during which the rate is (t+1)/(W+1) of what the schedule says.
    """
    warmup = min(1.0, (step + 1) / (warmup_steps + 1))
    match schedule:
        case "constant":
            return base * warmup
        case "linear":
            return base * warmup * (1 - step / steps)
        case "cosine":
            return base * warmup * (1 + math.cos(math.pi * step / steps)) / 2
        case "inverse-sqrt":
            return base * warmup / math.sqrt(step + 1)
