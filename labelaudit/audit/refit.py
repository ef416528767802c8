"""Networks trained once more, on the rows whose label is more probably right than wrong."""

from __future__ import annotations

import numpy as np
import torch

from labelaudit.audit.collect import AuditTask
from labelaudit.audit.setup import training_plan
from labelaudit.config import AuditConfig
from labelaudit.detection.calibration import log_softmax
from labelaudit.detection.ranking import MORE_PROBABLY_WRONG
from labelaudit.detection.scale import scales_of
from labelaudit.models.sharded_checkpoints import checkpoints_of
from labelaudit.progress import Progress
from labelaudit.runtime.checkpoints import Checkpoints
from labelaudit.runtime.machine import reproducible
from labelaudit.training.fine_tune import fine_tune
from labelaudit.training.predict import inference_batch_size, predict
from labelaudit.training.recording import plan_recording
from labelaudit.training.window import Window
from labelaudit.types import Floats


def refit(
    task: AuditTask, wrong: Floats, config: AuditConfig, progress: Progress, checkpoints: Checkpoints | None
) -> Floats:
    """Log-probabilities by networks that trained neither on the row nor on rows that are probably wrong, shape (N, C).

    The fine-tune is that of the audit. As there, logits are averaged over the ends of all epochs but the first, and
    brought to the scale that suits the given labels.

    Args:
        task: What is audited.
        wrong: How probable it is that each label is wrong, shape (N,).
        config: The settings, with none of the training's left open.
        progress: Told of each fine-tune.
        checkpoints: Where the run is saved from time to time, and resumed from.
    """
    labels, plan = task.batches.labels.numpy(), training_plan(config.training)
    found: list[Floats] = []
    for number, fold in enumerate(task.folds):
        kept = fold.train[wrong[fold.train] <= MORE_PROBABLY_WRONG]
        kept = kept if len(kept) else fold.train  # nothing is believed of such labels anyway
        rows, query = torch.from_numpy(kept), torch.from_numpy(fold.query)
        network_seed, order_seed = np.random.SeedSequence([config.seed, number, 1]).generate_state(2).tolist()
        model = task.network(number, network_seed)
        last = plan.epochs * plan.steps_per_epoch(len(kept))
        nothing = Window("last", last - 1, last)  # one state, as there is no run without any
        recording = plan_recording([nothing], last, model.theta.nbytes, plan.optimizer, memory=4 * model.theta.nbytes)
        part = None if checkpoints is None else checkpoints_of(model, checkpoints.part(f"again-{number}"))
        title = f"Fold {number + 1} of {len(task.folds)}: fine-tuning without suspects"
        with progress.stage(title, plan.epochs * len(kept)) as advance, reproducible():
            run = fine_tune(model, task.batches, rows, plan, order_seed, recording, advance, part, query)
            final = predict(model, task.batches, query, inference_batch_size(task.batches, plan.batch_size))
        found.append(run.mean_held_out(final).numpy())
    scales = scales_of(found, [labels[fold.query] for fold in task.folds])
    log_p = np.full((task.rows, task.classes), np.nan)
    for fold, logits, scale in zip(task.folds, found, scales, strict=True):
        log_p[fold.query] = log_softmax(scale * logits)
    return log_p
