"""How many epochs a small network is trained for, by runs that are judged on held-out rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from labelaudit.data.batches import Features
from labelaudit.models.flat import FlatModel
from labelaudit.training.convergence import (
    FEWEST_EPOCHS,
    FEWEST_STEPS,
    LITTLE_LOSS,
    MOST_STEPS,
    PATIENCE,
    SPACING,
    TEMPERATURES,
    Pilot,
    epochs_to_convergence,
)
from labelaudit.training.fine_tune import Plan
from labelaudit.training.optimizers import SGD
from tests.support.training import CPU

ROWS, FEATURES = 80, 30


def test_the_constants_are_those_that_were_measured():
    assert (FEWEST_EPOCHS, FEWEST_STEPS, MOST_STEPS, SPACING, PATIENCE) == (3, 60, 1500, 1.3, 4)
    assert LITTLE_LOSS == 0.01
    assert TEMPERATURES == (1, 1.3, 1.7, 2.2, 3, 4, 5, 7, 10)


@pytest.fixture
def data():
    """Two classes in many directions, a fifth of the labels wrong: soon the labels are known by heart."""
    draw = np.random.default_rng(0)
    true = np.arange(2 * ROWS) % 2
    x = draw.normal(size=(2 * ROWS, FEATURES)) + 0.6 * (2 * true[:, None] - 1) * (np.arange(FEATURES) < 4)
    given = np.where(draw.random(2 * ROWS) < 0.2, 1 - true, true)
    return Features(torch.from_numpy(x).float(), torch.from_numpy(given))


def plan_of(rate=0.05, epochs=7):
    return Plan(SGD(0.0, 0.0, nesterov=False), epochs, 20, rate)


def pilots_of(rows=ROWS):
    def zeros():
        layer = torch.nn.Linear(FEATURES, 2)
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        return FlatModel(layer, CPU, torch.float32)

    first, second = torch.arange(rows), torch.arange(ROWS, ROWS + rows)
    return [Pilot(zeros(), first, second, 1), Pilot(zeros(), second, first, 2)]


def losses_by_hand(data, rate, looks):
    """The mean tempered loss of both halves at numbers of epochs, by torch's own gradient descent."""
    found = np.zeros(len(looks))
    for train, held_out, seed in ((range(ROWS), range(ROWS, 2 * ROWS), 1), (range(ROWS, 2 * ROWS), range(ROWS), 2)):
        layer = torch.nn.Linear(FEATURES, 2)
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        optimizer = torch.optim.SGD(layer.parameters(), lr=rate)
        order = torch.Generator().manual_seed(seed)
        rows, asked = torch.tensor(list(train)), torch.tensor(list(held_out))
        for epoch in range(1, max(looks) + 1):
            for places in torch.randperm(ROWS, generator=order).split(20):
                optimizer.zero_grad()
                cross_entropy(layer(data.inputs[rows[places]]), data.labels[rows[places]]).backward()
                optimizer.step()
            if epoch in looks:
                logits = layer(data.inputs[asked]).double()
                losses = [cross_entropy(logits / t, data.labels[asked]).item() for t in TEMPERATURES]
                found[looks.index(epoch)] += min(losses) / 2
    return found


@pytest.mark.parametrize("rate", [0.002, 0.05, 0.5])
def test_it_is_the_number_with_the_least_loss_until_four_looks_in_a_row_are_no_better(data, rate):
    looks = [15, 20, 26, 34, 45, 59, 77, 101, 132, 172, 224, 292]  # of 4 steps, each 1.3 times the last, rounded up
    losses = losses_by_hand(data, rate, looks)
    ends = next((n for n in range(len(looks)) if n - losses[: n + 1].argmin() == 4), len(looks) - 1)
    taken = 0

    def advance(steps):
        nonlocal taken
        taken += steps

    found = epochs_to_convergence(pilots_of(), data, plan_of(rate), advance)
    assert found == looks[losses[: ends + 1].argmin()]
    assert taken == 2 * 4 * looks[ends]


def test_a_slow_network_is_trained_for_longer_than_one_that_soon_knows_its_labels_by_heart(data):
    slow, fast = (epochs_to_convergence(pilots_of(), data, plan_of(rate)) for rate in (0.001, 0.5))
    assert slow > 4 * fast
    assert fast <= 20


def test_the_answer_does_not_depend_on_the_schedule_of_the_plan(data):
    plain, cosine = (
        epochs_to_convergence(pilots_of(), data, Plan(SGD(0.0, 0.0, nesterov=False), 7, 20, 0.05, schedule))
        for schedule in ("constant", "cosine")
    )
    assert plain == cosine


def test_with_many_steps_an_epoch_nothing_is_searched(data):
    """Of batches of one, 500 rows would be 500 steps: three epochs are as many as a search may take."""
    many = Features(data.inputs[torch.arange(1000) % ROWS], data.labels[torch.arange(1000) % ROWS])
    pilot = Pilot(pilots_of()[0].model, torch.arange(500), torch.arange(500, 1000), 0)
    plan = Plan(SGD(0.0, 0.0, nesterov=False), 7, 1, 0.05)
    steps = []
    assert epochs_to_convergence([pilot], many, plan, steps.append) == 7
    assert steps == []


def test_next_to_no_loss_ends_the_search(data):
    """Labels that one column tells: .05 · 4 steps an epoch bring the loss below .01 nats long before 1,500 steps."""
    told = Features(torch.cat([data.inputs, 20 * (2 * data.labels[:, None] - 1.0)], 1)[:, 1:], data.labels)
    looks = [15, 20, 26]
    losses = losses_by_hand(told, 0.002, looks)
    steps = []
    found = epochs_to_convergence(pilots_of(), told, plan_of(0.002), steps.append)
    first = int(np.argmax(losses < LITTLE_LOSS))
    assert losses[first] < LITTLE_LOSS
    assert (found, len(steps)) == (looks[first], 2 * 4 * looks[first])
