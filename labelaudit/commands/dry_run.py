"""`scan --dry-run`: what an audit will take, measured on a few rows before anything long starts."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from labelaudit.audit.audit_data import check_classes, class_indices, rows_alone
from labelaudit.audit.fold_plan import FoldPlan, plan_fold
from labelaudit.audit.frozen_features import cached_share
from labelaudit.audit.inputs import ImageInputs, Inputs
from labelaudit.audit.needs import FoldNeeds, measured_needs
from labelaudit.audit.read_inputs import read_inputs
from labelaudit.audit.setup import (
    PILOTS,
    check_processes,
    choose_folds,
    has_second_view,
    is_small,
    may_be_refitted,
    prepare_network,
    products_in_a_step,
    resolve_defaults,
    table_for_trees,
    train_to_convergence,
    training_plan,
)
from labelaudit.audit.stages import FINE_TUNING, JUDGING, SWEEPING, WITHOUT_SUSPECTS, AuditSize, check_room, parts_of
from labelaudit.commands.scan_plan import ScanPlan, Stage
from labelaudit.config import AuditConfig, TrainingConfig
from labelaudit.data.batches import Batches, TextFeatures
from labelaudit.data.content import EncodedImages
from labelaudit.data.copies import find_copies, kept_together
from labelaudit.data.dataset import NO_LABEL, Dataset
from labelaudit.data.pixels import choose_place
from labelaudit.data.sources import load_dataset, load_test_set
from labelaudit.data.splits import Fold, by_content, training_rows
from labelaudit.detection.needs import measure_judging
from labelaudit.errors import InputError
from labelaudit.likeness.compare import compare_rows
from labelaudit.models.choice import choose_network
from labelaudit.models.flat import FlatModel
from labelaudit.progress import NullProgress, Progress, Stopwatch
from labelaudit.runtime.distributed import process_group
from labelaudit.runtime.large_arrays import files_in
from labelaudit.runtime.machine import (
    USABLE_FRACTION,
    choose_device,
    choose_dtype,
    free_disk,
    memory_of_process,
    own_threads,
    settle_threads,
)
from labelaudit.training.convergence import MOST_STEPS
from labelaudit.training.needs import check_per_sample_loss
from labelaudit.training.trees import ITERATIONS, PARTS, Trees
from labelaudit.types import Hashes, Labels, Rows

PROBED_IMAGES = 32
TIMED_ITERATIONS = 5  # of trees


@own_threads()
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
    watch, searching = Stopwatch(progress), Stopwatch(progress)
    with process_group().raise_together():
        parts, classes, config = _open(source, test, config, progress)
        dataset = parts[0]
        inputs, hashes, readable = _probe(parts, classes, config, device, watch)
        whole = not isinstance(dataset.content, EncodedImages)  # all rows are here, with their labels
        folds = _folds(parts, classes, config, hashes if whole else None, small=is_small(inputs, len(classes)))

    size = _size(folds, classes, inputs)
    with files_in(folder):
        check_room(size)
    rows, total, largest = len(dataset), sum(map(len, parts)), max(folds, key=lambda fold: len(fold.train))
    asked = config.training
    known = torch.from_numpy(class_indices(parts, classes).clip(min=0))
    labels = known if whole else torch.arange(len(hashes)) % len(classes)
    fit_on = training_rows(folds, labels.numpy(), hashes) if whole else readable
    batches = inputs.batches(labels, fit_on, device, dtype, asked.augmentation)
    defaults = inputs.defaults_for(batches, fit_on)
    training = resolve_defaults(asked, defaults, min(len(fold.train) for fold in folds))
    config = config.model_copy(update={"training": training})
    check_processes(process_group(), training)
    settle_threads(products_in_a_step(inputs, batches, len(classes), training))

    def network(number: int, seed: int) -> FlatModel:
        return prepare_network(inputs, len(classes), seed, batches, config, device, dtype)

    if whole and asked.epochs is None and inputs.trains_to_convergence:  # it takes seconds, and is made
        training = train_to_convergence(training, network, batches, folds, config.seed, searching)
    model = network(0, config.seed)
    chosen = torch.from_numpy(readable)
    check_per_sample_loss(model, batches, chosen)
    with process_group().raise_together():
        data = _data_stage(inputs, batches, watch.seconds, total, hashes, config)
    sizes = {"rows": len(largest.train), "query_rows": len(largest.query), "folds": len(folds)}
    plan = plan_fold(model, batches, training_plan(training), config.influence, **sizes)
    memory = memory_of_process(device, process_group().local_size) - (data.memory if device.type == "cpu" else 0)
    disk, mode = USABLE_FRACTION * free_disk(folder), config.influence.trajectory
    needs = measured_needs(model, batches, chosen, plan, mode, memory=memory, disk=disk)
    trees = _tree_stage(inputs, readable, labels.numpy(), len(classes), config, progress)
    return ScanPlan(
        source=dataset.source,
        kind=dataset.kind,
        rows=rows,
        test_rows=total - rows,
        classes=classes,
        model=inputs.model,
        input=inputs.text(batches),
        parameters=model.parameters,
        tracked=model.tracked_parameters,
        folds=len(folds),
        epochs=plan.training.epochs,
        batch_size=plan.training.batch_size,
        device=str(device),
        data=data,
        work=(
            *_search_stage(searching.seconds, needs, plan, asked, inputs),
            *trees,
            *_audit_stages(needs, replace(size, trees=bool(trees))),
        ),
    )


def _size(folds: list[Fold], classes: tuple[str, ...], inputs: Inputs) -> AuditSize:
    """What there is to do, as far as it is known without trees."""
    scored = len(np.unique(np.concatenate([fold.train for fold in folds])))
    return AuditSize(
        rows=scored,
        classes=len(classes),
        folds=len(folds),
        second_view=has_second_view(inputs, len(folds), scored),
        refitted=may_be_refitted(len(folds), small=is_small(inputs, len(classes))),
    )


def _search_stage(
    seconds: float, needs: FoldNeeds, plan: FoldPlan, asked: TrainingConfig, inputs: Inputs
) -> list[Stage]:
    """Choosing the number of epochs: as long as it took, or takes at most where not all rows were at hand."""
    if asked.epochs is not None or not inputs.trains_to_convergence:
        return []
    if seconds:
        return [Stage("choosing epochs", seconds, needs.memory)]
    pilots = min(PILOTS, plan.folds)
    return [Stage("choosing epochs, at most", needs.fine_tuning * pilots * MOST_STEPS / plan.total_steps, needs.memory)]


def _audit_stages(needs: FoldNeeds, size: AuditSize) -> list[Stage]:
    """All folds, and what follows; in the end with all that is found for each row and class."""
    in_memory, in_files = size.arrays
    seconds: dict[str, float] = {}
    for part in parts_of(needs, size, measure_judging(size.rows, size.classes)):
        spared = size.trees and part.name in WITHOUT_SUSPECTS
        name = f"{part.name}, unless trees do as well" if spared else part.name
        seconds[name] = seconds.get(name, 0.0) + part.planned
    judging = Stage(JUDGING, seconds.pop(JUDGING), in_memory, in_files)
    recorded = (FINE_TUNING, SWEEPING)
    return [
        *(
            Stage(name, its, needs.memory + in_memory, in_files + (name in recorded) * needs.recording.disk)
            for name, its in seconds.items()
        ),
        judging,
    ]


def _open(
    source: object, test: object, config: AuditConfig, progress: Progress
) -> tuple[list[Dataset], tuple[str, ...], AuditConfig]:
    """The audited data and the test set, their classes, and the settings with the network named if one is chosen."""
    dataset = load_dataset(source, config.source)
    parts = [dataset] if test is None else [dataset, load_test_set(test, dataset, config.source)]
    config = choose_network(config, dataset, progress)
    return parts, check_classes(dataset, None if test is None else parts[1]), config


def _probe(
    parts: list[Dataset], classes: tuple[str, ...], config: AuditConfig, device: torch.device, progress: Progress
) -> tuple[Inputs, Hashes, Rows]:
    """Read some images, or all rows of other data; their content hashes, and which can be used."""
    kept = "none" if config.model.image_cache == "none" else "memory"
    model_config = config.model.model_copy(update={"image_cache": kept})
    probed = [_some(part) for part in parts]
    read = read_inputs(probed, model_config, len(classes), device, progress, cached=False)
    readable = np.flatnonzero([problem is None for problem in read.problems])
    if len(readable) == 0:
        raise InputError(f"none of the first rows looked at in {parts[0].source} can be read ({read.problems[0]})")
    return read.inputs, read.hashes, readable


def _folds(
    parts: list[Dataset], classes: tuple[str, ...], config: AuditConfig, hashes: Hashes | None, *, small: bool
) -> list[Fold]:
    """The folds of the audit, if all rows that look readable are; in its order, if hashes are known."""
    dataset, labels = parts[0], class_indices(parts, classes)
    problems = tuple(problem for part in parts for problem in part.problems)
    present = np.array([problem is None for problem in problems])
    usable = np.flatnonzero(present & (labels != NO_LABEL))
    audited, test_rows = usable[usable < len(dataset)], usable[usable >= len(dataset)]
    copies = find_copies(parts, hashes or (None,) * len(labels))  # of images the files have not been read
    near = None if isinstance(dataset.content, EncodedImages) else config.source.near
    contents = [part.content for part in parts]
    likeness = compare_rows(contents, None, copies, problems, near, NullProgress())
    together = kept_together(copies, dataset.groups, likeness.groups)
    audited = np.setdiff1d(audited, rows_alone(dataset, classes, labels, audited, together))
    if hashes is not None:
        audited, test_rows = (by_content(some, labels, hashes) for some in (audited, test_rows))
    return choose_folds(audited, test_rows, labels, config, together, small=small)


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


def _tree_stage(
    inputs: Inputs, rows: Rows, labels: Labels, classes: int, config: AuditConfig, progress: Progress
) -> list[Stage]:
    """Growing trees, by the time that the first iterations on most of the rows take; none without trees."""
    table = table_for_trees(inputs, len(rows), classes, config, progress)
    if table is None:
        return []
    trees = Trees(table, rows)
    train = rows[: max(classes, len(rows) * (PARTS - 1) // PARTS)]
    started = time.perf_counter()
    trees.fit_and_predict(labels, train, rows, classes, TIMED_ITERATIONS)
    seconds = (time.perf_counter() - started) * PARTS * ITERATIONS / TIMED_ITERATIONS
    return [Stage("growing trees", seconds, 2 * trees.values.nbytes)]


def _data_stage(
    inputs: Inputs, batches: Batches, seconds: float, rows: int, hashes: Hashes, config: AuditConfig
) -> Stage:
    """Reading all rows, when those with these content hashes took so long."""
    seconds *= rows / len(hashes)
    if isinstance(inputs, ImageInputs):
        shape = (rows, inputs.spec.channels, inputs.spec.image_size, inputs.spec.image_size)
        place = choose_place(shape, config.model.image_cache, config.model.image_cache_limit)
        size = int(np.prod(shape))
        return Stage("reading images", seconds, size * (place == "memory"), size * (place == "disk"))
    if isinstance(batches, TextFeatures):
        return Stage("reading rows", seconds, batches.nbytes)
    values = batches.batch(torch.zeros(1, dtype=torch.long))[0]
    if config.model.train != "head":
        return Stage("reading rows", seconds, rows * values.nbytes)
    cached = cached_share(hashes, config.model)
    said = f", {cached:.0%} of them in the cache" if cached else ""
    return Stage(f"features of the images{said}", seconds * (1 - cached), rows * values.nbytes)
