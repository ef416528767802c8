"""Everything a run needs of its data, read and checked once, before anything is trained."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelaudit.config import AuditConfig
from labelaudit.data.content import EncodedImages
from labelaudit.data.dataset import NO_LABEL, Dataset
from labelaudit.data.images import Decoded, decode, summarise_images
from labelaudit.data.splits import Rows
from labelaudit.errors import InputError
from labelaudit.models.registry import model_spec
from labelaudit.models.spec import ModelSpec
from labelaudit.progress import Progress
from labelaudit.runtime import SHARE_OF_FREE, free_memory, gigabytes


@dataclass(frozen=True)
class Pool:
    """The audited rows 0 … N−1 and, after them, those of the test set if there is one.

    Attributes:
        dataset: The audited rows' ids and labels.
        test: The test set's, if given.
        spec: The model the images were prepared for.
        classes: Class names; class indices count in them.
        pixels: uint8, shape (N + M, C, S, S).
        labels: Class indices, shape (N + M,), `NO_LABEL` where there is none.
        hashes: Content hash of each row, audited rows first, None where nothing could be read.
        problems: Why an audited row's image is unreadable, None where it is not.
        audited: The audited rows that can be scored: readable and labelled.
        test_rows: The readable, labelled rows of the test set.
    """

    dataset: Dataset
    test: Dataset | None
    spec: ModelSpec
    classes: tuple[str, ...]
    pixels: Tensor
    labels: NDArray[np.int64]
    hashes: tuple[str | None, ...]
    problems: tuple[str | None, ...]
    audited: Rows
    test_rows: Rows


def read_pool(dataset: Dataset, test: Dataset | None, config: AuditConfig, progress: Progress) -> Pool:
    """Check the labels, choose the model, decode all images.

    Raises:
        InputError: The data cannot be audited; the message says why.
    """
    classes = _check_classes(dataset, test)
    assert isinstance(dataset.content, EncodedImages)
    images = summarise_images(dataset.content, dataset.problems)
    if images is None:
        raise InputError(f"none of the {len(dataset)} images in {dataset.source} can be read{_first_problem(dataset)}")
    spec = model_spec(config.model, images)
    spec.network(len(classes), seed=0)  # weights that do not fit are better known before the images are read
    parts = [dataset] if test is None else [dataset, test]
    for part in parts:
        for note in part.notes:
            progress.note(f"{part.source}: {note}")
    for note in spec.notes:
        progress.note(f"{spec.name}: {note}")
    check_memory(sum(map(len, parts)), spec)
    with progress.stage("Reading images", sum(map(len, parts))) as advance:
        decoded = [
            decode(part.content, part.problems, spec.channels, spec.image_size, spec.resize, advance) for part in parts
        ]
    for part, images_of_part in zip(parts, decoded, strict=True):
        _check_readable(part, images_of_part, config.source.max_unreadable)

    index = {name: number for number, name in enumerate(classes)}
    labels = np.array(
        [NO_LABEL if label is None else index[label] for part in parts for label in part.labels], dtype=np.int64
    )
    readable = np.array([problem is None for part in decoded for problem in part.problems])
    usable = np.flatnonzero(readable & (labels != NO_LABEL))
    audited, test_rows = usable[usable < len(dataset)], usable[usable >= len(dataset)]
    _check_counts(dataset, classes, labels, audited)
    if test is not None and len(test_rows) == 0:
        raise InputError(f"--test: {test.source} has no readable, labelled image")
    return Pool(
        dataset=dataset,
        test=test,
        spec=spec,
        classes=classes,
        pixels=torch.cat([part.pixels for part in decoded]),
        labels=labels,
        hashes=tuple(content for part in decoded for content in part.hashes),
        problems=decoded[0].problems,
        audited=audited,
        test_rows=test_rows,
    )


def check_memory(rows: int, spec: ModelSpec) -> None:
    """Make sure that the decoded images fit into memory.

    Raises:
        InputError: They do not.
    """
    needed = rows * spec.channels * spec.image_size**2
    free = int(SHARE_OF_FREE * free_memory(torch.device("cpu")))
    if needed > free:
        raise InputError(
            f"{rows} images of {spec.image_size}×{spec.image_size} pixels need {gigabytes(needed)} of memory and "
            f"{gigabytes(free)} may be used: try a smaller --image-size, or fewer rows"
        )


def _check_classes(dataset: Dataset, test: Dataset | None) -> tuple[str, ...]:
    classes = dataset.classes
    if len(classes) < 2:
        raise InputError(f"{dataset.source} has only one class ({classes[0]!r}): with nothing to confuse it with, no "
                         "label can be wrong")  # fmt: skip
    if test is not None:
        unknown = {label: row for row, label in reversed(list(enumerate(test.labels))) if label not in (*classes, None)}
        if unknown:
            label, row = min(unknown.items(), key=lambda item: item[1])
            raise InputError(
                f"--test: {test.source} has the label {label!r} (first in {test.ids[row]}), which {dataset.source} "
                f"does not know ({', '.join(classes[:20])})"
            )
    return classes


def _check_readable(dataset: Dataset, decoded: Decoded, allowed: float) -> None:
    unreadable = [row for row, problem in enumerate(decoded.problems) if problem is not None]
    if len(unreadable) > allowed * len(dataset):
        shown = "; ".join(f"{dataset.ids[row]}: {decoded.problems[row]}" for row in unreadable[:3])
        raise InputError(
            f"{len(unreadable)} of the {len(dataset)} images in {dataset.source} are unreadable, more than "
            f"--max-unreadable {allowed:g} allows: {shown}" + " …" * (len(unreadable) > 3)
        )


def _check_counts(dataset: Dataset, classes: tuple[str, ...], labels: NDArray[np.int64], audited: Rows) -> None:
    counts = Counter(labels[audited].tolist())
    for number, name in enumerate(classes):
        if counts[number] == 0:
            raise InputError(f"class {name!r} in {dataset.source} has no readable image")
        if counts[number] == 1:
            row = next(row for row in audited if labels[row] == number)
            raise InputError(
                f"class {name!r} in {dataset.source} has only one image ({dataset.ids[row]}); every class needs at "
                "least two. Is its name misspelt? If not, leave that image out"
            )


def _first_problem(dataset: Dataset) -> str:
    problem = next((problem for problem in dataset.problems if problem is not None), None)
    return f" ({problem})" if problem else ""
