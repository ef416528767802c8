"""Networks that are trained once more without the rows that are probably wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from labelaudit.audit.collect import AuditTask
from labelaudit.audit.refit import refit
from labelaudit.audit.setup import is_refitted
from labelaudit.config import AuditConfig, TrainingConfig
from labelaudit.data.batches import Features
from labelaudit.data.splits import cross_audit
from labelaudit.models.flat import FlatModel
from labelaudit.progress import NullProgress
from tests.support.training import CPU

ROWS = 60
CONFIG = AuditConfig(training=TrainingConfig(epochs=4, batch_size=8, learning_rate=0.1))


@pytest.fixture
def task():
    generator = np.random.default_rng(0)
    labels = np.arange(ROWS) % 3
    x = torch.from_numpy(generator.normal(size=(ROWS, 3)) + 4 * np.eye(3)[labels]).float()

    def network(number, seed):
        torch.manual_seed(seed)
        return FlatModel(torch.nn.Linear(3, 3), CPU, torch.float32)

    folds = cross_audit(np.arange(ROWS), labels, 0, 3)
    return AuditTask(Features(x, torch.from_numpy(labels)), folds, network, ROWS, 3, small=True)


def with_labels(task, labels):
    return replace(task, batches=Features(task.batches.inputs, torch.from_numpy(labels)))


def test_probably_wrong_rows_teach_nothing(task):
    """Whatever label such a row has, the networks come out the same; with the row in, they would not."""
    right = task.batches.labels.numpy()
    flipped = np.where(np.arange(ROWS) < 12, (right + 1) % 3, right)
    wrong = np.where(np.arange(ROWS) < 12, 0.9, 0.1)
    rest = np.arange(12, ROWS)
    clean, dirty = (
        refit(with_labels(task, labels), wrong, CONFIG, NullProgress(), None) for labels in (right, flipped)
    )
    order = [found.argmax(1) for found in (clean, dirty)]
    assert (order[0] == order[1]).all()  # each network's scale is fitted to its query's labels; what it says is not
    assert (order[0][rest] == right[rest]).mean() > 0.9
    believed = refit(with_labels(task, flipped), np.zeros(ROWS), CONFIG, NullProgress(), None)
    assert not np.allclose(believed, dirty)


def test_no_row_is_predicted_by_a_network_that_trained_on_it(task):
    """A row's label changes how its own fold trains nothing: only the scale, which is fitted to the query."""
    labels = task.batches.labels.numpy()
    row = int(task.folds[0].query[0])
    changed = labels.copy()
    changed[row] = (labels[row] + 1) % 3
    before, after = (
        refit(with_labels(task, y), np.zeros(ROWS), CONFIG, NullProgress(), None) for y in (labels, changed)
    )
    query = task.folds[0].query
    gaps = [found[query] - found[query].mean(1, keepdims=True) for found in (before, after)]
    ratio = gaps[1] / gaps[0]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)


@pytest.mark.parametrize(
    ("folds", "small", "trees", "expected"),
    [(3, True, False, True), (5, True, False, True), (2, True, False, False), (1, True, False, False),
     (5, False, False, False), (5, True, True, False)],
)  # fmt: skip
def test_it_is_done_where_it_costs_little_and_says_something_new(folds, small, trees, expected):
    assert is_refitted(folds, small=small, trees=trees) is expected
