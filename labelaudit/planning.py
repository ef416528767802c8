"""`scan --dry-run`: what an audit will take, measured on a few rows before anything long starts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelaudit.config import AuditConfig
from labelaudit.data.content import EncodedImages
from labelaudit.data.dataset import Dataset
from labelaudit.data.examples import Examples
from labelaudit.data.inputs import ImageInputs, Inputs, read_inputs
from labelaudit.data.pixels import choose_place
from labelaudit.data.sources import load_dataset
from labelaudit.distributed import team
from labelaudit.errors import InputError
from labelaudit.fold_needs import FoldSize, measured_needs
from labelaudit.pool import check_classes
from labelaudit.preparing import check_team, complete, prepare_network, training_plan
from labelaudit.progress import Advance, Progress
from labelaudit.runtime import SHARE_OF_FREE, choose_device, choose_dtype, free_disk, memory_of_process
from labelaudit.training.needs import check_per_sample_loss

PROBED_IMAGES = 32


@dataclass(frozen=True)
class Stage:
    """A part of the work: its name, seconds, and bytes of memory and disk."""

    name: str
    seconds: float
    memory: int
    disk: int = 0


@dataclass(frozen=True)
class ScanPlan:
    """What an audit will take.

    Attributes:
        source: What is audited.
        kind: What it turned out to be.
        rows: N, with those that cannot be scored.
        test_rows: Rows of the test set.
        classes: Class names.
        model: The network.
        input: What it gets of a row.
        parameters: P, those that are trained.
        tracked: P_t, those that influence goes through.
        epochs: Of the fine-tune.
        batch_size: Rows in a step.
        device: Where it will run.
        data: Reading the rows, which then stay.
        work: What follows, one after the other.
    """

    source: str
    kind: str
    rows: int
    test_rows: int
    classes: tuple[str, ...]
    model: str
    input: str
    parameters: int
    tracked: int
    epochs: int
    batch_size: int
    device: str
    data: Stage
    work: tuple[Stage, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All of them, and all of it."""
        whole = Stage(
            "all",
            self.data.seconds + sum(stage.seconds for stage in self.work),
            self.data.memory + max(stage.memory for stage in self.work),
            self.data.disk + max(stage.disk for stage in self.work),
        )
        return (self.data, *self.work, whole)

    def to_json(self) -> dict[str, Any]:
        """Everything, for scripts; seconds and bytes."""
        own = {name: value for name, value in asdict(self).items() if name not in ("data", "work")}
        return own | {"stages": {stage.name: asdict(stage) for stage in self.stages}}


class _Stopwatch:
    """A progress that adds up how long stages took, and passes notes on."""

    def __init__(self, progress: Progress) -> None:
        self.seconds = 0.0
        self.note = progress.note

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Time a stage."""
        started = time.perf_counter()
        yield lambda amount: None
        self.seconds += time.perf_counter() - started


def plan_scan(source: object, test: object, config: AuditConfig, folder: Path, progress: Progress) -> ScanPlan:
    """Say what `scan` with the same arguments will take.

    Images are sampled; of other data, which is read within seconds, all rows are.

    Args:
        source: What is to be audited, as in `scan`.
        test: Trusted data, or None.
        config: All settings.
        folder: Where the run would keep what does not fit into memory.
        progress: Told what is worth knowing.

    Raises:
        InputError: The data cannot be audited, or the audit does not fit into memory or disk; the message says what
            would.
    """
    device, dtype = choose_device(config.device), choose_dtype(config.dtype)
    watch = _Stopwatch(progress)
    with team().together():
        dataset = load_dataset(source, config.source)
        parts = [dataset] if test is None else [dataset, load_dataset(test, config.source)]
        classes = check_classes(dataset, None if test is None else parts[1])
        rows, total = len(dataset), sum(map(len, parts))
        probed = [_some(part) for part in parts]
        kept = "none" if config.model.image_cache == "none" else "memory"
        model_config = config.model.model_copy(update={"image_cache": kept})
        inputs, _, problems = read_inputs(probed, model_config, len(classes), device, watch, cached=False)
        readable = np.flatnonzero([problem is None for problem in problems])
        if len(readable) == 0:
            raise InputError(f"none of the first rows looked at in {dataset.source} can be read ({problems[0]})")

    if test is not None:
        size = (rows, total - rows, 1)
    elif config.test_fraction is not None:
        size = (rows - int(rows * config.test_fraction), int(rows * config.test_fraction), 1)
    else:
        size = (-(-rows // 2), -(-rows // 2), 2)
    training = complete(config.training, inputs.defaults, size[0])
    check_team(team(), training)
    plan = training_plan(training)
    labels = torch.arange(len(problems)) % len(classes)
    examples = inputs.examples(labels, readable, device, dtype, training.augmentation)
    model = prepare_network(inputs, len(classes), config.seed, examples, config)
    chosen = torch.from_numpy(readable)
    check_per_sample_loss(model, examples, chosen)
    with team().together():
        data = _data_stage(inputs, examples, watch.seconds, total, len(problems), config)
    memory = memory_of_process(device, team().neighbours) - (data.memory if device.type == "cpu" else 0)
    needs = measured_needs(
        model,
        examples,
        chosen,
        FoldSize.of(model, *size),
        plan,
        config.influence,
        memory=memory,
        disk=SHARE_OF_FREE * free_disk(folder),
    )
    return ScanPlan(
        source=dataset.source,
        kind=dataset.kind,
        rows=rows,
        test_rows=total - rows,
        classes=classes,
        model=inputs.model,
        input=inputs.text(examples),
        parameters=model.parameters,
        tracked=model.tracked_parameters,
        epochs=plan.epochs,
        batch_size=plan.batch_size,
        device=str(device),
        data=data,
        work=(
            Stage("fine-tuning", needs.fine_tuning * size[2], needs.memory, needs.recording.disk),
            Stage("sweeping back", needs.sweeping * size[2], needs.memory, needs.recording.disk),
        ),
    )


def _some(dataset: Dataset) -> Dataset:
    """Some of a dataset's images, evenly spread over the rows; all rows of other data."""
    images = dataset.content
    if not isinstance(images, EncodedImages):
        return dataset
    present = np.flatnonzero([problem is None for problem in dataset.problems])
    rows = present[:: max(1, len(present) // PROBED_IMAGES)][:PROBED_IMAGES].tolist() or [0]
    return replace(
        dataset,
        ids=tuple(dataset.ids[row] for row in rows),
        labels=tuple(dataset.labels[row] for row in rows),
        problems=tuple(dataset.problems[row] for row in rows),
        content=images.some(rows),
    )


def _data_stage(
    inputs: Inputs, examples: Examples, seconds: float, rows: int, probed: int, config: AuditConfig
) -> Stage:
    """Reading all rows, when some took so long."""
    seconds *= rows / probed
    if isinstance(inputs, ImageInputs):
        shape = (rows, inputs.spec.channels, inputs.spec.image_size, inputs.spec.image_size)
        place = choose_place(shape, config.model.image_cache, config.model.image_cache_limit)
        size = int(np.prod(shape))
        return Stage("reading images", seconds, size * (place == "memory"), size * (place == "disk"))
    values = examples.batch(torch.zeros(1, dtype=torch.long))[0]
    name = "features of the images" if config.model.train == "head" else "reading rows"
    return Stage(name, seconds, rows * values.nbytes)
