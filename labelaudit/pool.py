"""Everything a run needs of its data, read and checked once, before anything is trained."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from labelaudit.config import AuditConfig
from labelaudit.data.dataset import NO_LABEL, Dataset
from labelaudit.data.inputs import Hashes, Inputs, Problems, read_inputs
from labelaudit.data.splits import Rows
from labelaudit.errors import InputError
from labelaudit.progress import Progress
from labelaudit.runtime import choose_device


@dataclass(frozen=True)
class Pool:
    """The audited rows 0 … N−1 and, after them, those of the test set if there is one.

    Attributes:
        dataset: The audited rows' ids and labels.
        test: The test set's, if given.
        inputs: What the rows are to a network.
        classes: Class names; class indices count in them.
        labels: Class indices, shape (N + M,), `NO_LABEL` where there is none.
        hashes: Content hash of each row, audited rows first, None where nothing could be read.
        problems: Why an audited row is unreadable, None where it is not.
        audited: The audited rows that can be scored: readable and labelled.
        test_rows: The readable, labelled rows of the test set.
    """

    dataset: Dataset
    test: Dataset | None
    inputs: Inputs
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    hashes: Hashes
    problems: Problems
    audited: Rows
    test_rows: Rows


def read_pool(
    dataset: Dataset,
    test: Dataset | None,
    config: AuditConfig,
    progress: Progress,
    classes: tuple[str, ...] | None = None,
    own: nn.Module | None = None,
) -> Pool:
    """Check the labels, choose the model, read all rows.

    Args:
        dataset: What is audited.
        test: Trusted data.
        config: The settings.
        progress: Told of each stage.
        classes: The classes of an earlier audit, where this one goes on from it; then some may have few rows or none.
        own: A network made by the user, instead of one by name.

    Raises:
        InputError: The data cannot be audited; the message says why.
    """
    going_on = classes is not None
    classes = classes or check_classes(dataset, test)
    parts = [dataset] if test is None else [dataset, test]
    inputs, hashes, problems = read_inputs(
        parts, config.model, len(classes), choose_device(config.device), progress, own
    )
    rows = len(dataset)
    _check_readable(dataset, problems[:rows], config.source.max_unreadable)
    if test is not None:
        _check_readable(test, problems[rows:], config.source.max_unreadable)

    index = {name: number for number, name in enumerate(classes)}
    labels = np.array(
        [NO_LABEL if label is None else index[label] for part in parts for label in part.labels], dtype=np.int64
    )
    readable = np.array([problem is None for problem in problems])
    usable = np.flatnonzero(readable & (labels != NO_LABEL))
    audited, test_rows = usable[usable < rows], usable[usable >= rows]
    if not going_on:
        _check_counts(dataset, classes, labels, audited)
    if test is not None and len(test_rows) == 0:
        raise InputError(f"--test: {test.source} has no readable, labelled row")
    return Pool(
        dataset=dataset,
        test=test,
        inputs=inputs,
        classes=classes,
        labels=labels,
        hashes=hashes,
        problems=problems[:rows],
        audited=audited,
        test_rows=test_rows,
    )


def check_classes(dataset: Dataset, test: Dataset | None) -> tuple[str, ...]:
    """The class names.

    Raises:
        InputError: There is only one, or the test set has others.
    """
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


def _check_readable(dataset: Dataset, problems: Problems, allowed: float) -> None:
    unreadable = [row for row, problem in enumerate(problems) if problem is not None]
    if len(unreadable) > allowed * len(dataset):
        shown = "; ".join(f"{dataset.ids[row]}: {problems[row]}" for row in unreadable[:3])
        raise InputError(
            f"{len(unreadable)} of the {len(dataset)} rows in {dataset.source} are unreadable, more than "
            f"--max-unreadable {allowed:g} allows: {shown}" + " …" * (len(unreadable) > 3)
        )


def _check_counts(dataset: Dataset, classes: tuple[str, ...], labels: NDArray[np.int64], audited: Rows) -> None:
    counts = Counter(labels[audited].tolist())
    if len(classes) > 20 and len(classes) > len(audited) / 2:
        raise InputError(
            f"{dataset.source} has {len(classes)} different labels in {len(audited)} rows: is that the label column "
            f"(--label-column)? Quantities and free texts cannot be audited"
        )
    for number, name in enumerate(classes):
        if counts[number] == 0:
            raise InputError(f"class {name!r} in {dataset.source} has no readable row")
        if counts[number] == 1:
            row = next(row for row in audited if labels[row] == number)
            raise InputError(
                f"class {name!r} in {dataset.source} has only one row ({dataset.ids[row]}); every class needs at "
                "least two. Is its name misspelt? If not, leave that row out"
            )
