"""Learning-rate schedules as functions of the step."""

from __future__ import annotations

import math

from labelaudit.config import Schedule


def learning_rate(schedule: Schedule, base: float, step: int, steps: int) -> float:
    """The rate η_t of step t of T.

    Args:
        schedule: `constant` η_0; `cosine` η_0·(1 + cos(πt/T))/2; `inverse-sqrt` η_0/√(t+1), the paper's decay.
        base: η_0.
        step: t, from 0.
        steps: T, the steps of the whole run.
    """
    match schedule:
        case "constant":
            return base
        case "cosine":
            return base * (1 + math.cos(math.pi * step / steps)) / 2
        case "inverse-sqrt":
            return base / math.sqrt(step + 1)
