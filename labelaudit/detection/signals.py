"""What one audit says of each row, before it is turned into a ranking."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labelaudit.runtime.large_arrays import blocks
from labelaudit.types import Floats


@dataclass(frozen=True)
class Signals:
    """Arrays over the N audited rows; NaN where a row was not scored.

    Attributes:
        influence: DIT of the row under its given label (docs/method.md, "Influence"), shape (N,); NaN, like loss and
            margin, where nothing was trained.
        posterior: P(label | row), shape (N, C).
        out_of_fold: The probabilities of a network that was not trained on the row, shape (N, C); None if all were.
        loss: Final training loss in nats, shape (N,).
        margin: Mean margin over the epochs (AUM), shape (N,).
    """

    influence: Floats
    posterior: Floats
    out_of_fold: Floats | None
    loss: Floats
    margin: Floats

    @cached_property
    def scored(self) -> NDArray[np.bool_]:
        """Which rows were scored, shape (N,)."""
        return np.concatenate(
            [np.isfinite(self.posterior[block, 0]) for block in blocks(*self.posterior.shape)] or [np.zeros(0, bool)]
        )
