"""The sweep against automatic differentiation through the whole training run (float64, relative 1e-8)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from labelaudit.errors import InputError
from labelaudit.influence.derivatives import central_differences, forward_over_reverse
from labelaudit.influence.dit import sweep
from labelaudit.influence.query_loss import QueryLoss, loss_by_class, loss_by_sample
from labelaudit.influence.scoring import Scoring, Segment
from labelaudit.models.flat import FlatModel
from labelaudit.models.paper import cnn, dnn, logistic_regression
from labelaudit.models.parts import parameters_of
from labelaudit.progress import ignore
from labelaudit.runtime.checkpoints import RunFolder
from labelaudit.training.fine_tune import Run, fine_tune
from labelaudit.training.optimizers import SGD, AdamW
from labelaudit.training.recording import plan_recording
from labelaudit.training.window import Window, parse_windows
from tests.support.data import batches_of, digits
from tests.support.training import flat, plan, train

ROWS, QUERY = torch.arange(21), torch.arange(21, 30)
PLANS = {
    "sgd": plan(optimizer=SGD()),
    "weight decay": plan(optimizer=SGD(0.0, 0.01)),
    "momentum": plan(optimizer=SGD(0.9)),
    "momentum, weight decay, cosine": plan(optimizer=SGD(0.5, 0.01), schedule="cosine"),
    "nesterov": plan(optimizer=SGD(0.9, 0.01, nesterov=True), schedule="inverse-sqrt"),
    "adamw": plan(optimizer=AdamW(0.01), learning_rate=0.003),
    "adamw, warm-up, linear": plan(optimizer=AdamW(0.1), learning_rate=0.01, warmup_steps=3, schedule="linear"),
    "clipping": plan(optimizer=SGD(0.9, 0.01), clip_norm=0.5),
    "adamw, clipping": plan(optimizer=AdamW(0.01, epsilon_root=1e-4), learning_rate=0.003, clip_norm=1.0),
}
WINDOWS = {
    "last, inside": Window("last", 6, 9),
    "middle, inside": Window("middle", 3, 6),
    "middle, from the start": Window("middle", 3, 6, "start"),
    "across epochs, from the start": Window("steps", 2, 8, "start"),
    "full": Window("full", 0, 9),
    "first, seen from the end": Window("first", 0, 3, "window", "final"),
    "last, from the start, seen from the end": Window("last", 6, 9, "start", "final"),
}


def network(factory):
    torch.manual_seed(1)
    return factory(3, 1, 28) if factory is cnn else factory(3, 784)


def differentiable_step(optimizer, state, gradient, rate, number):
    """One step as a differentiable function, written from the optimizers' definitions."""
    if isinstance(optimizer, SGD):
        theta, velocity = state
        decayed = gradient + optimizer.weight_decay * theta
        velocity = optimizer.momentum * velocity + decayed
        return theta - rate * (decayed + optimizer.momentum * velocity if optimizer.nesterov else velocity), velocity
    theta, mean, square = state
    beta1, beta2 = optimizer.betas
    mean = beta1 * mean + (1 - beta1) * gradient
    square = beta2 * square + (1 - beta2) * gradient**2
    root = (square / (1 - beta2**number) + optimizer.epsilon_root).sqrt() + optimizer.epsilon
    theta = theta - rate * optimizer.weight_decay * theta
    return theta - rate * (mean / (1 - beta1**number)) / root, mean, square


def rate_of(setting, t, total):
    base = {
        "constant": 1.0,
        "linear": 1 - t / total,
        "cosine": 0.5 * (1 + torch.cos(torch.tensor(torch.pi * t / total, dtype=torch.float64)).item()),
        "inverse-sqrt": (t + 1) ** -0.5,
    }[setting.schedule]
    return setting.learning_rate * base * min(1.0, (t + 1) / (setting.warmup_steps + 1))


