"""Networks that are only asked what they predict of rows they were not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from labelaudit.audit import stages
from labelaudit.audit.setup import training_plan
from labelaudit.audit.task import AuditTask, View
from labelaudit.config import AuditConfig
from labelaudit.detection.ranking import MORE_PROBABLY_WRONG
from labelaudit.detection.scale import scales_of
from labelaudit.models.sharded_checkpoints import checkpoints_of
from labelaudit.progress import Progress
from labelaudit.runtime.checkpoints import Checkpoints
from labelaudit.runtime.large_arrays import cells, put_log_softmax
from labelaudit.runtime.machine import reproducible
from labelaudit.training.fine_tune import fine_tune
from labelaudit.training.predict import inference_batch_size, predict
from labelaudit.training.recording import plan_recording
from labelaudit.training.window import Window
from labelaudit.types import Floats


@dataclass(frozen=True)
class Stream:
    """One of the times that networks are trained so.

    Attributes:
        name: Of its checkpoints.
        number: From which its seeds follow; another one for each.
        title: What it is, in words, after "Fold 1 of 5: ".
    """

    name: str
    number: int
    title: str


SECOND_VIEW = Stream("second", 2, stages.SECOND_VIEW)
WITHOUT_SUSPECTS = (
    Stream("again", 1, stages.WITHOUT_SUSPECTS[0]),
    Stream("again-second", 3, stages.WITHOUT_SUSPECTS[1]),
)
"""By view."""


def cross_fit(
    task: AuditTask,
    view: View,
    stream: Stream,
    config: AuditConfig,
    progress: Progress,
    checkpoints: Checkpoints | None,
    wrong: Floats | None = None,
) -> Floats:
    """Log-probabilities of each row by a network that did not train on it, nor on probably wrong ones, shape (N, C).

    The folds and the fine-tune are those of the audit. As there, logits are averaged over the ends of all epochs but
    the first, and brought to the scale that suits the given labels.

    Args:
        task: What is audited.
        view: What the networks get.
        stream: Which of the times it is.
        config: The settings, with none of the training's left open.
        progress: Told of each fine-tune.
        checkpoints: Where the run is saved from time to time, and resumed from.
        wrong: How probable it is that each label is wrong, shape (N,); None to train on all rows.
    """
    batches = view.batches
    labels, plan = batches.labels.numpy(), training_plan(config.training)
    found: list[Floats] = []
    for number, fold in enumerate(task.folds):
        kept = fold.train if wrong is None else fold.train[wrong[fold.train] <= MORE_PROBABLY_WRONG]
        kept = kept if len(kept) else fold.train  # nothing is believed of such labels anyway
        rows, query = torch.from_numpy(kept), torch.from_numpy(fold.query)
        seeds = np.random.SeedSequence([config.seed, number, stream.number])
        network_seed, order_seed = seeds.generate_state(2).tolist()
        model = view.network(number, network_seed)
        last = plan.epochs * plan.steps_per_epoch(len(kept))
        nothing = Window("last", last - 1, last)  # one state, as there is no run without any
        recording = plan_recording([nothing], last, model.theta.nbytes, plan.optimizer, memory=4 * model.theta.nbytes)
        part = None if checkpoints is None else checkpoints_of(model, checkpoints.part(f"{stream.name}-{number}"))
        title = f"Fold {number + 1} of {len(task.folds)}: {stream.title}"
        with progress.stage(title, plan.epochs * len(kept)) as advance, reproducible():
            run = fine_tune(model, batches, rows, plan, order_seed, recording, advance, part, query)
            final = predict(model, batches, query, inference_batch_size(batches, plan.batch_size, task.classes))
        found.append(run.mean_held_out(final).numpy())
    scales = scales_of(found, [labels[fold.query] for fold in task.folds])
    log_p = cells(task.rows, task.classes, np.nan)
    for fold, logits, scale in zip(task.folds, found, scales, strict=True):
        put_log_softmax(logits, scale, log_p, fold.query)
    return log_p


def without_suspects(
    task: AuditTask, wrong: Floats, config: AuditConfig, progress: Progress, checkpoints: Checkpoints | None
) -> Floats:
    """The mean log-probabilities by networks on each view that trained on no row that is probably wrong, (N, C)."""
    fits = [
        cross_fit(task, view, stream, config, progress, checkpoints, wrong)
        for view, stream in zip(task.views, WITHOUT_SUSPECTS, strict=False)
    ]
    mean: Floats = np.mean(fits, axis=0)
    return mean
