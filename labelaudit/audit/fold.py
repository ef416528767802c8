"""One fold of an audit: fine-tune on its rows, and sweep back with its query."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch
from torch import Tensor

from labelaudit.audit.fold_plan import FoldPlan, plan_fold
from labelaudit.audit.forecast import Forecast
from labelaudit.audit.needs import measured_needs
from labelaudit.audit.stages import FINE_TUNING, SWEEPING, AuditSize, needs_in_words, parts_of
from labelaudit.config import AuditConfig
from labelaudit.data.batches import Batches
from labelaudit.data.splits import Fold
from labelaudit.detection.needs import measure_judging
from labelaudit.detection.query_shift import sample_rows
from labelaudit.errors import InputError
from labelaudit.influence.dit import sweep
from labelaudit.influence.precision import MIN_AGREEMENT, agreement_with_float32
from labelaudit.influence.query_loss import QueryLoss
from labelaudit.models.flat import FlatModel
from labelaudit.progress import Progress
from labelaudit.runtime.checkpoints import Checkpoints, Sharding
from labelaudit.runtime.large_arrays import is_finite
from labelaudit.runtime.machine import USABLE_FRACTION, free_disk, memory_of_process, require_determinism
from labelaudit.training.fine_tune import Plan, Run, backpropagate, fine_tune
from labelaudit.training.needs import PROBE_ROWS, check_per_sample_loss
from labelaudit.training.predict import LastLayerInputs, extract_features, predict
from labelaudit.training.recording import Recording, plan_recording

RESULT_SHARDING: dict[str, Sharding] = {"theta": "parameters"}


@dataclass(frozen=True)
class FoldTask:
    """The input of one fold.

    Attributes:
        model: The network at θ_0.
        batches: All rows.
        fold: The rows that train, and those that are the query.
        training: The fine-tune.
        seed: Seed of the data order.
        number: Index of the fold.
        size: What decides how long the audit takes.
    """

    model: FlatModel
    batches: Batches
    fold: Fold
    training: Plan
    seed: int
    number: int
    size: AuditSize

    @property
    def folds(self) -> int:
        """How many folds the audit has."""
        return self.size.folds

    @property
    def title(self) -> str:
        """Prefix of the fold's stages as the user reads them."""
        return f"Fold {self.number + 1} of {self.folds}: " if self.folds > 1 else ""