def derivative_by_autograd(factory, batches, run: Run, window: Window, expected=False, untracked=0):
    """−d(query)/d(weight of each row): training is rebuilt, step by step, as one differentiable function.

    The first `untracked` parameters, and their gradients and moments, are taken as given.
    """

    def given(vector):
        return torch.cat([vector[:untracked].detach(), vector[untracked:]])

    model, setting = flat(network(factory)), run.plan
    weights = torch.zeros(len(ROWS), dtype=torch.float64, requires_grad=True)
    state = (model.theta.clone().requires_grad_(), *torch.zeros(2, len(model.theta), dtype=torch.float64))
    state = state[: 2 if isinstance(setting.optimizer, SGD) else 3]
    order = torch.Generator().manual_seed(3)
    steps = [b for _ in range(setting.epochs) for b in torch.randperm(21, generator=order).split(setting.batch_size)]
    thetas = [state[0]]
    for t, batch in enumerate(steps):
        inputs, labels = batches.batch(ROWS[batch], augmentation_seed=t)
        losses = cross_entropy(model.at(state[0], inputs), labels, reduction="none")
        objective = losses.mean()
        if (window.removal == "start" or t >= window.start) and t < window.stop:
            if expected:
                everything = cross_entropy(
                    model.at(state[0], batches.batch(ROWS)[0]), batches.labels[ROWS], reduction="none"
                )
                objective = objective + (weights * everything).mean()
            else:
                objective = objective + (weights[batch] * losses).mean()
        gradient = given(torch.autograd.grad(objective, state[0], create_graph=True)[0])
        if setting.clip_norm is not None and gradient.norm() > setting.clip_norm:
            gradient = gradient * setting.clip_norm / gradient.norm()
        state = differentiable_step(setting.optimizer, state, gradient, rate_of(setting, t, len(steps)), t + 1)
        state = tuple(map(given, state))
        thetas.append(state[0])
    inputs, labels = batches.batch(QUERY)

    def test_loss(theta):
        return cross_entropy(model.at(theta, inputs), labels)

    def at(t):
        if window.query_at == "ends":
            return test_loss(thetas[t])
        final = thetas[-1].detach().requires_grad_()
        return torch.autograd.grad(test_loss(final), final)[0] @ thetas[t]

    effect = at(window.stop) - (at(window.start) if window.removal == "start" and window.start > 0 else 0)
    return -torch.autograd.grad(effect, weights)[0]


VISITED = Scoring()


def swept(factory, setting, windows, scoring=VISITED, mode="memory", query=None, method=None, tracked="all"):
    batches = batches_of(*digits((1, 7, 4), 10))
    module = network(factory)
    model = FlatModel(module, torch.device("cpu"), torch.float64, parameters_of(module, tracked))
    run = train(model, batches, ROWS, setting, seed=3, windows="full", mode=mode)
    query = query(batches) if query else QueryLoss("loss", batches, QUERY, 4)
    return run, sweep(run, windows, query, method or forward_over_reverse, scoring, ignore)


def given(run, influence):
    return influence[..., torch.arange(len(ROWS)), run.batches.labels[ROWS]]


def assert_close(actual, truth, relative=1e-8):
    assert truth.norm() > 0
    assert (actual - truth).norm() <= relative * truth.norm()


@pytest.mark.parametrize("name", PLANS)
def test_every_window_is_the_derivative_of_training(name):
    """All windows of one run, in one sweep."""
    setting = replace(PLANS[name], epochs=3)
    run, influence = swept(dnn, setting, list(WINDOWS.values()))
    assert influence.shape == (7, 1, 21, 3)
    for window, part in zip(WINDOWS.values(), influence, strict=True):
        assert_close(given(run, part[0]), derivative_by_autograd(dnn, run.batches, run, window))


