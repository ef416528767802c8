"""The main job: from images and labels to how suspect each label is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from labelaudit.checkpoints import Checkpoints
from labelaudit.config import AuditConfig, TrainingConfig
from labelaudit.data.examples import Images
from labelaudit.data.splits import Fold, cross_audit, hold_out
from labelaudit.detection.posterior import label_posterior, relabel_evidence
from labelaudit.detection.signals import Signals
from labelaudit.errors import InputError
from labelaudit.fold import FoldTask, audit_fold
from labelaudit.models.flat import FlatModel
from labelaudit.models.spec import TrainingDefaults
from labelaudit.pool import Pool
from labelaudit.progress import Progress
from labelaudit.runtime import choose_device, choose_dtype, reproducible
from labelaudit.training.fine_tune import Plan
from labelaudit.training.optimizers import SGD, AdamW, Optimizer

USUAL_BATCH_SIZE = 32
LEARNT_BY_HEART = 0.1  # training loss over query loss, below which wrong labels have been memorised, too


@dataclass(frozen=True)
class Audit:
    """What an audit found, and how it came about.

    Attributes:
        signals: What is said of each row.
        training: The fine-tune's settings, nothing left open.
        temperatures: The query's temperature in each fold.
        query_text: Which rows were the query.
        parameters: P, the number of trainable parameters.
        device: Where it ran.
    """

    signals: Signals
    training: TrainingConfig
    temperatures: tuple[float, ...]
    query_text: str
    parameters: int
    device: str


def audit(
    pool: Pool,
    labels: NDArray[np.int64],
    config: AuditConfig,
    progress: Progress,
    checkpoints: Checkpoints | None = None,
) -> Audit:
    """Fine-tune, record, sweep back and collect, fold by fold.

    Args:
        pool: The images.
        labels: Class indices to audit, shape (N + M,): the pool's own, or with planted flips.
        config: All settings; `config.seed` decides everything random.
        progress: Told of each stage.
        checkpoints: Where to save the run from time to time, and to go on from if it was saved.

    Raises:
        InputError: A setting does not fit the data or the machine, or the training diverged.
        RunError: Nothing more can be written.
    """
    device, dtype = choose_device(config.device), choose_dtype(config.precision)
    folds = plan_folds(pool, labels, config)
    training = complete(config.training, pool.spec.defaults, min(len(fold.train) for fold in folds))
    examples = Images(pool.pixels, torch.from_numpy(labels), pool.spec.normalise, device, dtype, training.augmentation)
    rows, classes = len(pool.dataset), len(pool.classes)
    influence, from_influence, from_logits, out_of_fold = (np.full((rows, classes), np.nan) for _ in range(4))
    loss, margin = np.full(rows, np.nan), np.full(rows, np.nan)
    temperatures, query_loss = [], []
    parameters = 0
    for number, fold in enumerate(folds):
        network_seed, order_seed = np.random.SeedSequence([config.seed, number]).generate_state(2).tolist()
        model = FlatModel(pool.spec.network(classes, network_seed), device, dtype)
        parameters = len(model.theta)
        task = FoldTask(model, examples, fold, training_plan(training), order_seed, number, len(folds))
        part = None if checkpoints is None else checkpoints.part(f"fold-{number}")
        with reproducible():
            found = audit_fold(task, config, progress, part)
        influence[fold.train] = found.influence.numpy()
        from_influence[fold.train] = relabel_evidence(influence[fold.train])
        from_logits[fold.train] = found.mean_logits.log_softmax(1).numpy()
        loss[fold.train], margin[fold.train] = found.loss.numpy(), found.margins.numpy()
        if len(folds) > 1:
            out_of_fold[fold.query] = found.query_log_probabilities.numpy()
        temperatures.append(found.temperature.item())
        query_loss.append(-found.query_log_probabilities[range(len(fold.query)), labels[fold.query]].mean().item())

    note_how_it_went(np.nanmean(loss), float(np.mean(query_loss)), classes, progress)
    scored = np.sort(np.concatenate([fold.train for fold in folds]))
    evidence = [from_influence, from_logits] + [out_of_fold] * (len(folds) > 1)
    posterior = np.full((rows, classes), np.nan)
    posterior[scored] = label_posterior([source[scored] for source in evidence], labels[scored])
    return Audit(
        signals=Signals(
            influence=influence[np.arange(rows), labels[:rows]],
            posterior=posterior,
            out_of_fold=np.exp(out_of_fold) if len(folds) > 1 else None,
            loss=loss,
            margin=margin,
        ),
        training=training,
        temperatures=tuple(temperatures),
        query_text=query_text(pool, config, folds),
        parameters=parameters,
        device=str(device),
    )


def note_how_it_went(mean_loss: float, query_loss: float, classes: int, progress: Progress) -> None:
    """Say so if the training makes the scores unreliable."""
    if mean_loss >= np.log(classes):
        progress.note(
            f"the network learnt nothing: its mean training loss is {mean_loss:.3g} nats where guessing has "
            f"{np.log(classes):.3g}. The ranking is not reliable; try a smaller --learning-rate or more --epochs"
        )
    elif mean_loss < LEARNT_BY_HEART * query_loss:
        progress.note(
            f"the network knows its training labels by heart (mean loss {mean_loss:.2g} nats, "
            f"{query_loss:.2g} on the query): scores are too low, their order holds better; try fewer --epochs"
        )


def plan_folds(pool: Pool, labels: NDArray[np.int64], config: AuditConfig) -> list[Fold]:
    """Who trains and who is the query: the test set, a held-out share, or each half for the other."""
    if pool.test is not None:
        return [Fold(pool.audited, pool.test_rows)]
    if config.test_fraction is not None:
        return hold_out(pool.audited, labels[pool.audited], config.test_fraction, config.seed)
    return cross_audit(pool.audited, labels[pool.audited], config.seed)


def query_text(pool: Pool, config: AuditConfig, folds: list[Fold]) -> str:
    """Which rows the query was, in words."""
    if pool.test is not None:
        return f"test set {pool.test.source}, {len(folds[0].query)} rows"
    if config.test_fraction is not None:
        return f"{len(folds[0].query)} rows held out (--test-fraction {config.test_fraction:g})"
    return "two-fold cross-audit: each half of the rows is the query of the other"


def complete(training: TrainingConfig, defaults: TrainingDefaults, rows: int) -> TrainingConfig:
    """Fill what the user left open from the model's defaults and the number of training rows.

    Raises:
        InputError: The user's batch is larger than the training rows.
    """
    if training.batch_size is not None and training.batch_size > rows:
        raise InputError(
            f"--batch-size {training.batch_size} is more than the {rows} rows a fine-tune has; choose {rows} or less"
        )
    return training.model_copy(
        update={
            "epochs": training.epochs or defaults.epochs,
            "batch_size": training.batch_size or min(USUAL_BATCH_SIZE, rows),
            "learning_rate": training.learning_rate or defaults.learning_rate_of(training.optimizer),
        }
    )


def training_plan(training: TrainingConfig) -> Plan:
    """The fine-tune of settings in which nothing is left open."""
    assert training.epochs is not None
    assert training.batch_size is not None
    assert training.learning_rate is not None
    optimizer: Optimizer = (
        SGD(training.momentum, training.weight_decay, training.nesterov)
        if training.optimizer == "sgd"
        else AdamW(training.weight_decay, epsilon_root=training.epsilon_root)
    )
    return Plan(
        optimizer,
        training.epochs,
        training.batch_size,
        training.learning_rate,
        training.schedule,
        training.warmup_steps,
        training.clip_norm,
    )
