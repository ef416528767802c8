"""From settings to what is trained: the fine-tune's plan, and the network."""

from __future__ import annotations

import hashlib

import torch

from labelaudit.config import AuditConfig, TrainingConfig
from labelaudit.data.examples import Examples
from labelaudit.data.inputs import Inputs
from labelaudit.distributed import Team, team
from labelaudit.errors import InputError
from labelaudit.models.flat import FlatModel
from labelaudit.models.parts import parameters_of, train_only
from labelaudit.models.sharded import ShardedModel
from labelaudit.models.spec import TrainingDefaults
from labelaudit.runtime import choose_device, choose_dtype, memory_of_process
from labelaudit.training.fine_tune import Plan
from labelaudit.training.needs import vectors_memory
from labelaudit.training.optimizers import SGD, AdamW, Optimizer

USUAL_BATCH_SIZE = 32


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


def check_team(team: Team, training: TrainingConfig) -> None:
    """Make sure that there is work for every process.

    Raises:
        InputError: A mini-batch has fewer rows than there are processes.
    """
    assert training.batch_size is not None
    if team.size > training.batch_size:
        raise InputError(
            f"torchrun started {team.size} processes to share mini-batches of {training.batch_size} rows: start at "
            f"most {training.batch_size}, or try a larger --batch-size"
        )


def training_plan(training: TrainingConfig) -> Plan:
    """The fine-tune of settings in which nothing is left open."""
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


def prepare_network(inputs: Inputs, classes: int, seed: int, examples: Examples, config: AuditConfig) -> FlatModel:
    """The network before training, with what is to be trained and tracked of it, where it is trained.

    Of several processes each has the whole of it, or if need be a part.

    Raises:
        InputError: The processes start from different parameters, as with different files of weights.
    """
    module = inputs.network(classes, seed, examples)
    if config.model.train != "head":  # then the network is a head, on what the rest has computed
        train_only(module, config.model.train)
    is_tracked = parameters_of(module, config.influence.track)
    device, dtype, members = choose_device(config.device), choose_dtype(config.dtype), team()
    mixed = config.dtype == "bfloat16"
    if members.size > 1:
        if device.index is not None and device.index != torch.cuda.current_device():
            raise InputError(f"--device {device}: several processes each take a GPU of their own; use --device cuda")
        digest = hashlib.sha256()
        for parameter in module.parameters():
            digest.update(parameter.detach().cpu().numpy().tobytes())
        members.same("initial parameters", digest.hexdigest())
        trained = [(name, p.numel() * dtype.itemsize) for name, p in module.named_parameters() if p.requires_grad]
        needed = vectors_memory(
            sum(size for _, size in trained),
            sum(size for name, size in trained if is_tracked(name)),
            optimizer_of(config.training),
            clipping=config.training.clip_norm is not None,
        )
        full = needed > members.least(memory_of_process(device, members.neighbours))
        if config.shard == "always" or (config.shard == "auto" and full):
            if config.influence.derivatives == "forward-over-reverse":
                raise InputError(
                    "parameters that are spread over processes cannot be differentiated in forward mode: use "
                    "--derivatives central-differences, or --shard never"
                )
            return ShardedModel(module, device, dtype, is_tracked, members, mixed)
    return FlatModel(module, device, dtype, is_tracked, members, mixed)
