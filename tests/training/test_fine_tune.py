from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from labelaudit.errors import InputError
from labelaudit.models.paper import dnn
from labelaudit.progress import ignore
from labelaudit.training.fine_tune import fine_tune
from labelaudit.training.optimizers import SGD, AdamW
from labelaudit.training.predict import predict
from labelaudit.training.recording import plan_recording
from labelaudit.training.window import parse_windows
from tests.support.data import batches_of, digits
from tests.support.training import flat, plan, train

EXAMPLES = batches_of(*digits((1, 7, 4), 7))
ROWS = torch.arange(21)


def network():
    torch.manual_seed(0)
    return dnn(3, 784)


def by_torch(make_optimizer, make_scheduler=lambda o: None, clip_norm=None, epochs=3):
    """θ, the mean margins and the epochs' losses of a training by torch's own optimizers."""
    reference = network().double()
    optimizer = make_optimizer(reference.parameters())
    scheduler = make_scheduler(optimizer)
    order = torch.Generator().manual_seed(4)
    margins, losses = torch.zeros(21, dtype=torch.float64), torch.zeros(epochs, dtype=torch.float64)
    for epoch in range(epochs):
        for rows in torch.randperm(21, generator=order).split(8):
            inputs, labels = EXAMPLES.batch(rows)
            optimizer.zero_grad()
            logits = reference(inputs)
            for row, z, y in zip(rows, logits.detach(), labels, strict=True):
                margins[row] += (z[y] - max(z[c] for c in range(3) if c != y)) / epochs
            loss = cross_entropy(logits, labels)
            losses[epoch] += loss.detach() * len(rows) / 21
            loss.backward()
            if clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(reference.parameters(), clip_norm)
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
    return torch.cat([p.detach().reshape(-1) for p in reference.parameters()]), margins, losses


def test_training_is_torchs_and_what_is_recorded_of_it():
    model = flat(network())
    seen: list[int] = []
    setting = plan(optimizer=SGD(0.9, 0.01), epochs=3, schedule="cosine")
    run = train(model, EXAMPLES, ROWS, setting, seed=4, progress=seen.append)
    theta, margins, losses = by_torch(
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=9),
    )
    assert torch.allclose(model.theta, theta, rtol=1e-12)
    assert torch.equal(run.final, model.theta)
    assert torch.allclose(run.margins, margins)
    assert torch.allclose(run.epoch_losses, losses)
    assert [len(step.rows) for step in run.trajectory.steps] == [8, 8, 5]
    assert [step.index for step in run.trajectory.steps] == [6, 7, 8]
    assert sum(seen) == 63


@pytest.mark.parametrize(
    ("optimizer", "make"),
    [
        (SGD(), lambda p: torch.optim.SGD(p, 0.05)),
        (SGD(0.0, 0.1), lambda p: torch.optim.SGD(p, 0.05, weight_decay=0.1)),
        (SGD(0.9, 0.1, nesterov=True), lambda p: torch.optim.SGD(p, 0.05, 0.9, weight_decay=0.1, nesterov=True)),
        (AdamW(0.1, epsilon_root=0.0), lambda p: torch.optim.AdamW(p, 0.05, weight_decay=0.1)),
        (
            AdamW(0.0, (0.8, 0.9), 1e-3, epsilon_root=0.0),
            lambda p: torch.optim.AdamW(p, 0.05, (0.8, 0.9), eps=1e-3, weight_decay=0.0),
        ),
    ],
)
@pytest.mark.parametrize("clip_norm", [None, 0.3])
def test_every_optimizer_is_torchs(optimizer, make, clip_norm):
    model = flat(network())
    train(model, EXAMPLES, ROWS, plan(optimizer=optimizer, epochs=3, clip_norm=clip_norm), seed=4)
    theta, _, _ = by_torch(make, clip_norm=clip_norm)
    torch.testing.assert_close(model.theta, theta, rtol=1e-10, atol=1e-5 if clip_norm else 0)  # torch adds 1e-6 to it


def test_divergence_is_told_with_the_way_out():
    with pytest.raises(InputError, match=r"NaN or infinite in epoch \d+, step \d: try a smaller `learning_rate`"):
        train(flat(network()), EXAMPLES, ROWS, plan(learning_rate=1e150, epochs=9))


def test_held_out_rows_are_predicted_at_the_ends_of_all_epochs_but_the_first_and_last_and_teach_nothing():
    """The sum of the predictions of runs that end after two and three epochs."""
    train_rows, held_out = ROWS[:15], ROWS[15:]
    expected = torch.zeros(6, 3, dtype=torch.float64)
    for epochs in (2, 3):
        model = flat(network())
        train(model, EXAMPLES, train_rows, plan(epochs=epochs), seed=4)
        latest = predict(model, EXAMPLES, held_out, 8)
        expected += latest
    model = flat(network())
    setting = plan(epochs=4)
    recording = plan_recording(parse_windows("last", 4, 2), 8, model.theta.nbytes, setting.optimizer, memory=1 << 30)
    run = fine_tune(model, EXAMPLES, train_rows, setting, 4, recording, ignore, held_out=held_out)
    assert torch.allclose(run.held_out_logits, expected, rtol=1e-12)
    assert torch.allclose(run.held_out_latest, latest, rtol=1e-12)
    again = flat(network())
    assert torch.equal(run.final, train(again, EXAMPLES, train_rows, setting, seed=4).final)
