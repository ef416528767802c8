"""One fold of an audit: fine-tune on its rows, and sweep back with its query."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from labelaudit.checkpoints import Checkpoints
from labelaudit.config import AuditConfig
from labelaudit.data.examples import Examples
from labelaudit.data.splits import Fold
from labelaudit.detection.query_shift import some_rows
from labelaudit.fold_needs import FoldSize, fold_windows, measured_needs, scored_at_the_end, sweep_rows
from labelaudit.influence.derivatives import central_differences, choose_differentiation, forward_over_reverse
from labelaudit.influence.dit import sweep
from labelaudit.influence.precision import LEAST_AGREEMENT, agreement_with_float32
from labelaudit.influence.query_loss import TestLoss
from labelaudit.influence.scoring import Scoring
from labelaudit.models.flat import FlatModel
from labelaudit.progress import Progress
from labelaudit.runtime import SHARE_OF_FREE, free_disk, memory_of_process
from labelaudit.training.fine_tune import Plan, Run, fine_tune
from labelaudit.training.needs import check_per_sample_loss
from labelaudit.training.predict import LastLayerInputs, look_at, predict, rows_at_once
from labelaudit.training.recording import Recording, plan_recording
from labelaudit.training.window import Window
from labelaudit.units import as_time, gigabytes


@dataclass(frozen=True)
class FoldTask:
    """What one fold has to do.

    Attributes:
        model: The network at θ_0.
        examples: All rows.
        fold: Which of them train, and which are the query.
        plan: The fine-tune.
        seed: Decides its data order.
        number: Which fold of the audit it is, from 0.
        folds: How many there are.
    """

    model: FlatModel
    examples: Examples
    fold: Fold
    plan: Plan
    seed: int
    number: int
    folds: int

    @property
    def title(self) -> str:
        """What to call the fold before the user."""
        return f"Fold {self.number + 1} of {self.folds}: " if self.folds > 1 else ""


@dataclass(frozen=True)
class FoldResult:
    """What one fold found of its N training rows and M query rows, on the CPU.

    Attributes:
        influence: Of each row under each label, float64, shape (N, C).
        mean_logits: Over the training, float64, shape (N, C).
        margins: Over the training, float64, shape (N,).
        loss: After it, float64, shape (N,).
        query_log_probabilities: Calibrated, after it, float64, shape (M, C).
        query_mean_logits: Over the ends of all epochs but the first, float64, shape (M, C); none unless another fold
            trains on them.
        temperature: The query's, float64, shape ().
        by_epoch: The influence of each row over the epochs, float64, shape (N, E); (N, 0) unless asked for.
        query_sketch: Where some of the query rows lie to it, shape (at most 1,000, at most 64); none in cross-audits.
        sketch: Where the rows lie to the network (`LastLayerInputs`), float32, shape (N, at most 64).
        theta: The fine-tuned parameters, shape (P,).
    """

    influence: Tensor
    mean_logits: Tensor
    margins: Tensor
    loss: Tensor
    query_log_probabilities: Tensor
    query_mean_logits: Tensor
    temperature: Tensor
    by_epoch: Tensor
    query_sketch: Tensor
    sketch: Tensor
    theta: Tensor


def audit_fold(task: FoldTask, config: AuditConfig, progress: Progress, checkpoints: Checkpoints | None) -> FoldResult:
    """Fine-tune, record and sweep back.

    Raises:
        InputError: The window is outside the run, the network's loss is not one sample's, the run does not fit into
            memory or disk, or the training diverged.
        RunError: Nothing more can be written.
    """
    if checkpoints is not None and (saved := checkpoints.load("result")) is not None:
        return FoldResult(**saved)
    model, examples, plan = task.model, task.examples, task.plan
    train, query_rows = torch.from_numpy(task.fold.train), torch.from_numpy(task.fold.query)
    windows = fold_windows(config.influence, plan, len(train))
    scoring = Scoring(config.influence.estimator, config.influence.scoring_steps)
    if task.number == 0:  # the networks of the others are made likewise
        check_per_sample_loss(model, examples, train)
    recording = plan_within_means(task, config, progress, checkpoints)

    with progress.stage(f"{task.title}fine-tuning", plan.epochs * len(train)) as advance:
        held_out = query_rows if task.folds > 1 else None
        run = fine_tune(model, examples, train, plan, task.seed, recording, advance, checkpoints, held_out)
    at_once = rows_at_once(examples, plan.batch_size)
    query = TestLoss(config.influence.query, examples, query_rows, plan.batch_size)
    if len(run.held_out_latest):
        query.presume(run.final, run.held_out_latest)
    else:  # by the same reference, which needs no copy of θ_T
        query.remember(run.final, predict(model, examples, query_rows, at_once))
    influence, seen = sweep_and_look(task, run, windows, query, scoring, config, progress, checkpoints)
    answers = query.evaluate(model)  # at θ_T, wherever the window had it last
    differentiate = choose_differentiation(config.influence.derivatives, model)
    in_bfloat16 = model.mixed and differentiate is forward_over_reverse
    if in_bfloat16 and (agreement := agreement_with_float32(run, query)) < LEAST_AGREEMENT:
        progress.note(
            f"--dtype bfloat16 changes the influence of this network (correlation with float32 on some rows "
            f"{agreement:.3f}): use --dtype float32"
        )
    labels, query_sketch = examples.labels[train], seen.rows[:0]
    if task.folds == 1:
        some = torch.from_numpy(some_rows(task.fold.query))
        query_sketch = look_at(model, examples, some, at_once).rows
    result = FoldResult(
        influence=influence[0],
        mean_logits=run.mean_logits,
        margins=run.margins,
        loss=cross_entropy(seen.logits.double(), labels, reduction="none"),
        query_log_probabilities=query.log_probabilities,
        query_mean_logits=(run.held_out_logits + answers) / max(1, plan.epochs - 1) if task.folds > 1 else answers[:0],
        temperature=torch.tensor(query.temperature, dtype=torch.float64),
        by_epoch=influence[1:, torch.arange(len(train)), labels].T.contiguous(),
        query_sketch=query_sketch,
        sketch=seen.rows,
        theta=model.theta.detach().cpu().clone(),
    )
    if checkpoints is not None:
        checkpoints.save("result", asdict(result))
    return result


def sweep_and_look(
    task: FoldTask,
    run: Run,
    windows: list[Window],
    query: TestLoss,
    scoring: Scoring,
    config: AuditConfig,
    progress: Progress,
    checkpoints: Checkpoints | None,
) -> tuple[Tensor, LastLayerInputs]:
    """Influence of each training row under each label, shape (W, N, C), and the rows as the network has them at θ_T."""
    differentiate = choose_differentiation(config.influence.derivatives, run.model)
    rows = sweep_rows(windows, scoring, len(run.rows), run.plan)
    with progress.stage(f"{task.title}sweeping back", rows) as advance:
        if scored_at_the_end(windows[0], scoring, run.total_steps) and differentiate is central_differences:
            # The ordinary passes that score all rows at θ_T show what else is wanted of them.
            with LastLayerInputs(run.model) as seen:
                influence = sweep(
                    run, windows, query, differentiate, scoring, advance, checkpoints,
                    scored=lambda batch: seen.collect(batch.logits),
                )  # fmt: skip
            return influence[:, 0], seen
        influence = sweep(run, windows, query, differentiate, scoring, advance, checkpoints)
    with progress.stage(f"{task.title}losses", len(run.rows)) as advance:
        at_once = rows_at_once(run.examples, run.plan.batch_size)
        return influence[:, 0], look_at(run.model, run.examples, run.rows, at_once, advance)


def plan_within_means(
    task: FoldTask, config: AuditConfig, progress: Progress, checkpoints: Checkpoints | None
) -> Recording:
    """Measure some rows, say what the run will need, and choose how to record it.

    Raises:
        InputError: It does not fit; the message says what would.
    """
    model, plan, rows = task.model, task.plan, len(task.fold.train)
    if checkpoints is not None and (saved := checkpoints.load("training")) is not None:
        windows = fold_windows(config.influence, plan, rows)
        total_steps = plan.epochs * plan.steps_per_epoch(rows)
        anything = plan_recording(windows, total_steps, model.theta.nbytes, plan.optimizer, memory=sys.maxsize)
        recording = anything.like(saved["recording"])
        if recording.recompute:
            model.recompute_activations()
        return recording
    disk = 0.0 if checkpoints is None else SHARE_OF_FREE * free_disk(checkpoints.folder)
    size = FoldSize.of(model, rows, len(task.fold.query), task.folds)
    needs = measured_needs(
        model,
        task.examples,
        torch.from_numpy(task.fold.train),
        size,
        plan,
        config.influence,
        memory=memory_of_process(model.theta.device, model.team.neighbours),
        disk=disk,
        timed=task.number == 0,
    )
    if task.number == 0:
        parts = [f"{gigabytes(needs.memory)} of memory beside the data"]
        parts += [f"{gigabytes(needs.recording.disk)} of disk"] * (needs.recording.disk > 0)
        progress.note(
            f"this audit will take about {as_time(needs.seconds * task.folds)}, {' and '.join(parts)}"
            + "; states between checkpoints are replayed" * (needs.recording.interval > 1)
            + "; activations are computed anew in backward passes" * needs.recording.recompute
        )
    return needs.recording
