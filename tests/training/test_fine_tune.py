from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from labelaudit.errors import InputError
from labelaudit.models.paper import dnn
from labelaudit.training.fine_tune import fine_tune, margin, take_step
from labelaudit.training.schedule import learning_rate
from labelaudit.training.trajectory import Step, recording_interval
from tests.conftest import digits, examples_of, flat, ignore, plan

EXAMPLES = examples_of(*digits((1, 7, 4), 7))
ROWS = torch.arange(21)


def network():
    torch.manual_seed(0)
    return dnn(3, 1, 28)


def test_training_is_torchs_sgd():
    setting = plan(momentum=0.9, weight_decay=0.01, epochs=3, schedule="cosine")
    model = flat(network())
    seen: list[int] = []
    run = fine_tune(model, EXAMPLES, ROWS, setting, seed=4, memory_budget=1 << 30, progress=seen.append)
    reference = network().double()
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=9)
    order = torch.Generator().manual_seed(4)
    margins = torch.zeros(21, dtype=torch.float64)
    for _ in range(3):
        for rows in torch.randperm(21, generator=order).split(8):
            inputs, labels = EXAMPLES.batch(rows)
            optimizer.zero_grad()
            logits = reference(inputs)
            for row, z, y in zip(rows, logits.detach(), labels, strict=True):
                margins[row] += (z[y] - max(z[c] for c in range(3) if c != y)) / 3
            cross_entropy(logits, labels).backward()
            optimizer.step()
            scheduler.step()
    assert torch.allclose(model.theta, torch.cat([p.detach().reshape(-1) for p in reference.parameters()]), rtol=1e-12)
    assert torch.allclose(run.margins, margins)
    assert [len(step.rows) for step in run.trajectory.steps] == [8, 8, 5]
    assert [step.index for step in run.trajectory.steps] == [6, 7, 8]
    assert sum(seen) == 63


@pytest.mark.parametrize("budget", [0, 1 << 30])
def test_the_last_epoch_can_be_had_again_backwards(budget):
    setting = plan(epochs=2, batch_size=2)
    model = flat(network())
    run = fine_tune(model, EXAMPLES, ROWS, setting, seed=0, memory_budget=budget, progress=ignore)
    end = model.theta.clone()
    backwards = [
        (step, theta.clone())
        for step, theta in run.trajectory.backwards(
            model.theta, lambda step, velocity: take_step(model, EXAMPLES, setting.sgd, step, velocity)
        )
    ]
    assert [step.index for step, _ in backwards] == list(range(21, 10, -1))
    # Going forwards again from the first of them meets every one of the others, and the end.
    model.theta.copy_(backwards[-1][1])
    velocity = velocity_at_window(setting)
    for step, theta in reversed(backwards):
        assert torch.equal(model.theta, theta)
        take_step(model, EXAMPLES, setting.sgd, step, velocity)
    assert torch.equal(model.theta, end)


def velocity_at_window(setting):
    """v where the last epoch begins, from a run of the first epoch alone."""
    from labelaudit.training.fine_tune import take_step

    model = flat(network())
    velocity = torch.zeros_like(model.theta)
    order = torch.Generator().manual_seed(0)
    for number, places in enumerate(torch.randperm(21, generator=order).split(setting.batch_size)):
        take_step(model, EXAMPLES, setting.sgd, Step(number, ROWS[places], setting.learning_rate), velocity)
    return velocity


def test_divergence_is_told_with_the_way_out():
    model = flat(network())
    with pytest.raises(InputError, match=r"NaN or infinite in epoch \d+, step \d: try a smaller --learning-rate"):
        fine_tune(model, EXAMPLES, ROWS, plan(learning_rate=1e150, epochs=9), 0, 1 << 30, ignore)


def test_schedules():
    assert [learning_rate("constant", 2.0, t, 4) for t in range(3)] == [2, 2, 2]
    assert [learning_rate("inverse-sqrt", 2.0, t, 4) for t in (0, 3)] == [2, 1]
    assert learning_rate("cosine", 2.0, 2, 4) == pytest.approx(1)
    assert learning_rate("cosine", 2.0, 1, 4) == pytest.approx(1 + math.sqrt(0.5))


def test_margin_by_hand():
    logits = torch.tensor([[1.0, 3.0, 2.0], [5.0, 0.0, 4.5]])
    assert margin(logits, torch.tensor([1, 2])).tolist() == [1.0, -0.5]


def test_recording_interval():
    assert recording_interval(100, 8, 800) == 1
    assert recording_interval(100, 8, 799) == 10
