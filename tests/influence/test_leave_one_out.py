"""DIT, retraining and influence functions against each other, and retraining against torch's own optimizers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from torch.nn.functional import cross_entropy

from labelaudit.errors import InputError
from labelaudit.influence.estimate import dynamic_influence
from labelaudit.influence.influence_function import Solver, influence_function
from labelaudit.influence.leave_one_out import leave_one_out
from labelaudit.influence.query_loss import QueryLoss
from labelaudit.models.paper import cnn, dnn, logistic_regression
from labelaudit.progress import ignore
from labelaudit.runtime.checkpoints import RunFolder
from labelaudit.training.optimizers import SGD, AdamW
from labelaudit.training.window import Window
from tests.support.data import batches_of, digits
from tests.support.training import flat, plan, train

ROWS, QUERY = torch.arange(21), torch.arange(21, 30)
EXAMPLES = batches_of(*digits((1, 7, 4), 10))


def network(factory):
    torch.manual_seed(0)
    return factory(3, 1, 28) if factory is cnn else factory(3, 784)


def recorded(factory, optimizer, **settings):
    setting = plan(optimizer=optimizer, epochs=2, batch_size=8, **settings)
    return train(flat(network(factory)), EXAMPLES, ROWS, setting, windows="full", keep_moments=True)


def losses_without(left_out, factory, make_optimizer, steps, window, clip_norm=None):
    """Query loss before step 0, 1, …, of a training of its own that skips one row in some steps."""
    reference = network(factory).double()
    optimizer = make_optimizer(reference.parameters())
    inputs, labels = EXAMPLES.batch(torch.arange(30))
    seen = []

    def look():
        with torch.no_grad():
            seen.append(cross_entropy(reference(inputs[QUERY]), labels[QUERY]).item())

    for step in steps:
        look()
        gone = left_out if window[0] <= step.index < window[1] else None
        kept = step.rows[step.rows != gone] if gone is not None else step.rows
        optimizer.zero_grad()
        (cross_entropy(reference(inputs[kept]), labels[kept], reduction="sum") / len(step.rows)).backward()
        if clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(reference.parameters(), clip_norm)
        optimizer.step()
    look()
    return seen


@pytest.mark.parametrize(
    ("factory", "optimizer", "make", "clip_norm"),
    [
        (dnn, SGD(0.9, 0.01), lambda p: torch.optim.SGD(p, 0.05, 0.9, weight_decay=0.01), None),
        (dnn, SGD(0.9, nesterov=True), lambda p: torch.optim.SGD(p, 0.05, 0.9, nesterov=True), 0.5),
        (dnn, AdamW(0.01, epsilon_root=0.0), lambda p: torch.optim.AdamW(p, 0.05, weight_decay=0.01), None),
        (cnn, SGD(), lambda p: torch.optim.SGD(p, 0.05), None),
    ],
)
@pytest.mark.parametrize("window", [Window("last", 3, 6), Window("middle", 2, 5, "start"), Window("steps", 4, 5)])
def test_it_is_training_without_the_row_by_torchs_own_optimizers(factory, optimizer, make, clip_norm, window):
    run = recorded(factory, optimizer, clip_norm=clip_norm)
    result = leave_one_out(run, window, QueryLoss("loss", EXAMPLES, QUERY, 4), ignore)
    steps = run.trajectory.steps
    whole = losses_without(None, factory, make, steps, (0, 0), clip_norm)
    for row in (0, 7, 20):
        without = losses_without(row, factory, make, steps, (window.first_step, window.stop), clip_norm)
        expected = without[window.stop] - whole[window.stop]
        if window.removal == "start":
            expected -= without[window.start] - whole[window.start]
        # clip_grad_norm_ adds 1e-6 to the norm
        assert result.values[0, row] == pytest.approx(expected, rel=1e-4 if clip_norm else 1e-8, abs=1e-12)


def test_processes_and_resumption_give_the_same(tmp_path):
    run = recorded(cnn, SGD(0.9))
    query = QueryLoss("loss", EXAMPLES, QUERY, 9)
    window = Window("last", 3, 6)
    done: list[int] = []
    alone = leave_one_out(run, window, query, done.append)
    assert sum(done) == 21
    files = RunFolder(tmp_path / "run").open({})

    seen: list[int] = []

    def stop(amount):
        seen.append(amount)
        if len(seen) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave_one_out(run, window, query, stop, checkpoints=files)
    assert len(list((tmp_path / "run").rglob("left-out-*"))) == 5
    resumed = leave_one_out(run, window, query, ignore, processes=2, checkpoints=files)
    assert torch.allclose(alone.values, resumed.values, rtol=1e-9, atol=1e-15)
    assert torch.equal(run.model.theta, run.final)


def test_windows_share_a_folder_without_being_mixed_up(tmp_path):
    run = recorded(dnn, SGD(0.9))
    query = QueryLoss("loss", EXAMPLES, QUERY, 9)
    files = RunFolder(tmp_path / "run").open({})
    for window in run.windows("each"):
        kept = leave_one_out(run, window, query, checkpoints=files)
        assert torch.equal(kept.values, leave_one_out(run, window, query).values)


def test_what_was_not_recorded_is_refused():
    setting = plan(optimizer=SGD(0.9), epochs=2)
    last = train(flat(network(dnn)), EXAMPLES, ROWS, setting, windows="last", keep_moments=True)
    query = QueryLoss("loss", EXAMPLES, QUERY, 9)
    for window in (Window("first", 0, 3), Window("last", 3, 6, "start"), Window("beyond", 3, 99)):
        with pytest.raises(InputError, match=f"the window {window.name} needs the steps"):
            leave_one_out(last, window, query)
    without = train(flat(network(dnn)), EXAMPLES, ROWS, setting, windows="last")
    with pytest.raises(InputError, match="record the run with keep_moments"):
        leave_one_out(without, Window("last", 3, 6), query)


def test_an_unsolved_system_is_told_and_not_returned():
    run = recorded(dnn, SGD(0.9))
    with pytest.raises(InputError, match=r"is not solved in 3 steps; .* give it more damping"):
        influence_function(
            run, Window("full", 0, 6), QueryLoss("loss", EXAMPLES, QUERY, 9), solver=Solver(iterations=3)
        )


def test_influence_function_is_exact_on_a_quadratic_bowl():
    """LR at its optimum with a penalty: v solves a system numpy can solve, too."""
    setting = plan(optimizer=SGD(0.0, 0.1), epochs=1, batch_size=21)
    run = train(flat(network(logistic_regression)), EXAMPLES, ROWS, setting, windows="full")
    query = QueryLoss("loss", EXAMPLES, QUERY, 9)
    window = Window("full", 0, 1)
    result = influence_function(run, window, query, ignore, Solver(iterations=5000))
    theta = run.final.clone().requires_grad_()
    inputs, labels = EXAMPLES.batch(ROWS)
    each = torch.func.jacrev(lambda t: cross_entropy(run.model.at(t, inputs), labels, reduction="none"))(theta)
    hessian = torch.func.hessian(lambda t: cross_entropy(run.model.at(t, inputs), labels))(theta.detach())
    hessian = hessian + 0.1 * torch.eye(len(hessian))
    v = torch.linalg.solve(hessian, query.gradient(run.model)[0])
    assert torch.allclose(result.values[0], (each.detach() @ v) / 21, rtol=1e-4, atol=1e-9)
    descended = influence_function(run, window, query, ignore, Solver("sgd", iterations=400, batch_size=21))
    assert torch.allclose(descended.values, result.values, rtol=1e-2, atol=1e-5)
    with pytest.raises(InputError, match=r"only know the end of a run, not the window last"):
        influence_function(recorded(dnn, SGD()), Window("last", 3, 6), query, ignore)


@pytest.mark.parametrize("removal", ["window", "start"])
@pytest.mark.parametrize("query_at", ["ends", "final"])
def test_dit_agrees_with_retraining_on_mnist_1_7(dataset_file, removal, query_at):
    """LR, 256 samples of which 25 are flipped, three epochs: each left out of the last, inside or from the start."""
    mnist = np.load(dataset_file("mnist.npz"))
    chosen = np.flatnonzero(np.isin(mnist["y_train"], (1, 7)))[:512]
    labels = torch.from_numpy((mnist["y_train"][chosen] == 7).astype(np.int64))
    flipped = np.random.default_rng(0).choice(256, 25, replace=False)
    labels[flipped] = 1 - labels[flipped]
    batches = batches_of(torch.from_numpy(mnist["x_train"][chosen])[:, None], labels)
    torch.manual_seed(0)
    setting = plan(optimizer=SGD(0.9, 1e-3), epochs=3, batch_size=64, learning_rate=0.003)
    model = flat(logistic_regression(2, 784))
    run = train(model, batches, torch.arange(256), setting, windows="full", keep_moments=True)
    query = QueryLoss("loss", batches, torch.arange(256, 512), 256)
    window = Window("last", 8, 12, removal, query_at)
    estimated = dynamic_influence(run, window, query, ignore).values[0]
    actual = leave_one_out(run, window, query, ignore).values[0]
    assert pearsonr(estimated, actual).statistic >= 0.99
    if removal == "window":
        worst = estimated.argsort()[:25]
        assert np.isin(worst, flipped).mean() > 0.5  # right way up: chance is 0.1
