"""From settings to what is trained: the fine-tune's plan, and the network."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import nn

from labelaudit.audit.inputs import FeatureInputs, ImageInputs, Inputs
from labelaudit.config import AuditConfig, TrainingConfig
from labelaudit.data.batches import Batches
from labelaudit.data.content import Cells
from labelaudit.data.splits import Fold, cross_audit, hold_out, most_parts
from labelaudit.errors import InputError
from labelaudit.models.flat import FlatModel
from labelaudit.models.parts import SMALL_NETWORK, parameters_of, train_only
from labelaudit.models.sharded import ShardedModel
from labelaudit.models.spec import TrainingDefaults
from labelaudit.progress import Progress
from labelaudit.runtime.distributed import ProcessGroup, process_group
from labelaudit.runtime.machine import memory_of_process, reproducible
from labelaudit.training.convergence import MOST_STEPS, Pilot, epochs_to_convergence
from labelaudit.training.fine_tune import Plan
from labelaudit.training.needs import vectors_memory
from labelaudit.training.optimizers import SGD, AdamW, Optimizer
from labelaudit.training.trees import too_few_rows, too_much_work
from labelaudit.types import Labels, Rows

USUAL_BATCH_SIZE = 32
LEAST_STEPS, MOST_EPOCHS = 200, 30  # of a network trained from nothing: few steps teach nothing, many epochs overfit
PILOTS = 2  # folds by which the number of epochs is chosen
FEWEST_FOLDS_TO_REFIT = 3  # with two, it would cost half of what an audit does
MOST_ROWS_OF_SECOND_VIEW = 50_000
MORE_FOLDS = (2_000, 5), (10_000, 3)  # up to so many rows, of a small network


def resolve_defaults(training: TrainingConfig, defaults: TrainingDefaults, rows: int) -> TrainingConfig:
    """Fill unset settings from the model's defaults and the number of training rows.

    Raises:
        InputError: The user's batch is larger than the training rows.
    """
    if training.batch_size is not None and training.batch_size > rows:
        raise InputError(
            f"`batch_size` {training.batch_size} is more than the {rows} rows a fine-tune has; choose {rows} or less"
        )
    batch_size = training.batch_size or min(USUAL_BATCH_SIZE, rows)
    epochs = defaults.epochs
    if defaults.from_nothing:
        epochs = max(epochs, min(MOST_EPOCHS, -(-LEAST_STEPS // -(-rows // batch_size))))
    return training.model_copy(
        update={
            "epochs": training.epochs or epochs,
            "batch_size": batch_size,
            "learning_rate": training.learning_rate or defaults.learning_rate_of(training.optimizer),
        }
    )


def train_to_convergence(
    training: TrainingConfig,
    network: Callable[[int, int], FlatModel],
    batches: Batches,
    folds: list[Fold],
    seed: int,
    progress: Progress,
) -> TrainingConfig:
    """Replace the number of epochs by the one at which the first two folds predict their queries best.

    Args:
        training: The settings, complete; their epochs stay where they have many steps.
        network: Makes the network of a fold from the fold's index and a seed.
        batches: All rows.
        folds: Which rows train and which are the query.
        seed: Of the audit.
        progress: Told of the search.
    """
    pilots, piloted = [], folds[:PILOTS]
    with progress.stage("Choosing the number of epochs", len(piloted) * MOST_STEPS) as advance, reproducible():
        for number, fold in enumerate(piloted):
            network_seed, order_seed = np.random.SeedSequence([seed, number]).generate_state(2).tolist()
            model = network(number, network_seed)
            pilots.append(Pilot(model, torch.from_numpy(fold.train), torch.from_numpy(fold.query), order_seed))
        epochs = epochs_to_convergence(pilots, batches, training_plan(training), advance)
    return training.model_copy(update={"epochs": epochs})


def products_in_a_step(inputs: Inputs, batches: Batches, classes: int, training: TrainingConfig) -> float:
    """Products of numbers in a step's forward pass: of linear layers alone; of all else more than can be told."""
    assert training.batch_size is not None
    if isinstance(inputs, ImageInputs):
        return math.inf
    network = inputs.network(classes, 0, batches)
    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    weights = sum(parameter.numel() for layer in linear for parameter in layer.parameters())
    return training.batch_size * weights if weights == sum(p.numel() for p in network.parameters()) else math.inf


def check_processes(process_group: ProcessGroup, training: TrainingConfig) -> None:
    """Require a row of every mini-batch for each process.

    Raises:
        InputError: A mini-batch has fewer rows than there are processes.
    """
    assert training.batch_size is not None
    if process_group.size > training.batch_size:
        raise InputError(
            f"torchrun started {process_group.size} processes to share mini-batches of {training.batch_size} rows: "
            f"start at most {training.batch_size}, or try a larger `batch_size`"
        )


def training_plan(training: TrainingConfig) -> Plan:
    """The fine-tune of completed settings."""
    assert training.epochs is not None
    assert training.batch_size is not None
    assert training.learning_rate is not None
    return Plan(
        optimizer_of(training),
        training.epochs,
        training.batch_size,
        training.learning_rate,
        training.schedule,
        training.warmup_steps,
        training.clip_norm,
    )


def optimizer_of(training: TrainingConfig) -> Optimizer:
    """The optimizer of settings."""
    if training.optimizer == "sgd":
        return SGD(training.momentum, training.weight_decay, training.nesterov)
    return AdamW(training.weight_decay, epsilon_root=training.epsilon_root)


