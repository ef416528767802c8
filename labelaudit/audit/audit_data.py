"""Everything a run needs of its data, read and checked once, before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from labelaudit.audit.inputs import Inputs
from labelaudit.audit.read_inputs import read_inputs
from labelaudit.config import AuditConfig
from labelaudit.data.cells import some_names
from labelaudit.data.copies import Copies, find_copies, kept_together
from labelaudit.data.dataset import NO_LABEL, Dataset
from labelaudit.data.hashing import hash_rows
from labelaudit.data.images import ImageSummary
from labelaudit.data.splits import own_numbers
from labelaudit.errors import InputError
from labelaudit.likeness.compare import Likeness, compare_rows
from labelaudit.progress import Progress, ignore
from labelaudit.runtime.machine import choose_device, choose_dtype
from labelaudit.types import Hashes, Labels, Problems, Rows
from labelaudit.units import format_count, listed


@dataclass(frozen=True)
class AuditData:
    """The audited rows 0 … N−1 and, after them, those of the test set if there is one.

    Attributes:
        dataset: The audited rows' ids and labels.
        test: The test set's, if given.
        inputs: What the rows are to a network; None where nothing is trained.
        classes: Class names; class indices count in them.
        labels: Class indices, shape (N + M,), `NO_LABEL` where there is none.
        hashes: Content hash of each row, audited rows first, None where nothing could be read.
        problems: Why an audited row is unreadable, None where it is not.
        audited: The audited rows that can be scored: readable, labelled, and not the only one of their class.
        test_rows: The readable, labelled rows of the test set that are not among the audited ones.
        device: Where networks are trained.
        dtype: The floating-point type of their parameters and inputs.
        copies: Which rows hold the same.
        likeness: Which audited rows are nearly the same, and which like none.
        together: What audited rows have to share a fold, see `kept_together`.
        alone: Rows that are the only readable one of their class, or share a fold with all others of it.
        other_splits: The names of other parts of the dataset that were looked at for copies.
    """

    dataset: Dataset
    test: Dataset | None
    inputs: Inputs | None
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    hashes: Hashes
    problems: Problems
    audited: Rows
    test_rows: Rows
    device: torch.device
    dtype: torch.dtype
    copies: Copies
    likeness: Likeness
    together: Rows
    alone: frozenset[int] = frozenset()
    other_splits: tuple[str, ...] = ()

    @property
    def unlabelled(self) -> Rows:
        """The audited rows that can be read and have no label, ascending."""
        readable = np.array([problem is None for problem in self.problems])
        return np.flatnonzero(readable & (self.labels[: len(self.dataset)] == NO_LABEL))


def read_data(
    dataset: Dataset,
    test: Dataset | None,
    config: AuditConfig,
    progress: Progress,
    classes: tuple[str, ...] | None = None,
    custom_model: nn.Module | None = None,
    like: ImageSummary | None = None,
    other_splits: Sequence[Dataset] = (),
) -> AuditData:
    """Check the labels, choose the model, read all rows.

    Args:
        dataset: What is audited.
        test: Trusted data.
        config: The settings.
        progress: Told of each stage.
        classes: The classes of an earlier audit, for a warm start; then some may have few rows or none.
        custom_model: A network made by the user, instead of one by name.
        like: What an earlier audit's network took, where this one goes on from it.
        other_splits: Other parts of the dataset, in which audited rows should not be, too.

    Raises:
        InputError: The data cannot be audited; the message says why.
    """
    going_on = classes is not None
    classes = classes or check_classes(
        dataset, test, own_order=custom_model is not None or ":" in (config.model.name or "")
    )
    parts = [dataset] if test is None else [dataset, test]
    device = choose_device(config.device)
    read = read_inputs(parts, config.model, len(classes), device, progress, custom_model, like=like, thumbnails=True)
    hashes, problems = read.hashes, read.problems
    rows = len(dataset)
    check_readable(dataset, problems[:rows], config.source.max_unreadable)
    if test is not None:
        check_readable(test, problems[rows:], config.source.max_unreadable)

    labels = class_indices(parts, classes)
    readable = np.array([problem is None for problem in problems])
    others = tuple(digest for split in other_splits for digest in hash_rows(split, ignore))
    copies = find_copies(parts, (*hashes, *others), other_splits)
    likeness = compare_rows(
        [part.content for part in parts], read.thumbnails, copies, problems, config.source.near, progress
    )
    together = kept_together(copies, dataset.groups, likeness.groups)
    usable = np.flatnonzero(readable & (labels != NO_LABEL))
    audited, test_rows = usable[usable < rows], usable[usable >= rows]
    alone = np.zeros(0, dtype=np.int64)
    if not going_on:
        alone = rows_alone(dataset, classes, labels, audited, together)
        _note_small_classes(dataset, classes, labels, audited, alone, progress)
        audited = np.setdiff1d(audited, alone)
    if test is not None:
        test_rows = test_rows[~_is_audited(dataset, test, copies, test_rows, progress)]
        if len(test_rows) == 0:
            raise InputError(f"{test.source} has no readable, labelled row", option="test")
    return AuditData(
        dataset=dataset,
        test=test,
        inputs=read.inputs,
        classes=classes,
        labels=labels,
        hashes=hashes,
        problems=problems[:rows],
        audited=audited,
        test_rows=test_rows,
        device=device,
        dtype=choose_dtype(config.dtype),
        copies=copies,
        likeness=likeness,
        together=together,
        alone=frozenset(alone.tolist()),
        other_splits=tuple(str(split.settings.split) for split in other_splits),
    )


def class_indices(parts: list[Dataset], classes: tuple[str, ...]) -> Labels:
    """Class indices of all rows of the datasets, one after the other, `NO_LABEL` where there is no label."""
    index = {name: number for number, name in enumerate(classes)}
    return np.array(
        [NO_LABEL if label is None else index[label] for part in parts for label in part.labels], dtype=np.int64
    )


def check_classes(dataset: Dataset, test: Dataset | None, *, own_order: bool = False) -> tuple[str, ...]:
    """The class names.

    Args:
        dataset: What is audited.
        test: Trusted data.
        own_order: Whether to keep classes that no row has where the source knows of some, for a network made for them.

    Raises:
        InputError: There is only one, or the test set has others.
    """
    present = {label for label in dataset.labels if label is not None}
    if len(present) < 2:
        raise InputError(
            f"{dataset.source} has only one class ({min(present, default=None)!r}): with nothing to confuse it with, "
            "no label can be wrong"
        )
    classes = dataset.class_order if own_order and present <= set(dataset.class_order) else dataset.classes
    if test is not None:
        unknown = {label: row for row, label in reversed(list(enumerate(test.labels))) if label not in (*classes, None)}
        if unknown:
            label, row = min(unknown.items(), key=lambda item: item[1])
            raise InputError(
                f"{test.source} has the label {label!r} (first in {test.ids[row]}), which {dataset.source} "
                f"does not know ({listed(classes, 20)})",
                option="test",
            )
    return classes


def check_readable(dataset: Dataset, problems: Problems, allowed: float) -> None:
    """Make sure that enough of a dataset can be read.

    Raises:
        InputError: Too much of it cannot.
    """
    unreadable = [row for row, problem in enumerate(problems) if problem is not None]
    if len(unreadable) > allowed * len(dataset):
        shown = listed([f"{dataset.ids[row]}: {problems[row]}" for row in unreadable], 3)
        raise InputError(
            f"{len(unreadable)} of the {len(dataset)} rows in {dataset.source} are unreadable, more than "
            f"`max_unreadable` {allowed:g} allows: {shown}"
        )


def rows_alone(
    dataset: Dataset, classes: tuple[str, ...], labels: Labels, audited: Rows, together: Rows | None = None
) -> Rows:
    """The rows that are the only readable one of their class, or share a fold with all others: no query has their like.

    Args:
        dataset: The rows.
        classes: Class names.
        labels: Class indices of all rows.
        audited: The readable, labelled rows.
        together: What rows share a fold, see `kept_together`; None if none have to.

    Raises:
        InputError: The labels are quantities or free texts, or fewer than two classes are left without them.
    """
    counts = np.bincount(labels[audited], minlength=len(classes))
    present = int((counts > 0).sum())
    if present > 20 and present > len(audited) / 2:
        raise InputError(
            f"{dataset.source} has {present} different labels in {len(audited)} rows: is that the label column "
            f"(`label_column`)? Quantities and free texts cannot be audited"
        )
    apart = counts if together is None else _groups_of_classes(labels[audited], together[audited], len(classes))
    alone: Rows = audited[apart[labels[audited]] == 1]
    if (apart > 1).sum() < 2:
        if (counts > 1).sum() >= 2:
            raise InputError(
                f"{dataset.source} has fewer than two classes with rows that are no copies of each other, and not all "
                "of one group: there is nothing to be learnt from some that could be asked of others"
            )
        named = f"; alone are {_named(dataset, alone)}" if len(alone) else ""
        raise InputError(f"{dataset.source} has fewer than two classes of two readable rows or more{named}")
    return alone


def _groups_of_classes(labels: Labels, together: Rows, classes: int) -> NDArray[np.int64]:
    """In how many groups the rows of each class are, each row that belongs to no other being one, shape (C,)."""
    pairs = np.unique(np.stack([labels, own_numbers(together)]), axis=1)
    counts: NDArray[np.int64] = np.bincount(pairs[0], minlength=classes)
    return counts


def _named(dataset: Dataset, rows: Rows) -> str:
    return some_names([f"{dataset.labels[row]!r} ({dataset.ids[row]})" for row in rows], text=str)


def _note_small_classes(
    dataset: Dataset, classes: tuple[str, ...], labels: Labels, audited: Rows, together: Rows, progress: Progress
) -> None:
    """Say which classes have one readable row or none, or rows that are all `together`."""
    counts = np.bincount(labels[audited], minlength=len(classes))
    alone = audited[counts[labels[audited]] == 1]
    if len(alone):
        classes_with_one = format_count(len(alone), "class has one row only, which", "classes have one row only, which")
        progress.note(f"{classes_with_one} cannot be scored: {_named(dataset, alone)}. Are they misspelt?")
    if len(together) > len(alone):
        names = sorted({classes[labels[row]] for row in together} - {classes[labels[row]] for row in alone})
        said = "all rows of a class are copies or of one group, so that no query has their like: they cannot be scored"
        progress.note(f"{said}: {some_names(names)}")
    with_rows = set(dataset.labels)
    empty = [name for name, count in zip(classes, counts, strict=True) if count == 0 and name in with_rows]
    if empty:
        progress.note(f"classes without a readable row: {some_names(empty)}")


def _is_audited(
    dataset: Dataset, test: Dataset, copies: Copies, test_rows: Rows, progress: Progress
) -> NDArray[np.bool_]:
    """Which rows of the test set are audited, too, by their content; shape (len(test_rows),).

    In tables in which rows are often alike, only a test set that is the data itself counts.

    Raises:
        InputError: All are.
    """
    shared = copies.audited_too()[test_rows - copies.rows]
    contents = copies.content[: copies.rows], copies.content[copies.rows : copies.rows + copies.test_rows]
    same = Counter(zip(contents[0], dataset.labels, strict=True)) == Counter(zip(contents[1], test.labels, strict=True))
    if copies.by_chance and not same:
        return np.zeros(len(test_rows), dtype=bool)
    if len(shared) and shared.all():
        raise InputError(
            f"every row of {test.source} is in {dataset.source}, too: trusted data must be other data; leave `test` "
            "out for the cross-audit",
            option="test",
        )
    if shared.any():
        many = format_count(int(shared.sum()), "row of the test set is", "rows of the test set are")
        progress.note(f"{many} in {dataset.source}, too, and left out of the query")
    return shared
