"""Influence by other packages, as they are released: TracIn by captum, self-influence by kronfluence.

bergson (2.5.1) is not here: its data are token sequences for causal language models (`input_ids`), and nothing else.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import torch
from captum.influence import TracInCPFast
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments
from kronfluence.task import Task as KronfluenceTask
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset

from benchmarks.detection.tasks import Task
from benchmarks.detection.training import train
from labelaudit.types import Floats

BATCH = 512


def tracin(task: Task, seed: int) -> Floats:
    """TracIn over the ends of the epochs, gradients of the last layer (as its authors advise).

    With trusted rows: minus the influence on their mean loss; without: a row's influence on itself.
    """
    run = train(task, np.arange(len(task.given)), seed, keep=True)
    per_epoch = run.plan.steps_per_epoch(len(task.given))
    ends = [run.state(epoch * per_epoch).theta.clone() for epoch in range(1, run.plan.epochs + 1)]
    network = run.model.module if isinstance(run.model.module, nn.Sequential) else nn.Sequential(run.model.module)

    def load(_: nn.Module, theta: Tensor) -> float:
        with torch.no_grad():
            run.model.theta.copy_(theta)
        return run.plan.learning_rate

    found = TracInCPFast(
        network,
        network[-1],
        TensorDataset(task.inputs, torch.from_numpy(task.given)),
        iter(ends),
        load,
        nn.CrossEntropyLoss(reduction="sum"),
        BATCH,
    )
    inputs, labels = task.trusted
    if len(labels) == 0:
        values: Tensor = found.self_influence()
        return values.double().numpy()
    return -found.influence((inputs, torch.from_numpy(labels.astype(np.int64)))).double().mean(0).numpy()


class _Classification(KronfluenceTask):
    """Cross-entropy, as kronfluence wants to be told of it."""

    def compute_train_loss(self, batch: Any, model: nn.Module, sample: bool = False) -> Tensor:
        """Summed over the batch, for the given labels or such as the network itself draws."""
        inputs, labels = batch
        logits = model(inputs)
        if sample:
            labels = torch.multinomial(logits.detach().softmax(1), 1)[:, 0]
        return cross_entropy(logits, labels, reduction="sum")

    def compute_measurement(self, batch: Any, model: nn.Module) -> Tensor:
        """The same."""
        return self.compute_train_loss(batch, model)


def self_influence_by_kronfluence(task: Task, seed: int) -> Floats:
    """A row's influence on itself at the final network, by EK-FAC with the package's defaults."""
    run = train(task, np.arange(len(task.given)), seed)
    network = run.model.module if isinstance(run.model.module, nn.Sequential) else nn.Sequential(run.model.module)
    kronfluence_task = _Classification()
    data = TensorDataset(task.inputs, torch.from_numpy(task.given))
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare_model(network, kronfluence_task)
        analyzer = Analyzer("task", prepared, kronfluence_task, cpu=True, disable_tqdm=True, output_dir=folder)
        analyzer.fit_all_factors("ekfac", data, BATCH, factor_args=FactorArguments("ekfac"))
        analyzer.compute_self_scores("self", "ekfac", data, BATCH)
        scores: Tensor = analyzer.load_self_scores("self")["all_modules"]
    return scores.double().numpy()