def choose_folds(
    audited: Rows, test_rows: Rows, labels: Labels, config: AuditConfig, together: Rows | None = None, *, small: bool
) -> list[Fold]:
    """Which rows train and which are the query: the test set, a held-out share, or each part for the others.

    Args:
        audited: Rows that can be scored.
        test_rows: Rows of the test set; none without one.
        labels: Class indices of all rows.
        config: The settings.
        together: What rows share a fold, see `kept_together`; None if none have to.
        small: Whether the network is a small one (`is_small`).

    Raises:
        InputError: A held-out share leaves some class without a row on either side; or the number of folds is given
            and there are too few rows, or there is no cross-audit.
    """
    if config.folds != "auto" and (len(test_rows) or config.test_fraction is not None):
        other = "test" if len(test_rows) else "test_fraction"
        raise InputError(f"`folds` and `{other}` exclude each other: with a query of its own, there is one fine-tune")
    if len(test_rows):
        return [Fold(audited, test_rows)]
    together = None if together is None else together[audited]
    if config.test_fraction is not None:
        return hold_out(audited, labels[audited], config.test_fraction, config.seed, together)
    most = most_parts(labels[audited], together)
    if config.folds == "auto":
        parts = max(2, min(automatic_folds(len(audited), small=small), most))
    elif (parts := int(config.folds)) > most:
        raise InputError(f"`folds` {parts}: the rows can be split into {most} parts at most; choose no more")
    return cross_audit(audited, labels[audited], config.seed, parts, together)


def automatic_folds(rows: int, *, small: bool) -> int:
    """How many folds a cross-audit has by default, by the data alone: more where they help and cost little.

    Args:
        rows: N, those audited.
        small: Whether the network is a small one.
    """
    if not small:
        return 2
    return next((folds for most_rows, folds in MORE_FOLDS if rows <= most_rows), 2)


def may_be_refitted(folds: int, *, small: bool) -> bool:
    """Whether networks are trained once more without the suspects: small ones, in a cross-audit of several folds.

    Not where boosted trees predict as well as they do: beside them, such networks said nothing new.
    """
    return small and folds >= FEWEST_FOLDS_TO_REFIT


def is_small(inputs: Inputs, classes: int) -> bool:
    """Whether a fine-tune costs little: of a layer on features, or of an image network below a million parameters."""
    if not isinstance(inputs, ImageInputs):
        return True
    return sum(p.numel() for p in inputs.spec.network(classes, 0).parameters()) < SMALL_NETWORK


def table_for_trees(
    inputs: Inputs, rows: int, classes: int, config: AuditConfig, progress: Progress
) -> pd.DataFrame | None:
    """The columns that boosted trees learn from, too; None where there are none, or by the settings or their cost.

    Of too few rows they would learn nothing, which needs no note.
    """
    if config.trees == "off" or not isinstance(inputs, FeatureInputs) or not isinstance(inputs.content, Cells):
        return None
    frame = inputs.content.frame
    if too_few_rows(rows, classes):
        return None
    if too_much_work(rows, frame.shape[1], classes):
        progress.note(
            f"boosted trees are left out: for {rows:,} rows, {frame.shape[1]:,} columns and {classes:,} classes they "
            "would take more than some five minutes"
        )
        return None
    return frame


def has_second_view(inputs: Inputs, folds: int, rows: int) -> bool:
    """Whether networks are trained on a second encoding, too: where there is one, a cross-audit, and not many rows."""
    return inputs.has_second_view and folds > 1 and rows <= MOST_ROWS_OF_SECOND_VIEW


def prepare_network(
    inputs: Inputs,
    classes: int,
    seed: int,
    batches: Batches,
    config: AuditConfig,
    device: torch.device,
    dtype: torch.dtype,
) -> FlatModel:
    """The network before training, on its device, with its trained and tracked parameters marked.

    With several processes each holds the whole network or, if that does not fit, a shard.

    Raises:
        InputError: The processes start from different parameters, as with different files of weights.
    """
    module = inputs.network(classes, seed, batches)
    if config.model.train != "head":  # with `head` the network is the head alone, on cached features
        train_only(module, config.model.train)
    is_tracked = parameters_of(module, config.influence.track)
    members = process_group()
    mixed = config.dtype == "bfloat16"
    if members.size > 1:
        if device.index is not None and device.index != torch.cuda.current_device():
            raise InputError(f"`device` {device}: several processes each take a GPU of their own; use `device` cuda")
        digest = hashlib.sha256()
        for parameter in module.parameters():
            digest.update(parameter.detach().cpu().numpy().tobytes())
        members.require_equal("initial parameters", digest.hexdigest())
        trained = [(name, p.numel() * dtype.itemsize) for name, p in module.named_parameters() if p.requires_grad]
        needed = vectors_memory(
            sum(size for _, size in trained),
            sum(size for name, size in trained if is_tracked(name)),
            optimizer_of(config.training),
            clipping=config.training.clip_norm is not None,
        )
        full = needed > members.min(memory_of_process(device, members.local_size))
        if config.shard == "always" or (config.shard == "auto" and full):
            if config.influence.derivatives == "forward-over-reverse":
                raise InputError(
                    "parameters that are spread over processes cannot be differentiated in forward mode: use "
                    "`derivatives` central-differences, or `shard` never"
                )
            return ShardedModel(module, device, dtype, is_tracked, members, mixed)
    return FlatModel(module, device, dtype, is_tracked, members, mixed)
