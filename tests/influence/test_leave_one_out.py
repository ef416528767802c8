"""DIT against what it estimates: training again without each sample."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import pearsonr
from torch.nn.functional import cross_entropy

from labelaudit.influence.derivatives import forward_over_reverse
from labelaudit.influence.dit import sweep
from labelaudit.influence.queries import test_loss_query as loss_query
from labelaudit.models.paper import logistic_regression
from labelaudit.training.fine_tune import fine_tune
from tests.conftest import examples_of, flat, ignore, plan

TRAIN, TEST, BATCH, EPOCHS, RATE = 256, 256, 64, 3, 0.003


def loss_without(left_out: int | None, inputs, labels) -> float:
    """Final test loss of a training of its own (torch's SGD) that skips one sample in the last epoch."""
    torch.manual_seed(0)
    network = logistic_regression(2, 1, 28).double()
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=0.9, weight_decay=1e-3)
    order = torch.Generator().manual_seed(0)
    for epoch in range(EPOCHS):
        for batch in torch.randperm(TRAIN, generator=order).split(BATCH):
            kept = batch[batch != left_out] if epoch == EPOCHS - 1 and left_out is not None else batch
            optimizer.zero_grad()
            (cross_entropy(network(inputs[kept]), labels[kept], reduction="sum") / len(batch)).backward()
            optimizer.step()
    with torch.no_grad():
        return cross_entropy(network(inputs[TRAIN:]), labels[TRAIN:]).item()


def test_window_removal_agrees_with_retraining_on_mnist_1_7(shared):
    """LR, 256 samples of which 25 are flipped: leave each out of the last epoch, retrain, compare the test loss."""
    mnist = np.load(shared("data/mnist.npz"))
    rows = np.flatnonzero(np.isin(mnist["y_train"], (1, 7)))[: TRAIN + TEST]
    labels = torch.from_numpy((mnist["y_train"][rows] == 7).astype(np.int64))
    flipped = np.random.default_rng(0).choice(TRAIN, 25, replace=False)
    labels[flipped] = 1 - labels[flipped]
    examples = examples_of(torch.from_numpy(mnist["x_train"][rows])[:, None], labels)
    train, test = torch.arange(TRAIN), torch.arange(TRAIN, TRAIN + TEST)

    torch.manual_seed(0)
    model = flat(logistic_regression(2, 1, 28))
    setting = plan(momentum=0.9, weight_decay=1e-3, epochs=EPOCHS, batch_size=BATCH, learning_rate=RATE)
    run = fine_tune(model, examples, train, setting, seed=0, memory_budget=1 << 30, progress=ignore)
    query = loss_query("loss", model, examples, test, 256, ignore)
    influence = sweep(model, examples, train, run, query.gradient, forward_over_reverse, "visited", 1, ignore)

    inputs, _ = examples.batch(torch.arange(TRAIN + TEST))
    whole = loss_without(None, inputs, labels)
    actual = [loss_without(row, inputs, labels) - whole for row in range(TRAIN)]
    estimated = influence[train, labels[train]].numpy()
    assert pearsonr(estimated, actual).statistic >= 0.99
    worst = np.argsort(estimated)[: len(flipped)]
    assert np.isin(worst, flipped).mean() > 0.5  # right way up: chance is 0.1