@pytest.mark.parametrize("factory", [logistic_regression, cnn])
def test_other_networks(factory):
    setting = plan(optimizer=SGD(0.9, 0.01), batch_size=11, epochs=2)
    window = Window("last", 2, 4)
    run, influence = swept(factory, setting, [window])
    assert_close(given(run, influence[0, 0]), derivative_by_autograd(factory, run.batches, run, window))


@pytest.mark.parametrize("name", ["momentum, weight decay, cosine", "adamw, clipping"])
def test_expected_is_the_derivative_with_every_row_in_every_step(name):
    window = Window("last", 3, 6)
    run, influence = swept(dnn, PLANS[name], [window], Scoring("expected", 10**6))
    truth = derivative_by_autograd(dnn, run.batches, run, window, expected=True)
    assert_close(given(run, influence[0, 0]), truth)


def test_expected_from_some_steps_is_close_to_it_from_all():
    windows = [Window("last", 3, 6)]
    setting = plan(batch_size=7)  # three steps
    _, everything = swept(dnn, setting, windows, Scoring("expected", 10**6))
    _, middle = swept(dnn, setting, windows, Scoring("expected", 1))
    _, capped = swept(dnn, setting, windows, Scoring("expected", 3))
    assert torch.equal(everything, capped)
    assert not torch.equal(everything, middle)
    assert torch.corrcoef(torch.stack([everything.flatten(), middle.flatten()]))[0, 1] > 0.95


def test_expected_from_the_start_scores_the_window_itself_too():
    """The adjoint jumps where the window begins, so that steps on both sides are needed."""
    assert Scoring("expected", 2).segments(Window("last", 16, 22, "start")) == [
        Segment(16, 19, 17),
        Segment(19, 22, 20),
        Segment(0, 8, 4),
        Segment(8, 16, 12),
    ]
    window = Window("last", 3, 6, "start")
    run, influence = swept(dnn, plan(optimizer=SGD(0.9)), [window], Scoring("expected", 10**6))
    assert_close(given(run, influence[0, 0]), derivative_by_autograd(dnn, run.batches, run, window, expected=True))


@pytest.mark.parametrize("name", ["momentum, weight decay, cosine", "nesterov", "clipping", "adamw, clipping"])
@pytest.mark.parametrize("method", [forward_over_reverse, central_differences])
def test_through_some_parameters_it_is_the_derivative_with_the_others_given(name, method):
    windows = [WINDOWS["middle, inside"], WINDOWS["last, from the start, seen from the end"]]
    setting = replace(PLANS[name], epochs=3)
    run, influence = swept(dnn, setting, windows, method=method, tracked="last:1")
    assert len(run.model.tracked) == 8 * 8 + 8 + 8 * 3 + 3
    untracked = len(run.model.theta) - len(run.model.tracked)
    for window, part in zip(windows, influence, strict=True):
        truth = derivative_by_autograd(dnn, run.batches, run, window, untracked=untracked)
        assert_close(given(run, part[0]), truth, 1e-8 if method is forward_over_reverse else 1e-5)
    whole = swept(dnn, setting, windows)[1]
    assert not torch.allclose(influence, whole, rtol=0.01)


def test_windows_swept_together_or_alone_are_the_same():
    setting = plan(optimizer=AdamW(0.01), learning_rate=0.003, epochs=3)
    run, together = swept(dnn, setting, list(WINDOWS.values()))
    for window, part in zip(WINDOWS.values(), together, strict=True):
        alone = sweep(run, [window], QueryLoss("loss", run.batches, QUERY, 4), forward_over_reverse, Scoring(), ignore)
        assert_close(part, alone[0], relative=1e-12)


def test_epochs_add_up_where_the_query_is_linear_in_theta():
    """Left out from the start, seen from the end: the effect of the run is the sum of what each epoch adds."""
    setting = plan(optimizer=SGD(0.9), epochs=3)
    each = parse_windows("each", 3, 3, "start", "final")
    _, influence = swept(dnn, setting, [*each, Window("full", 0, 9, "start", "final")])
    assert_close(influence[:3].sum(0), influence[3], relative=1e-10)


