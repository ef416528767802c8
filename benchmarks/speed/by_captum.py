"""captum's TracInCP: every row's influence on itself, summed over the checkpoints at the ends of the epochs."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captum.influence import TracInCP
from torch import nn

from benchmarks.speed.plain import prepare

ROWS_AT_ONCE = 8  # the gradients of so many rows are in memory at a time


def main(arguments: list[str]) -> dict[str, Any]:
    """Rank all rows by self-influence, from one plain fine-tune."""
    task = prepare(arguments)
    with tempfile.TemporaryDirectory() as folder:
        checkpoints: list[str] = []

        def save(model: nn.Module) -> None:
            checkpoints.append(str(Path(folder) / f"{len(checkpoints)}.pt"))
            torch.save(model.state_dict(), checkpoints[-1])

        started = time.perf_counter()
        model = task.train(after_epoch=save).eval()
        training = time.perf_counter() - started

        def load(network: nn.Module, path: str) -> float:
            network.load_state_dict(torch.load(path, weights_only=True))
            return float(task.options.learning_rate)

        # Its quick way, all gradients of a batch in one backward pass, is for these layers only.
        layers = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
        task.options.batch_size = ROWS_AT_ONCE
        method = TracInCP(
            model,
            task.loader(),
            checkpoints,
            checkpoints_load_func=load,
            layers=layers,
            loss_fn=nn.CrossEntropyLoss(reduction="sum"),
            sample_wise_grads_per_batch=True,
        )
        scores = method.self_influence(task.loader(), outer_loop_by_checkpoints=True)
    np.save(task.options.scores, scores.cpu().numpy())
    return {"training_seconds": training}
