"""The result type of all influence estimators, and DIT.

`dynamic_influence`, `leave_one_out` and `influence_function` all take (run, window, query, progress).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from labelaudit.influence.derivatives import Differentiate, choose_differentiation
from labelaudit.influence.dit import sweep
from labelaudit.influence.queries import Query
from labelaudit.influence.scoring import Scoring
from labelaudit.progress import Advance, ignore
from labelaudit.runtime.machine import reproducible
from labelaudit.training.fine_tune import Run
from labelaudit.training.window import Window
from labelaudit.types import checked


@dataclass(frozen=True)
class Influence:
    """How much each of K quantities would change if a training row were left out.

    Attributes:
        method: How it was estimated.
        window: Which steps the row is left out of.
        names: The quantities, K names.
        values: Float64, shape (K, N); negative where leaving the row out would lower the quantity.
        seconds: Wall time it took.
    """

    method: str
    window: Window
    names: tuple[str, ...]
    values: Tensor
    seconds: float


@checked
def dynamic_influence(
    run: Run,
    window: Window,
    query: Query,
    progress: Advance = ignore,
    scoring: Scoring = Scoring(),  # noqa: B008  # it is frozen
    differentiate: Differentiate | None = None,
) -> Influence:
    """Estimate influence over one window by DIT, in one sweep back (docs/method.md, "The sweep"; Algorithm 2).

    Args:
        run: The recorded run, of `track`.
        window: Which steps a row is left out of; `run.windows` names some.
        query: K quantities.
        progress: Called with the number of rows of each pass.
        scoring: How the contributions of the steps are summed.
        differentiate: How derivatives along a direction are computed; None for what suits the network.

    Returns:
        The estimated influence of each row on each quantity, values of shape (K, N).

    Raises:
        InputError: The run did not record the window.
    """
    return dynamic_influences(run, [window], query, progress, scoring, differentiate)[0]


@checked
def dynamic_influences(
    run: Run,
    windows: Sequence[Window],
    query: Query,
    progress: Advance = ignore,
    scoring: Scoring = Scoring(),  # noqa: B008  # it is frozen
    differentiate: Differentiate | None = None,
) -> list[Influence]:
    """Estimate influence over several windows by DIT, in one sweep back; arguments as for `dynamic_influence`.

    Args:
        run: The recorded run.
        windows: Which steps a row is left out of.
        query: K quantities.
        progress: Called with the number of rows of each pass.
        scoring: How the contributions of the steps are summed.
        differentiate: How derivatives along a direction are computed; None for what suits the network.

    Returns:
        For each window the estimated influence, values of shape (K, N); each has the seconds of the whole sweep.

    Raises:
        InputError: The run did not record one of the windows.
    """
    started = time.perf_counter()
    differentiate = differentiate or choose_differentiation("auto", run.model)
    with reproducible():
        swept = sweep(run, windows, query, differentiate, scoring, progress)
    values = swept[..., torch.arange(len(run.rows)), run.batches.labels[run.rows]]
    seconds = time.perf_counter() - started
    method = f"DIT ({scoring.estimator})"
    return [Influence(method, w, query.names, v, seconds) for w, v in zip(windows, values, strict=True)]
