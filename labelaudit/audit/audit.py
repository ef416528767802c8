"""The main job: from rows and labels to how suspect each label is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from labelaudit.audit.afterwards import Terms, predict_unlabelled, telling_terms
from labelaudit.audit.audit_data import AuditData
from labelaudit.audit.doubts import advice_on_weak
from labelaudit.audit.inputs import Inputs
from labelaudit.audit.judge import Findings, audit_folds
from labelaudit.audit.setup import (
    check_processes,
    choose_folds,
    has_second_view,
    is_small,
    prepare_network,
    products_in_a_step,
    resolve_defaults,
    table_for_trees,
    train_to_convergence,
)
from labelaudit.audit.stages import AuditSize, check_room
from labelaudit.audit.task import AuditTask, View
from labelaudit.config import AuditConfig, TrainingConfig
from labelaudit.data.batches import Batches, TextFeatures
from labelaudit.data.splits import Fold, by_content, training_rows
from labelaudit.detection.query_shift import describe_query_shift, sample_rows
from labelaudit.errors import InputError
from labelaudit.models.flat import FlatModel
from labelaudit.progress import Progress
from labelaudit.runtime.checkpoints import Checkpoints
from labelaudit.runtime.distributed import process_group
from labelaudit.runtime.machine import own_threads, settle_threads
from labelaudit.types import Floats, Labels, Rows, TextEncoding


@dataclass(frozen=True)
class WarmStart:
    """The folds and networks of an earlier audit, to continue from.

    Attributes:
        folds: Which rows train, and which are the query.
        thetas: The parameters each fold's network starts at; None for a new one.
        new_rows: Rows these networks were not trained on before.
    """

    folds: list[Fold]
    thetas: tuple[Tensor, ...] | None
    new_rows: Rows

    @property
    def newcomers(self) -> Rows | None:
        """Rows that are trained on for fewer epochs than the others; None where all networks are new."""
        return None if self.thetas is None else self.new_rows

    def load_into(self, model: FlatModel, number: int) -> None:
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
class Audit:
    """What an audit found, and how it came about.

    Attributes:
        findings: What was found.
        model: The network's name, or what took its place.
        training: The fine-tune's settings, nothing left open.
        query_text: Which rows were the query.
        input_text: What the network got of a row.
        text_encoding: What texts were counted in; None of other data.
        encoder_is_stateless: Whether its networks can be used for a later version of the data.
        device: Where it ran.
        unlabelled: Class probabilities of the readable rows without a label, by row number; each of shape (C,).
        terms: Of the most suspect texts, the words that speak for each class, by row number.
    """

    findings: Findings
    model: str
    training: TrainingConfig
    query_text: str
    input_text: str
    text_encoding: TextEncoding | None
    encoder_is_stateless: bool
    device: str
    unlabelled: Mapping[int, Floats] = field(default_factory=dict)
    terms: Mapping[int, Terms] = field(default_factory=dict)


@own_threads()
def audit(
    data: AuditData,
    labels: Labels,
    config: AuditConfig,
    progress: Progress,
    checkpoints: Checkpoints | None = None,
    warm_start: WarmStart | None = None,
) -> Audit:
    """Audit rows.

    Args:
        data: The rows.
        labels: Class indices to audit, shape (N + M,): the data's own, or with planted flips.
        config: All settings; `config.seed` decides everything random.
        progress: Told of each stage.
        checkpoints: Where the run is saved from time to time, and resumed from.
        warm_start: Folds and networks of an earlier audit, to continue from.

    Raises:
        InputError: A setting does not fit the data or the machine, or the training diverged.
        RunError: Nothing more can be written.
    """
    inputs = data.inputs
    assert inputs is not None  # or there is nothing to train
    audited, test = (by_content(rows, labels, data.hashes) for rows in (data.audited, data.test_rows))
    small = is_small(inputs, len(data.classes))
    folds = warm_start.folds if warm_start else choose_folds(audited, test, labels, config, data.together, small=small)
    asked = config.training
    fit_on = training_rows(folds, labels, data.hashes)
    check_room(AuditSize(len(fit_on), len(data.classes), len(folds)))
    batches = inputs.batches(torch.from_numpy(labels), fit_on, data.device, data.dtype, asked.augmentation)
    defaults = inputs.defaults_for(batches, fit_on)
    training = resolve_defaults(asked, defaults, min(len(fold.train) for fold in folds))
    check_processes(process_group(), training)
    config = config.model_copy(update={"training": training})
    settle_threads(products_in_a_step(inputs, batches, len(data.classes), training))
    text_encoding = batches.encoded.encoding if isinstance(batches, TextFeatures) else None
    if text_encoding is not None:
        progress.note(f"the network gets {inputs.text(batches)}")

    def network_on(batches: Batches, seed: int) -> FlatModel:
        return prepare_network(inputs, len(data.classes), seed, batches, config, data.device, data.dtype)

    def network(number: int, seed: int) -> FlatModel:
        model = network_on(batches, seed)
        if warm_start is not None:
            warm_start.load_into(model, number)
        return model

    if asked.epochs is None and warm_start is None and inputs.trains_to_convergence:
        training = train_to_convergence(training, network, batches, folds, config.seed, progress)
        config = config.model_copy(update={"training": training})
    task = AuditTask(
        view=View(batches, network),
        folds=folds,
        rows=len(data.dataset),
        classes=len(data.classes),
        second_view=second_view(data, inputs, labels, fit_on, folds, network_on, progress),
        new_rows=None if warm_start is None else warm_start.newcomers,
        table=table_for_trees(inputs, len(data.audited), len(data.classes), config, progress),
        small=small,
        advice=partial(advice_on_weak, inputs.images, inputs.defaults),
        order=audited,
        copies=data.copies,
        together=data.together,
    )
    findings = audit_folds(task, config, progress, checkpoints)
    _note_query_shift(data, audited, labels, findings, progress)
    return Audit(
        findings,
        inputs.model,
        training,
        query_text(data, config, folds),
        inputs.text(batches),
        text_encoding,
        inputs.encoder_is_stateless,
        str(data.device),
        predict_unlabelled(data.unlabelled, network, findings, batches, config.seed, training.batch_size or 1),
        telling_terms(network, findings, batches, labels, config.seed),
    )


def second_view(
    data: AuditData,
    inputs: Inputs,
    labels: Labels,
    fit_on: Rows,
    folds: list[Fold],
    network_on: Callable[[Batches, int], FlatModel],
    progress: Progress,
) -> View | None:
    """The rows in a second encoding, and networks of the same kind; None where there is none, or it costs too much."""
    if not has_second_view(inputs, len(folds), len(fit_on)):
        return None
    batches = inputs.second_view(torch.from_numpy(labels), fit_on, data.device, data.dtype)
    if batches is None:
        return None
    progress.note(f"networks of a second view get {inputs.text(batches)}")
    return View(batches, lambda number, seed: network_on(batches, seed))


def _note_query_shift(data: AuditData, audited: Rows, labels: Labels, findings: Findings, progress: Progress) -> None:
    """Say if the test set is of another kind than the audited rows, which are in the order of what they hold."""
    if data.test is None:
        return
    seen = findings.sketches[sample_rows(audited)]
    found = describe_query_shift(seen, findings.query_sketch, labels[audited], labels[data.test_rows])
    if found is not None:
        progress.note(found)


def query_text(data: AuditData, config: AuditConfig, folds: list[Fold]) -> str:
    """Which rows the query was, in words."""
    if data.test is not None:
        return f"test set {data.test.source}, {len(folds[0].query)} rows"
    if config.test_fraction is not None:
        return f"{len(folds[0].query)} rows held out (a share of {config.test_fraction:g})"
    if len(folds) == 2:
        return "two-fold cross-audit: each half of the rows is the query of the other"
    return f"cross-audit in {len(folds)} folds: each part of the rows is the query of a network trained on the others"
