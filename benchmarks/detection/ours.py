"""Our audit of a task, with the task's network and settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from benchmarks.detection.tasks import Task
from benchmarks.detection.training import network_of
from labelaudit.audit.judge import Findings, audit_folds
from labelaudit.audit.setup import choose_folds
from labelaudit.audit.task import AuditTask, View
from labelaudit.config import AuditConfig, InfluenceConfig
from labelaudit.data.batches import Features
from labelaudit.progress import NullProgress


def audit(task: Task, seed: int, influence: InfluenceConfig) -> Findings:
    """Our audit: of all rows with the trusted ones as the query, or of each part by the others."""
    config = AuditConfig(training=task.training, influence=influence, seed=seed)
    rows, (inputs, labels) = len(task.given), task.trusted
    batches = Features(
        torch.cat([task.inputs, inputs]), torch.from_numpy(np.concatenate([task.given, labels.astype(np.int64)]))
    )
    everything = np.arange(rows + len(labels))
    folds = choose_folds(everything[:rows], everything[rows:], batches.labels.numpy(), config, small=True)

    second = None
    if task.second_inputs is not None and len(folds) > 1:
        on_second = replace(task, inputs=task.second_inputs)
        second = View(
            Features(on_second.inputs, batches.labels), lambda number, network_seed: network_of(on_second, network_seed)
        )
    return audit_folds(
        AuditTask(
            View(batches, lambda number, network_seed: network_of(task, network_seed)),
            folds,
            rows,
            task.classes,
            second_view=second,
            table=task.table,
            small=True,
        ),
        config,
        NullProgress(),
    )
