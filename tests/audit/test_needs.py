"""What a fold takes, against counts of passes and vectors by hand."""

from __future__ import annotations

import pytest
import torch

from labelaudit.audit.fold_plan import plan_fold
from labelaudit.audit.needs import fold_needs
from labelaudit.config import InfluenceConfig
from labelaudit.data.batches import Features
from labelaudit.errors import InputError
from labelaudit.runtime.distributed import SINGLE_PROCESS
from labelaudit.training.needs import PassCosts
from labelaudit.training.optimizers import AdamW
from tests.support.training import plan

COSTS = PassCosts(train=3.0, predict=1.0, track=2.0, again=1.5, predict_again=0.5, activations=10)
TRAINING = plan(epochs=3, batch_size=10)
ROWS, QUERY_ROWS, THETA_BYTES = 100, 40, 1000


class Tensors:
    """A network of which only the sizes matter."""

    def __init__(self, tracked_bytes):
        self.theta, self.tracked = torch.zeros(THETA_BYTES // 4), torch.zeros(tracked_bytes // 4)
        self.process_group = SINGLE_PROCESS

    def __call__(self, inputs):
        return torch.zeros(len(inputs), 2)


def needs(training=TRAINING, exact=False, memory=10**6, disk=0, folds=2, tracked_bytes=300, **influence):
    settings = InfluenceConfig(derivatives="forward-over-reverse" if exact else "central-differences", **influence)
    fold = plan_fold(
        Tensors(tracked_bytes),
        Features(torch.zeros(1, 1), torch.zeros(1)),
        training,
        settings,
        rows=ROWS,
        query_rows=QUERY_ROWS,
        folds=folds,
    )
    return fold_needs(fold, COSTS, settings.trajectory, memory=memory, disk=disk)


def test_the_default_audit_counted_by_hand():
    found = needs()
    # three epochs; the query predicted at the end of the second
    assert found.fine_tuning == 3 * 100 * 3 + 40 * 1
    # two tracked passes a row, of which the second is cheaper, one a query row; all rows scored by two forward passes
    # likewise, which also predict them
    assert found.sweeping == (2 + 1.5) * 100 + 2 * 40 + (1 + 0.5) * 100
    # a mini-batch's activations twice; θ, gradient, θ_T, and a, b, c, H c, Σ c of the tracked part
    assert found.working_memory == 2 * 10 * 10 + 3 * 1000 + 5 * 300
    assert (found.recording.interval, found.recording.memory, found.recording.disk) == (1, 10 * 1000, 0)
    assert found.memory == found.working_memory + 10_000


def test_other_ways_counted_by_hand():
    alone = needs(folds=1, tracked_bytes=1000)
    assert (alone.fine_tuning, alone.sweeping) == (900, needs().sweeping + 40)  # its query is predicted once
    assert needs(exact=True).sweeping == 2 * (4 * 100 + 40) + 3 * 100  # and predicts all rows in a pass of its own
    assert needs(estimator="visited").sweeping == 3.5 * 100 + 2 * 40 + 100
    assert needs(scoring_steps=2).sweeping == 3.5 * 100 + 2 * 40 + 2 * 1.5 * 100 + 100
    assert needs(window="full").sweeping == 3.5 * 300 + 2 * 40 + 1.5 * 100
    # each epoch has a sweep, a query and a scoring of its own; the last one is the scan's window
    assert needs(over_epochs=True).sweeping == 3.5 * 300 + (2 * 3 + 2) * 40 + 4 * 1.5 * 100
    short = needs(plan(epochs=2, batch_size=10))  # nothing to reuse the query's temperature from
    assert (short.fine_tuning, short.sweeping) == (2 * 300, needs().sweeping + 40)
    adam = needs(plan(epochs=3, batch_size=10, optimizer=AdamW()))
    assert adam.sweeping == needs().sweeping + 3 * 100  # its adjoint needs each step's gradient


def test_states_that_do_not_fit_are_replayed():
    roomy = needs(window="full")
    assert roomy.recording.memory == 30 * 1000
    found = needs(window="full", memory=roomy.working_memory + 29_999)
    assert (found.recording.interval, found.recording.memory) == (5, 2 * 1000 * (6 + 5))  # every √30th θ and velocity
    assert found.sweeping == roomy.sweeping + 3 * 300


def test_what_does_not_fit_is_refused_with_what_would():
    with pytest.raises(InputError, match=r"needs 0.0 MB of memory and 0.0 MB may be used: try a smaller `batch_size`"):
        needs(memory=4000)
