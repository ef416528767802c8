"""Networks that are trained once more without the rows that are probably wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from labelaudit.audit.collect import collect
from labelaudit.audit.cross_fit import SECOND_VIEW, WITHOUT_SUSPECTS, cross_fit, without_suspects
from labelaudit.audit.forecast import Forecast
from labelaudit.audit.inputs import FeatureInputs
from labelaudit.audit.setup import has_second_view, may_be_refitted
from labelaudit.audit.task import AuditTask, View
from labelaudit.config import AuditConfig, ModelConfig, TrainingConfig
from labelaudit.data.batches import Features
from labelaudit.data.content import Texts, Vectors
from labelaudit.data.splits import cross_audit
from labelaudit.models.flat import FlatModel
from labelaudit.models.registry import feature_model
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
    return AuditTask(View(Features(x, torch.from_numpy(labels)), network), folds, ROWS, 3, small=True)


def with_labels(task, labels):
    batches = Features(task.view.batches.inputs, torch.from_numpy(labels))
    return replace(task, view=replace(task.view, batches=batches))


def test_probably_wrong_rows_teach_nothing(task):
    """Whatever label such a row has, the networks come out the same; with the row in, they would not."""
    right = task.view.batches.labels.numpy()
    flipped = np.where(np.arange(ROWS) < 12, (right + 1) % 3, right)
    wrong = np.where(np.arange(ROWS) < 12, 0.9, 0.1)
    rest = np.arange(12, ROWS)
    clean, dirty = (
        without_suspects(with_labels(task, labels), wrong, CONFIG, NullProgress(), None) for labels in (right, flipped)
    )
    order = [found.argmax(1) for found in (clean, dirty)]
    assert (order[0] == order[1]).all()  # each network's scale is fitted to its query's labels; what it says is not
    assert (order[0][rest] == right[rest]).mean() > 0.9
    believed = without_suspects(with_labels(task, flipped), np.zeros(ROWS), CONFIG, NullProgress(), None)
    assert not np.allclose(believed, dirty)


def test_no_row_is_predicted_by_a_network_that_trained_on_it(task):
    """A row's label changes how its own fold trains nothing: only the scale, which is fitted to the query."""
    labels = task.view.batches.labels.numpy()
    row = int(task.folds[0].query[0])
    changed = labels.copy()
    changed[row] = (labels[row] + 1) % 3
    before, after = (
        without_suspects(with_labels(task, y), np.zeros(ROWS), CONFIG, NullProgress(), None) for y in (labels, changed)
    )
    query = task.folds[0].query
    gaps = [found[query] - found[query].mean(1, keepdims=True) for found in (before, after)]
    ratio = gaps[1] / gaps[0]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)


def test_a_second_view_is_fitted_on_its_own_inputs_and_again_without_suspects(task):
    """On its own it is what it is as the only view; without suspects the mean of the views' log-probabilities."""
    other = replace(task.view, batches=Features(-2 * task.view.batches.inputs, task.view.batches.labels))
    both, alone = replace(task, second_view=other), replace(task, view=other)
    wrong = np.where(np.arange(ROWS) < 12, 0.9, 0.1)
    arguments = CONFIG, NullProgress(), None
    collected = collect(both, CONFIG, Forecast(NullProgress()), None)
    np.testing.assert_array_equal(collected.by_second_view, cross_fit(alone, other, SECOND_VIEW, *arguments))
    assert collect(task, CONFIG, Forecast(NullProgress()), None).by_second_view is None
    fits = [
        cross_fit(both, view, stream, *arguments, wrong)
        for view, stream in zip(both.views, WITHOUT_SUSPECTS, strict=True)
    ]
    np.testing.assert_array_equal(without_suspects(both, wrong, *arguments), (fits[0] + fits[1]) / 2)
    assert (task.size.second_view, task.size.refitted) == (False, True)
    assert (both.size.second_view, both.size.refitted) == (True, True)
    assert not replace(both, folds=task.folds[:2]).size.refitted
    assert not replace(task, small=False).size.refitted


def inputs_of(*, second_view):
    content = Texts(("a", "b")) if second_view else Vectors(np.zeros((2, 2), np.float32))
    return FeatureInputs(feature_model(ModelConfig(name="lr")), content)


def test_streams_have_seeds_and_checkpoints_of_their_own():
    streams = (SECOND_VIEW, *WITHOUT_SUSPECTS)
    assert len({stream.number for stream in streams}) == len({stream.name for stream in streams}) == 3
    assert 0 not in {stream.number for stream in streams}


@pytest.mark.parametrize(
    ("folds", "rows", "expected"), [(1, 100, False), (2, 50_000, True), (2, 50_001, False), (5, 100, True)]
)
def test_a_second_view_needs_networks_that_have_not_seen_a_row_and_costs_too_much_of_many_rows(folds, rows, expected):
    assert has_second_view(inputs_of(second_view=True), folds, rows) is expected
    assert has_second_view(inputs_of(second_view=False), folds, rows) is False


@pytest.mark.parametrize(
    ("folds", "small", "expected"),
    [(3, True, True), (5, True, True), (2, True, False), (1, True, False), (5, False, False)],
)
def test_it_is_done_where_it_costs_little(folds, small, expected):
    assert may_be_refitted(folds, small=small) is expected