@dataclass(frozen=True)
class FoldResult:
    """What one fold found of its N training rows and M query rows, on the CPU.

    Attributes:
        influence: DIT of each row under each label, shape (N, C); like all of such shapes see `cells`.
        mean_logits: Logits averaged over the epochs, shape (N, C).
        margins: Margins averaged over the epochs (AUM), float64, shape (N,).
        loss: Final training loss in nats, float64, shape (N,).
        query_log_probabilities: Final log-probabilities at the query's temperature, shape (M, C).
        query_mean_logits: Logits averaged over the ends of all epochs but the first, shape (M, C); (0, C) with one
            fold.
        temperature: The query's temperature, float64, shape ().
        by_epoch: Influence of each row in each epoch, float64, shape (N, E); (N, 0) unless asked for.
        query_sketch: Projected features of some query rows, shape (at most 1,000, at most 64); none with several folds.
        sketch: Projected features of the training rows (`LastLayerInputs`), float32, shape (N, at most 64).
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


def audit_fold(task: FoldTask, config: AuditConfig, progress: Forecast, checkpoints: Checkpoints | None) -> FoldResult:
    """Fine-tune, record and sweep back.

    Raises:
        InputError: The window is outside the run, the network's loss is not one sample's, the run does not fit into
            memory or disk, or the training diverged.
        RunError: Nothing more can be written.
    """
    if checkpoints is not None and (saved := checkpoints.load("result")) is not None:
        return FoldResult(**saved)
    model, batches = task.model, task.batches
    train, query_rows = torch.from_numpy(task.fold.train), torch.from_numpy(task.fold.query)
    plan = plan_fold(
        model, batches, task.training, config.influence, rows=len(train), query_rows=len(query_rows), folds=task.folds
    )
    if task.number == 0:  # all folds have the same kind of network
        check_per_sample_loss(model, batches, train)
    if model.theta.is_cuda:
        settle_determinism(task, plan, config, progress)
    recording = choose_recording(task, plan, config, progress, checkpoints)

    with progress.stage(f"{task.title}{FINE_TUNING}", plan.training.epochs * len(train)) as advance:
        held_out = query_rows if task.folds > 1 else None
        run = fine_tune(model, batches, train, plan.training, task.seed, recording, advance, checkpoints, held_out)
    query = QueryLoss(config.influence.query, batches, query_rows, plan.training.batch_size)
    if len(run.held_out_latest):
        query.reuse_temperature(run.final, run.held_out_latest)
    else:  # passed as the same tensor object, which needs no copy of θ_T
        query.set_logits(run.final, predict(model, batches, query_rows, plan.inference_batch_size))
    influence, features = sweep_and_extract(task, run, plan, query, progress, checkpoints)
    query_logits = query.evaluate(model)  # at θ_T, even where the window ends before
    if model.mixed and plan.forward_mode:
        warn_of_bfloat16(run, query, progress)
    labels, query_sketch = batches.labels[train], features.rows[:0]
    if task.folds == 1:
        some = torch.from_numpy(sample_rows(task.fold.query))
        query_sketch = extract_features(model, batches, some, plan.inference_batch_size).rows
    result = FoldResult(
        influence=influence[0],
        mean_logits=run.mean_logits,
        margins=run.margins,
        loss=features.losses,
        query_log_probabilities=query.log_probabilities,
        query_mean_logits=run.mean_held_out(query_logits) if task.folds > 1 else query_logits[:0],
        temperature=torch.tensor(query.temperature, dtype=torch.float64),
        by_epoch=influence[1:, torch.arange(len(train)), labels].T.contiguous(),
        query_sketch=query_sketch,
        sketch=features.rows,
        theta=model.theta.detach().cpu().clone(),
    )
    check_finite(result)
    if checkpoints is not None:
        checkpoints.save("result", vars(result), RESULT_SHARDING)
    return result


def settle_determinism(task: FoldTask, plan: FoldPlan, config: AuditConfig, progress: Progress) -> None:
    """Use deterministic kernels only if all passes of a fold have such on this device; else say which has not."""
    model, rows = task.model, torch.from_numpy(task.fold.train[:PROBE_ROWS])
    inputs, labels = task.batches.batch(rows)
    theta, total = model.theta.clone(), len(rows) * model.process_group.size  # as if each process had a share of more

    def probe() -> None:
        backpropagate(model, inputs, labels, total)
        direction = model.tracked_gradient[None].clone()
        plan.differentiate(model, inputs, labels, direction, hessian=True, rows=total)
        QueryLoss(config.influence.query, task.batches, rows, len(rows), fixed_temperature=1.0).gradient(model)

    operation = require_determinism(probe)
    model.theta.copy_(theta)
    if operation is not None and task.number == 0:
        progress.note(f"{operation} has no deterministic kernel on this device: another run may differ in last digits")


def check_finite(result: FoldResult) -> None:
    """Make sure that no number has overflowed, as with weights or a learning rate near what float32 holds.

    Raises:
        InputError: Some have.
    """
    broken = [name for name, tensor in vars(result).items() if not is_finite(tensor)]
    if broken:
        raise InputError(
            f"numbers of the network overflowed ({', '.join(broken)}): try a smaller `learning_rate`, other `weights`, "
            "or `dtype` float64"
        )


def sweep_and_extract(
    task: FoldTask,
    run: Run,
    plan: FoldPlan,
    query: QueryLoss,
    progress: Progress,
    checkpoints: Checkpoints | None,
) -> tuple[Tensor, LastLayerInputs]:
    """Influence of each training row under each label, shape (W, N, C), and the rows' features and losses at θ_T."""
    arguments = run, plan.windows, query, plan.differentiate, plan.scoring
    with progress.stage(f"{task.title}{SWEEPING}", plan.sweep_rows) as advance:
        if plan.scores_at_the_end and not plan.forward_mode:
            # The ordinary passes that score all rows at θ_T give their features and losses, too.
            with LastLayerInputs(run.model, run.batches.labels[run.rows]) as features:
                influence = sweep(*arguments, advance, checkpoints, scored=lambda batch: features.collect(batch.logits))
            return influence[:, 0], features
        influence = sweep(*arguments, advance, checkpoints)
    with progress.stage(f"{task.title}losses", len(run.rows)) as advance:
        return influence[:, 0], extract_features(run.model, run.batches, run.rows, plan.inference_batch_size, advance)


def warn_of_bfloat16(run: Run, query: QueryLoss, progress: Progress) -> None:
    """Say so if mixed precision changes the influence of this network."""
    agreement = agreement_with_float32(run, query)
    if agreement < MIN_AGREEMENT:
        progress.note(
            f"`dtype` bfloat16 changes the influence of this network (correlation with float32 on some rows "
            f"{agreement:.3f}): use `dtype` float32"
        )


def choose_recording(
    task: FoldTask, plan: FoldPlan, config: AuditConfig, progress: Forecast, checkpoints: Checkpoints | None
) -> Recording:
    """Choose how the trajectory is kept: as in the saved run, or by what is free; the first fold says what all takes.

    Raises:
        InputError: It does not fit; the message says what would.
    """
    model = task.model
    if checkpoints is not None and (saved := checkpoints.load("training")) is not None:
        anything = plan_recording(
            plan.windows, plan.total_steps, plan.theta_bytes, plan.training.optimizer, memory=sys.maxsize
        )
        recording = anything.like(saved["recording"])
        if recording.recompute:
            model.recompute_activations()
        return recording
    needs = measured_needs(
        model,
        task.batches,
        torch.from_numpy(task.fold.train),
        plan,
        config.influence.trajectory,
        memory=memory_of_process(plan.device, model.process_group.local_size),
        disk=0.0 if checkpoints is None else USABLE_FRACTION * free_disk(checkpoints.folder),
        timed=not progress.planned,
    )
    if not progress.planned:
        size = task.size
        parts = parts_of(needs, size, measure_judging(size.rows, size.classes), done=task.number)
        progress.plan(parts)
        progress.note(f"this audit will take about {needs_in_words(needs, size, parts)}")
    return needs.recording
