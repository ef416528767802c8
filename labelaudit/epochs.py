"""Influence over the epochs of an audit's fine-tunes, for a report that is to show when a row did its harm."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from labelaudit.audit import plan_folds
from labelaudit.config import AuditConfig
from labelaudit.distributed import team
from labelaudit.influence.derivatives import choose_differentiation
from labelaudit.influence.dit import sweep
from labelaudit.influence.queries import TestLoss
from labelaudit.influence.scoring import Scoring
from labelaudit.pool import Pool
from labelaudit.preparing import complete, prepare_network, training_plan
from labelaudit.progress import Progress
from labelaudit.runtime import choose_device, choose_dtype, memory_of_process, reproducible
from labelaudit.training.fine_tune import fine_tune
from labelaudit.training.recording import plan_recording
from labelaudit.training.window import parse_windows


def influence_over_epochs(
    pool: Pool, labels: NDArray[np.int64], config: AuditConfig, progress: Progress
) -> NDArray[np.float64]:
    """How much the query would change if a row were left out of one epoch, for each epoch.

    The audit's fine-tunes are made again, which come out the same bit for bit, and this time recorded whole.

    Args:
        pool: The rows.
        labels: Their class indices, shape (N + M,), as they were audited.
        config: The audit's settings; its window is the one thing that does not count.
        progress: Told of each stage.

    Returns:
        Shape (N, E), in the query's unit; NaN for rows that are not scored.

    Raises:
        InputError: The whole run does not fit into memory.
    """
    device, dtype = choose_device(config.device), choose_dtype(config.dtype)
    folds = plan_folds(pool, labels, config)
    training = complete(config.training, pool.inputs.defaults, min(len(fold.train) for fold in folds))
    plan, settings = training_plan(training), config.influence
    fit_on = np.unique(np.concatenate([fold.train for fold in folds]))
    examples = pool.inputs.examples(torch.from_numpy(labels), fit_on, device, dtype, training.augmentation)
    scoring = Scoring(settings.estimator, settings.scoring_steps)
    found = np.full((len(pool.dataset), plan.epochs), np.nan)
    for number, fold in enumerate(folds):
        network_seed, order_seed = np.random.SeedSequence([config.seed, number]).generate_state(2).tolist()
        model = prepare_network(pool.inputs, len(pool.classes), network_seed, examples, config)
        rows, query_rows = torch.from_numpy(fold.train), torch.from_numpy(fold.query)
        per_epoch = plan.steps_per_epoch(len(rows))
        windows = parse_windows("each", plan.epochs, per_epoch, settings.removal, settings.query_at)
        memory = int(team().least(memory_of_process(device, team().neighbours)))
        theta_bytes = int(team().most(model.theta.nbytes))
        recording = plan_recording(windows, plan.epochs * per_epoch, theta_bytes, plan.optimizer, memory=memory)
        title = f"Fold {number + 1} of {len(folds)}, all epochs: " if len(folds) > 1 else "All epochs: "
        with reproducible():
            with progress.stage(f"{title}fine-tuning", plan.epochs * len(rows)) as advance:
                run = fine_tune(model, examples, rows, plan, order_seed, recording, advance)
            query = TestLoss(settings.query, examples, query_rows, plan.batch_size)
            scored = sum(len(scoring.stretches(window)) for window in windows)
            with progress.stage(f"{title}sweeping back", (plan.epochs + scored) * len(rows)) as advance:
                differentiate = choose_differentiation(settings.derivatives, model)
                swept = sweep(run, windows, query, differentiate, scoring, advance)[:, 0]
        found[fold.train] = swept[:, torch.arange(len(rows)), examples.labels[rows]].T.numpy()
    return found