def test_a_query_of_several_quantities_is_one_sweep_for_all():
    setting = plan(optimizer=SGD(0.9))
    window = [Window("last", 3, 6)]
    ids = [f"row {i}" for i in QUERY.tolist()]
    classes = ("one", "seven", "four")
    _, whole = swept(dnn, setting, window)
    _, by_sample = swept(dnn, setting, window, query=lambda e: loss_by_sample("loss", e, QUERY, 4, ids))
    run, by_class = swept(dnn, setting, window, query=lambda e: loss_by_class("loss", e, QUERY, 4, classes))
    assert by_sample.shape == (1, 9, 21, 3)
    assert_close(by_sample.mean(1), whole[0], relative=1e-10)
    share = torch.bincount(run.batches.labels[QUERY]).double() / len(QUERY)
    assert_close((by_class[0] * share[:, None, None]).sum(0), whole[0, 0], relative=1e-10)
    _, differences = swept(
        dnn, setting, window, method=central_differences, query=lambda e: loss_by_class("loss", e, QUERY, 4, classes)
    )
    assert_close(differences, by_class, relative=1e-4)


@pytest.mark.parametrize("optimizer", [SGD(0.9, 0.01), AdamW(0.01)])
@pytest.mark.parametrize("mode", ["replay", "disk"])
def test_replayed_and_stored_trajectories_give_the_same_bits(optimizer, mode, tmp_path):
    setting = plan(optimizer=optimizer, batch_size=2, learning_rate=0.003)
    windows = [Window("part", 5, 17), Window("last", 11, 22)]
    batches = batches_of(*digits((1, 7, 4), 10), augmentation="shift")
    query = QueryLoss("loss", batches, QUERY, 4)
    files = RunFolder(tmp_path / "run", every_seconds=1e9).open({})
    results = []
    for chosen in ("memory", mode):
        model = flat(network(dnn))
        recording = plan_recording(
            windows, 22, model.theta.nbytes, optimizer, memory=1 << 30, disk=1 << 30, mode=chosen
        )
        run = fine_tune(model, batches, ROWS, setting, 3, recording, ignore, files)
        results.append(sweep(run, windows, query, forward_over_reverse, Scoring(), ignore))
        assert run.trajectory.interval == (4 if chosen == "replay" else 1)
    assert torch.equal(*results)


def test_other_labels_columns_are_influences_under_that_label():
    """Column c is linear in the row's loss, so it must equal −<∇ℓ(x, c), c_t>/|S_t| taken from the same adjoint."""
    setting = plan(optimizer=SGD(), epochs=1, batch_size=21)
    run, influence = swept(dnn, setting, [Window("last", 0, 1)])
    model = flat(network(dnn))
    query = QueryLoss("loss", run.batches, QUERY, 9).gradient(run.model)[0]
    inputs, _ = run.batches.batch(ROWS)
    for label in range(3):
        for row in (0, 5):
            model.gradient.zero_()
            cross_entropy(model(inputs[row : row + 1]), torch.tensor([label])).backward()
            expected = setting.learning_rate * (model.gradient @ query) / len(ROWS)
            assert influence[0, 0, row, label] == pytest.approx(expected.item(), rel=1e-9)


def test_a_window_that_was_not_recorded_is_refused():
    batches = batches_of(*digits((1, 7, 4), 10))
    run = train(flat(network(dnn)), batches, ROWS, plan(), windows="last")
    query = QueryLoss("loss", batches, QUERY, 4)
    for window in (Window("first", 0, 3), Window("last", 3, 6, "start"), Window("beyond", 3, 7)):
        with pytest.raises(InputError, match=rf"the window {window.name} needs .* recorded are 4 to 6 of 6"):
            sweep(run, [window], query, forward_over_reverse, Scoring(), ignore)
