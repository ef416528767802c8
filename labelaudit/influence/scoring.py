"""How the contributions of a window's steps are summed into a row's influence."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from labelaudit.config import Estimator
from labelaudit.training.window import Window


@dataclass(frozen=True)
class Stretch:
    """The steps `start` … `stop` − 1 of a window, all scored at θ_at."""

    start: int
    stop: int
    at: int


@dataclass(frozen=True)
class Scoring:
    """How contributions are summed.

    Attributes:
        estimator: `visited` is the paper's sum over the steps that saw j, with weight 1[j ∈ S_t]/|S_t|. `expected` is
            its expectation over the draw of the mini-batches, (1/N) Σ_t <∇ℓ_j(θ_t), c_t>, with every row in every step;
            the c_t of a stretch of steps are summed, and ∇ℓ_j is taken at one θ of it.
        scoring_steps: In how many stretches `expected` scores all rows. With one, that is where the window ends; else
            in the middle of each. With as many as there are steps it is exact.
    """

    estimator: Estimator = "visited"
    scoring_steps: int = 1

    def stretches(self, window: Window) -> list[Stretch]:
        """The stretches of a window.

        What lies before a window that is removed from the start counts as a window of its own: the adjoint jumps at t1.
        """
        if self.estimator == "visited":
            return []
        parts = [(window.start, window.stop)]
        if window.first_step < window.start:
            parts.append((window.first_step, window.start))
        found = []
        for start, stop in parts:
            count = min(self.scoring_steps, stop - start)
            edges = [start + i * (stop - start) // count for i in range(count + 1)]
            for low, high in pairwise(edges):
                found.append(Stretch(low, high, high if self.scoring_steps == 1 else (low + high) // 2))
        return found
