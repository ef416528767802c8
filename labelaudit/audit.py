"""The main job: from images and labels to how suspect each label is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelaudit.checkpoints import Checkpoints
from labelaudit.config import AuditConfig, TrainingConfig
from labelaudit.data.examples import Examples
from labelaudit.data.splits import Fold, Rows, cross_audit, hold_out
from labelaudit.detection.noise import Floats, Labels, Noise, estimate_noise
from labelaudit.detection.posterior import Evidence, label_posterior, relabel_evidence
from labelaudit.detection.query_shift import how_query_differs, some_rows
from labelaudit.detection.signals import Signals
from labelaudit.distributed import team
from labelaudit.errors import InputError
from labelaudit.fold import FoldTask, audit_fold
from labelaudit.models.flat import FlatModel
from labelaudit.pool import Pool
from labelaudit.preparing import check_team, complete, prepare_network, training_plan
from labelaudit.progress import Progress
from labelaudit.runtime import choose_device, choose_dtype, reproducible
from labelaudit.shared_checkpoints import checkpoints_of

LEARNT_BY_HEART = 0.1  # training loss over query loss, below which wrong labels have been memorised, too
DEVIATIONS = 3  # above none, for a network's gain over guessing to be real
MOST_NOISE = 0.6  # above which labels carry next to no information


@dataclass(frozen=True)
class Networks:
    """The networks of an audit after it, one for each fold.

    Attributes:
        fold_of: Which of them was trained on a row, −1 for none, shape (N,).
        thetas: Their parameters, each of shape (P,).
    """

    fold_of: NDArray[np.int64]
    thetas: tuple[Tensor, ...]


@dataclass(frozen=True)
class Start:
    """What an audit goes on from, instead of from new networks and folds of its own.

    Attributes:
        folds: Who trains, and who is the query.
        thetas: The parameters each fold's network starts at; None for a new one.
        newcomers: Rows these networks were not trained on before.
    """

    folds: list[Fold]
    thetas: tuple[Tensor, ...] | None
    newcomers: Rows

    def put_into(self, model: FlatModel, number: int) -> None:
        """Set a fold's network to where it starts.

        Raises:
            InputError: The parameters are not that network's.
        """
        if self.thetas is None:
            return
        theta = self.thetas[number]
        if theta.shape != model.theta.shape:
            raise InputError(
                f"the baseline's network has {len(theta):,} parameters, this one {len(model.theta):,}: it was made by "
                "other versions; make the baseline anew"
            )
        with torch.no_grad():
            model.theta.copy_(theta)


@dataclass(frozen=True)
class Findings:
    """What is said of the rows, whatever kind of data they are.

    Attributes:
        signals: Of each row.
        noise: What is estimated of the wrong labels.
        doubt: Why the scores are not to be relied on, None where they are.
        temperatures: The query's temperature in each fold.
        parameters: P, the number of trainable parameters.
        tracked: P_t, those that influence goes through.
        networks: The fine-tuned networks.
        by_epoch: Influence of each row over the epochs, shape (N, E); (N, 0) unless asked for.
        query_sketch: Where some of the query rows lie to the network, of one fold only.
        sketches: Where the rows lie to the network that trained on them (`LastLayerInputs`), shape (N, at most 64).
    """

    signals: Signals
    noise: Noise
    doubt: str | None
    temperatures: tuple[float, ...]
    parameters: int
    tracked: int
    networks: Networks
    by_epoch: Floats
    query_sketch: NDArray[np.float32]
    sketches: NDArray[np.float32]


@dataclass(frozen=True)
class Audit:
    """What an audit found, and how it came about.

    Attributes:
        findings: What was found.
        training: The fine-tune's settings, nothing left open.
        query_text: Which rows were the query.
        input_text: What the network got of a row.
        lasting: Whether its networks can be used for a later version of the data.
        device: Where it ran.
    """

    findings: Findings
    training: TrainingConfig
    query_text: str
    input_text: str
    lasting: bool
    device: str


def audit(
    pool: Pool,
    labels: NDArray[np.int64],
    config: AuditConfig,
    progress: Progress,
    checkpoints: Checkpoints | None = None,
    start: Start | None = None,
) -> Audit:
    """Audit the rows of a pool.

    Args:
        pool: The rows.
        labels: Class indices to audit, shape (N + M,): the pool's own, or with planted flips.
        config: All settings; `config.seed` decides everything random.
        progress: Told of each stage.
        checkpoints: Where to save the run from time to time, and to go on from if it was saved.
        start: Folds and networks of an earlier audit, to go on from.

    Raises:
        InputError: A setting does not fit the data or the machine, or the training diverged.
        RunError: Nothing more can be written.
    """
    device, dtype = choose_device(config.device), choose_dtype(config.dtype)
    folds = plan_folds(pool, labels, config) if start is None else start.folds
    training = complete(config.training, pool.inputs.defaults, min(len(fold.train) for fold in folds))
    check_team(team(), training)
    fit_on = np.unique(np.concatenate([fold.train for fold in folds]))
    examples = pool.inputs.examples(torch.from_numpy(labels), fit_on, device, dtype, training.augmentation)

    def network(number: int, seed: int) -> FlatModel:
        model = prepare_network(pool.inputs, len(pool.classes), seed, examples, config)
        if start is not None:
            start.put_into(model, number)
        return model

    config = config.model_copy(update={"training": training})
    newcomers = None if start is None or start.thetas is None else start.newcomers
    findings = audit_folds(
        examples, folds, network, len(pool.dataset), len(pool.classes), config, progress, checkpoints, newcomers
    )
    if pool.test is not None:
        seen = findings.sketches[some_rows(pool.audited)]
        found = how_query_differs(seen, findings.query_sketch, labels[pool.audited], labels[pool.test_rows])
        if found is not None:
            progress.note(found)
    return Audit(
        findings,
        training,
        query_text(pool, config, folds),
        pool.inputs.text(examples),
        pool.inputs.lasting,
        str(device),
    )


def audit_folds(
    examples: Examples,
    folds: list[Fold],
    network: Callable[[int, int], FlatModel],
    rows: int,
    classes: int,
    config: AuditConfig,
    progress: Progress,
    checkpoints: Checkpoints | None = None,
    newcomers: Rows | None = None,
) -> Findings:
    """Fine-tune, record, sweep back and collect, fold by fold, and judge the labels by all of it.

    Args:
        examples: All rows.
        folds: Who trains, and who is the query. With several, each row that is trained on is a query row elsewhere.
        network: Makes the network of a fold from the fold's number and a seed.
        rows: N; the first so many of the rows are audited, and scored if a fold trains on them.
        classes: C.
        config: The settings, with none of the training's left open.
        progress: Told of each stage.
        checkpoints: Where to save the run from time to time, and to go on from if it was saved.
        newcomers: Rows that are trained on for fewer epochs than the others.

    Raises:
        InputError: A setting does not fit the data or the machine, or the training diverged.
        RunError: Nothing more can be written.
    """
    labels = examples.labels.numpy()
    blank = np.full((rows, classes), np.nan)
    fold_of, sketches, thetas = np.full(rows, -1), np.zeros((rows, 0), np.float32), []
    influence, from_influence, from_training, held_out, out_of_fold = (blank.copy() for _ in range(5))
    loss, margin = np.full(rows, np.nan), np.full(rows, np.nan)
    by_epoch, query_sketch = np.full((rows, 0), np.nan), np.zeros((0, 0), np.float32)
    temperatures, asked, predicted = [], [], []
    parameters = tracked = 0
    for number, fold in enumerate(folds):
        network_seed, order_seed = np.random.SeedSequence([config.seed, number]).generate_state(2).tolist()
        model = network(number, network_seed)
        parameters, tracked = model.parameters, model.tracked_parameters
        task = FoldTask(model, examples, fold, training_plan(config.training), order_seed, number, len(folds))
        part = None if checkpoints is None else checkpoints_of(model, checkpoints.part(f"fold-{number}"))
        with reproducible():
            found = audit_fold(task, config, progress, part)
        influence[fold.train] = found.influence.numpy()
        from_influence[fold.train] = relabel_evidence(influence[fold.train])
        from_training[fold.train] = found.mean_logits.log_softmax(1).numpy()
        loss[fold.train], margin[fold.train] = found.loss.numpy(), found.margins.numpy()
        if len(folds) > 1:
            held_out[fold.query] = found.query_mean_logits.log_softmax(1).numpy()
            out_of_fold[fold.query] = found.query_log_probabilities.exp().numpy()
        if sketches.shape[1] == 0:
            sketches = np.zeros((rows, found.sketch.shape[1]), np.float32)
            by_epoch = np.full((rows, found.by_epoch.shape[1]), np.nan)
        fold_of[fold.train], sketches[fold.train] = number, found.sketch.numpy()
        by_epoch[fold.train], query_sketch = found.by_epoch.numpy(), found.query_sketch.numpy()
        thetas.append(model.whole(found.theta))
        temperatures.append(found.temperature.item())
        asked.append(labels[fold.query])
        predicted.append(found.query_log_probabilities.numpy())
        del found, task, model  # not to be in memory beside those of the next fold

    scored = np.sort(np.concatenate([fold.train for fold in folds]))
    chosen = slice(None) if len(scored) == rows else scored  # a slice takes no memory
    evidence = [Evidence(from_training[chosen], 2.0), Evidence(from_influence[chosen], 1.0)]
    if len(folds) > 1:
        evidence.insert(0, Evidence(held_out[chosen], 1.0))
    noise = estimate_noise(evidence[0].values, labels[scored])
    posterior = np.full((rows, classes), np.nan)
    posterior[scored] = label_posterior(evidence[0], evidence[1:], labels[scored], noise)
    if newcomers is not None and len(folds) > 1:
        # Logits of their own training agree less with labels, right or wrong, than those of rows long trained on.
        without = label_posterior(evidence[0], evidence[2:], labels[scored], noise)
        posterior[newcomers] = without[np.searchsorted(scored, newcomers)]
    signals = Signals(
        influence=influence[np.arange(rows), labels[:rows]],
        posterior=posterior,
        out_of_fold=out_of_fold if len(folds) > 1 else None,
        loss=loss,
        margin=margin,
    )
    log_p, query_labels = np.concatenate(predicted), np.concatenate(asked)
    doubt = why_unreliable(log_p, query_labels, noise)
    query_loss = -log_p[np.arange(len(log_p)), query_labels].mean()
    if doubt is not None:
        progress.note(f"{doubt}. The ranking is not reliable, and no row is called a suspect")
    elif np.nanmean(loss) < LEARNT_BY_HEART * query_loss:
        progress.note(
            f"the network knows its training labels by heart (mean loss {np.nanmean(loss):.2g} nats, "
            f"{query_loss:.2g} on the query): wrong labels may be missed; try fewer --epochs"
        )
    return Findings(
        signals, noise, doubt, tuple(temperatures), parameters, tracked, Networks(fold_of, tuple(thetas)),
        by_epoch, query_sketch, sketches,
    )  # fmt: skip


def why_unreliable(log_p: Floats, query_labels: Labels, noise: Noise) -> str | None:
    """Say why the scores mean nothing, if they do: the network does not predict labels, or too many are wrong.

    Args:
        log_p: What it says of rows it was not trained on, shape (M, C).
        query_labels: Their labels, shape (M,).
        noise: How the audited ones go wrong.
    """
    share = np.bincount(query_labels, minlength=log_p.shape[1]) / len(query_labels)
    often = int(share.argmax())
    right = log_p.argmax(1) == query_labels
    gains = (  # over an answer that knows how frequent the classes are: in labels told, and in nats
        right.astype(float) - (query_labels == often),
        log_p[np.arange(len(query_labels)), query_labels] - np.log(share[query_labels]),
    )
    if not any(gain.mean() > DEVIATIONS * gain.std() / np.sqrt(len(gain)) for gain in gains):
        return (
            f"the network learnt nothing: it predicts {right.mean():.0%} of the labels it was not trained on, always "
            f"naming the most frequent class {share[often]:.0%}; try more --epochs, another --learning-rate or --model"
        )
    if noise.rate > MOST_NOISE:
        return f"an estimated {noise.rate:.0%} of the labels are wrong, too many to tell which"
    return None


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
