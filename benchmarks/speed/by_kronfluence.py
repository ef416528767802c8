"""kronfluence: every row's influence on itself by EK-FAC, at the end of one plain fine-tune."""

from __future__ import annotations

import tempfile
import time
from typing import Any

import numpy as np
import torch
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments
from kronfluence.task import Task
from kronfluence.utils.dataset import DataLoaderKwargs
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.speed.plain import prepare

ROWS_AT_ONCE = 8  # the gradients of so many rows are in memory at a time


class Classification(Task):
    """Cross-entropy, with labels sampled for the Fisher matrix, as in kronfluence's own examples."""

    def compute_train_loss(self, batch: Any, model: nn.Module, sample: bool = False) -> Tensor:
        """The summed loss of a batch."""
        images, labels = batch
        logits = model(images)
        if sample:
            with torch.no_grad():
                labels = torch.multinomial(logits.softmax(1), 1).flatten()
        return cross_entropy(logits, labels, reduction="sum")

    def compute_measurement(self, batch: Any, model: nn.Module) -> Tensor:
        """The same."""
        return self.compute_train_loss(batch, model)


def main(arguments: list[str]) -> dict[str, Any]:
    """Rank all rows by self-influence."""
    task = prepare(arguments)
    started = time.perf_counter()
    model = task.train()
    training = time.perf_counter() - started
    own = Classification()
    with tempfile.TemporaryDirectory() as folder:
        analyzer = Analyzer(
            "speed", prepare_model(model, own), own, cpu=task.device.type == "cpu", disable_tqdm=True, output_dir=folder
        )
        analyzer.set_dataloader_kwargs(DataLoaderKwargs(num_workers=task.options.workers))
        analyzer.fit_all_factors(
            "ekfac", task.data, per_device_batch_size=ROWS_AT_ONCE, factor_args=FactorArguments(strategy="ekfac")
        )
        analyzer.compute_self_scores("self", "ekfac", task.data, per_device_train_batch_size=ROWS_AT_ONCE)
        scores = analyzer.load_self_scores("self")
    np.save(task.options.scores, scores["all_modules"].numpy())
    return {"training_seconds": training}
