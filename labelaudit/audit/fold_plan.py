"""What is decided of a fold before it starts: one object that the fold, the estimate and `--dry-run` all read."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from labelaudit.config import InfluenceConfig
from labelaudit.data.batches import Batches
from labelaudit.errors import InputError
from labelaudit.influence.derivatives import Differentiate, choose_differentiation, forward_over_reverse
from labelaudit.influence.scoring import Scoring, Segment
from labelaudit.models.flat import FlatModel
from labelaudit.training.fine_tune import Plan
from labelaudit.training.predict import inference_batch_size, number_of_classes
from labelaudit.training.window import Window, parse_windows


@dataclass(frozen=True)
class FoldPlan:
    """A fold with nothing left to decide but how its trajectory is kept, which depends on what is free.

    Attributes:
        training: The fine-tune.
        windows: What influence is estimated over; a scan ranks by the first one, others are its epochs.
        scoring: How contributions are summed.
        differentiate: How derivatives along a direction are computed.
        inference_batch_size: How many rows are put through where nothing is kept for a backward pass.
        device: Where it runs.
        rows: N, the training rows.
        query_rows: M.
        folds: How many folds the audit has; with several, query rows are predicted during the fine-tune, too.
        theta_bytes: Bytes of all trained parameters, in the process that holds most of them.
        tracked_bytes: Bytes of those that influence goes through.
    """

    training: Plan
    windows: tuple[Window, ...]
    scoring: Scoring
    differentiate: Differentiate
    inference_batch_size: int
    device: torch.device
    rows: int
    query_rows: int
    folds: int
    theta_bytes: int
    tracked_bytes: int

    @property
    def total_steps(self) -> int:
        """T."""
        return self.training.epochs * self.training.steps_per_epoch(self.rows)

    @property
    def forward_mode(self) -> bool:
        """Whether derivatives are forward over reverse, which keeps tangents with the activations."""
        return self.differentiate is forward_over_reverse

    @property
    def scores_at_the_end(self) -> bool:
        """Whether all rows are scored once, at θ_T, where they also have to be predicted."""
        window = self.windows[0]
        return self.scoring.segments(window) == [Segment(window.start, self.total_steps, self.total_steps)]

    @property
    def scoring_passes(self) -> int:
        """How many times the sweep scores all rows."""
        return sum(len(self.scoring.segments(window)) for window in self.windows)

    @property
    def sweep_rows(self) -> int:
        """Rows the sweep goes over, as it reports its progress."""
        steps = max(window.stop for window in self.windows) - min(window.first_step for window in self.windows)
        crossed = round(self.rows * steps / self.training.steps_per_epoch(self.rows))
        return crossed + self.rows * self.scoring_passes


def plan_fold(
    model: FlatModel,
    batches: Batches,
    training: Plan,
    settings: InfluenceConfig,
    *,
    rows: int,
    query_rows: int,
    folds: int,
) -> FoldPlan:
    """Decide on a fold of `rows` training rows and `query_rows` query rows.

    Raises:
        InputError: The window setting names several windows, or one outside the run.
    """
    classes = number_of_classes(model, batches, torch.zeros(1, dtype=torch.int64))
    theta_bytes, tracked_bytes = (int(model.process_group.max(part.nbytes)) for part in (model.theta, model.tracked))
    return FoldPlan(
        training=training,
        windows=tuple(_windows(settings, training, rows)),
        scoring=Scoring(settings.estimator, settings.scoring_steps),
        differentiate=choose_differentiation(settings.derivatives, model),
        inference_batch_size=inference_batch_size(batches, training.batch_size, classes),
        device=model.theta.device,
        rows=rows,
        query_rows=query_rows,
        folds=folds,
        theta_bytes=theta_bytes,
        tracked_bytes=tracked_bytes,
    )


def _windows(settings: InfluenceConfig, training: Plan, rows: int) -> list[Window]:
    """The window a scan ranks by and, if influence over the epochs is wanted, one for each of them."""
    shape = training.epochs, training.steps_per_epoch(rows)
    if settings.window == "each":
        raise InputError("`window` each names one window for every epoch; a scan ranks by one, such as last")
    windows = parse_windows(settings.window, *shape, settings.removal, settings.query_at)
    if settings.over_epochs:
        windows += parse_windows("each", *shape, settings.removal, settings.query_at)
    return windows
