from __future__ import annotations

import pytest
import torch
from torch import nn

from labelaudit.errors import InputError
from labelaudit.models.paper import cnn
from labelaudit.training import needs
from labelaudit.training.needs import check_per_sample_loss, measure_passes
from labelaudit.training.optimizers import SGD, AdamW
from tests.support.data import batches_of, digits
from tests.support.training import flat, plan

EXAMPLES = batches_of(*digits((1, 7, 4), 7))
ROWS = torch.arange(21)


class ActiveDropout(nn.Module):
    def forward(self, inputs):
        return nn.functional.dropout(inputs.flatten(1)[:, :3] + 1, 0.5)


class ActiveNormalisation(nn.Module):
    def forward(self, inputs):
        return nn.functional.batch_norm(inputs.flatten(1)[:, 400:403], None, None, training=True)


class OneForAll(nn.Module):
    def forward(self, inputs):
        return inputs.mean((0, 2, 3))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (ActiveDropout(), "answers the same images differently each time.*dropout or other noise is active"),
        (ActiveNormalisation(), "depends on the other images of its batch.*batch normalisation is active"),
        (OneForAll(), r"maps a batch of shape \(2, 1, 28, 28\) to \(1,\); it should give one row of logits"),
    ],
)
def test_a_loss_that_is_not_one_samples_is_refused_with_the_remedy(module, message):
    module.unused = nn.Parameter(torch.zeros(3))
    with pytest.raises(InputError, match=message):
        check_per_sample_loss(flat(module), EXAMPLES, ROWS)


@pytest.mark.parametrize(
    "layer", [nn.Identity(), nn.Dropout(0.5), nn.BatchNorm2d(1), nn.InstanceNorm2d(1), nn.GroupNorm(1, 1)]
)
def test_layers_that_are_well_behaved_in_evaluation_mode_are_let_through(layer):
    network = nn.Sequential(layer, cnn(3, 1, 28))
    check_per_sample_loss(flat(network), EXAMPLES, ROWS)
    check_per_sample_loss(flat(network, torch.float32), batches_of(*digits((1, 7, 4), 7), dtype=torch.float32), ROWS)


def test_a_pass_is_weighed_by_hand():
    """A linear layer keeps its input; cross-entropy its logarithms of probabilities, the labels and a weight or so."""
    model = flat(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)))
    theta = model.theta.clone()
    costs = measure_passes(model, EXAMPLES, ROWS, plan(batch_size=8))
    kept = 784 * 8 + 3 * 8 + 8
    assert kept <= costs.activations <= kept + 100
    assert torch.equal(model.theta, theta)


LINEAR = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))


def as_timed(monkeypatch, times):
    """Let runs take so many seconds, of which the processor works for so many."""
    times = iter(times)
    monkeypatch.setattr("labelaudit.training.needs._seconds", lambda model, run: (run(), next(times))[1])


@pytest.mark.parametrize(("first_prediction", "again", "predict_again"), [(4.0, 9 - 3, 1.0), (20.0, 1.0, 1.0)])
def test_seconds_are_those_of_a_row_by_hand(monkeypatch, first_prediction, again, predict_again):
    """Passes over a mini-batch of 8 rows: what the first prediction took longer is spared later, if there is as much.

    On a busy machine the first one may take longer than all of a training pass; then at least a forward pass is left.
    """
    # two rows, reading, a step, a tracked pass, two predictions
    as_timed(monkeypatch, [(0.0, 0.0), (10.0, 10.0), (18.0, 9.0), (9.0, 9.0), (first_prediction, 1.0), (1.0, 1.0)])
    costs = measure_passes(flat(LINEAR), EXAMPLES, ROWS, plan(batch_size=8))
    per_row = (costs.train, costs.predict, costs.track, costs.again, costs.predict_again)
    of_batch = (18, 10 + first_prediction, 10 + 9, again, predict_again)
    assert per_row == pytest.approx([seconds / 8 for seconds in of_batch])
    assert costs.waiting == 2


def test_slow_passes_are_timed_once_and_over_two_rows(monkeypatch):
    """A mini-batch would take 1.6 seconds; reading is no part of the passes, and no step is taken."""
    as_timed(monkeypatch, [(0.4, 0.4), (0.3, 0.3), (0.5, 0.4), (0.6, 0.6), (0.7, 0.7), (0.8, 0.8)])
    costs = measure_passes(flat(LINEAR), EXAMPLES, ROWS, plan(batch_size=8))
    assert (costs.train, costs.predict, costs.track) == pytest.approx(((0.3 + 0.5) / 2, (0.3 + 0.7) / 2, 0.9 / 2))
    assert costs.waiting == pytest.approx(1.25)


def test_one_disturbed_run_of_three_does_not_count(monkeypatch):
    runs = iter([(0.010, 0.010), (0.200, 0.010), (0.012, 0.004), (1.0, 1.0)])  # the fourth is not needed
    monkeypatch.setattr("labelaudit.training.needs._seconds", lambda model, run: next(runs))
    assert needs._typical(flat(LINEAR), print) == pytest.approx((0.012, 3))
    assert next(runs) == (1.0, 1.0)


def test_only_whole_mini_batches_are_timed(monkeypatch):
    """Of 21 rows, the third mini-batch would have 5."""
    seen = []
    batch = type(EXAMPLES).batch

    def noting(batches, rows, *more):
        seen.append(len(rows))
        return batch(batches, rows, *more)

    monkeypatch.setattr(type(EXAMPLES), "batch", noting)
    measure_passes(flat(LINEAR), EXAMPLES, ROWS, plan(batch_size=8))
    assert seen[0] == 2
    assert set(seen[1:]) == {8}


@pytest.mark.parametrize("optimizer", [SGD(0.9, 0.1, nesterov=True), AdamW(0.1)])
def test_timed_steps_leave_the_network_where_it_was(optimizer):
    model = flat(LINEAR)
    before = model.theta.clone()
    costs = measure_passes(model, EXAMPLES, ROWS, plan(batch_size=4, optimizer=optimizer, clip_norm=0.01))
    assert torch.equal(model.theta, before)
    assert costs.train > costs.predict_again > 0
