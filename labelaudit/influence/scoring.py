"""How the contributions of a window's steps are summed into a row's influence."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from labelaudit.training.window import Window
from labelaudit.types import Estimator, checked, require_number


@dataclass(frozen=True)
class Segment:
    """The steps `start` … `stop` − 1 of a window, all scored at θ_at."""

    start: int
    stop: int
    at: int


@checked
@dataclass(frozen=True)
class Scoring:
    """How contributions are summed.

    Attributes:
        estimator: `visited` is the paper's sum over the steps that saw j, with weight 1[j ∈ S_t]/|S_t|. `expected` is
            its expectation over the draw of the mini-batches, (1/N) Σ_t <∇ℓ_j(θ_t), c_t>, with every row in every step;
            the c_t of a segment of steps are summed, and ∇ℓ_j is taken at one θ of it.
        scoring_steps: In how many segments `expected` scores all rows. With one, at the window's end; else
            in the middle of each segment. With one segment a step it is exact.
    """

    estimator: Estimator = "visited"
    scoring_steps: int = 1

    def __post_init__(self) -> None:
        """Check the number of segments.

        Raises:
            InputError: There is none.
        """
        require_number("scoring_steps", self.scoring_steps, least=1)

    def segments(self, window: Window) -> list[Segment]:
        """The segments of a window.

        If a row is left out from the start of the run, the steps before the window are segmented on their own: the
        adjoint jumps at t1.
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
                found.append(Segment(low, high, high if self.scoring_steps == 1 else (low + high) // 2))
        return found
