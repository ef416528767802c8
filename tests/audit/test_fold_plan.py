"""What is decided of a fold, counted by hand."""

from __future__ import annotations

import pytest
import torch

from labelaudit import SGD, InputError, Plan
from labelaudit.audit.fold_plan import plan_fold
from labelaudit.config import InfluenceConfig
from labelaudit.data.batches import Features
from labelaudit.influence.derivatives import central_differences, forward_over_reverse
from labelaudit.models.flat import FlatModel

ROWS, BATCH, EPOCHS = 10, 4, 3  # three steps an epoch


def plan(**influence):
    model = FlatModel(torch.nn.Linear(2, 3), torch.device("cpu"), torch.float32, lambda name: name == "bias")
    batches = Features(torch.zeros(ROWS, 2), torch.zeros(ROWS, dtype=torch.int64))
    training = Plan(SGD(), epochs=EPOCHS, batch_size=BATCH, learning_rate=0.1)
    return plan_fold(model, batches, training, InfluenceConfig(**influence), rows=ROWS, query_rows=5, folds=2)


def test_the_default_is_the_last_epoch_scored_at_its_end():
    found = plan()
    assert [(window.start, window.stop) for window in found.windows] == [(6, 9)]
    assert (found.total_steps, found.scores_at_the_end, found.scoring_passes) == (9, True, 1)
    assert found.sweep_rows == ROWS + ROWS  # an epoch, and all rows scored once
    assert (found.rows, found.query_rows, found.folds) == (10, 5, 2)
    assert (found.theta_bytes, found.tracked_bytes) == (4 * 9, 4 * 3)
    assert (found.differentiate, found.forward_mode) == (central_differences, False)


def test_several_windows_and_segments_are_scored_each():
    found = plan(scoring_steps=2, over_epochs=True)
    assert [(window.start, window.stop) for window in found.windows] == [(6, 9), (0, 3), (3, 6), (6, 9)]
    assert (found.scores_at_the_end, found.scoring_passes) == (False, 4 * 2)
    assert found.sweep_rows == EPOCHS * ROWS + 8 * ROWS


def test_the_papers_estimator_scores_no_row_again():
    found = plan(estimator="visited", derivatives="forward-over-reverse", window="steps:2-7")
    assert (found.scores_at_the_end, found.scoring_passes) == (False, 0)
    assert found.sweep_rows == ROWS * 6 // 3
    assert (found.differentiate, found.forward_mode) == (forward_over_reverse, True)


def test_a_scan_ranks_by_one_window():
    with pytest.raises(InputError, match="`window` each names one window for every epoch"):
        plan(window="each")
