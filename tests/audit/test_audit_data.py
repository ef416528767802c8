"""What a run checks of its data: class order, classes of one row, test sets that are audited, too."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from torch import nn

from labelaudit.audit.audit_data import read_data
from labelaudit.config import AuditConfig, ModelConfig
from labelaudit.data.sources import load_dataset
from labelaudit.errors import InputError

RANDOM = np.random.default_rng(0)


class Notes:
    """A progress that keeps what it is told."""

    def __init__(self):
        self.notes = []

    @contextmanager
    def stage(self, name, total):
        yield lambda amount: None

    def note(self, text):
        self.notes.append(text)


def vectors(labels, seed=0):
    return load_dataset((np.random.default_rng(seed).normal(size=(len(labels), 3)), labels))


def read(dataset, test=None, own=None):
    progress = Notes()
    config = AuditConfig(model=ModelConfig(name=None if own else "lr"))
    return read_data(dataset, test, config, progress, custom_model=own), progress.notes


def test_class_indices_are_the_numbers_a_network_was_trained_with():
    labels = np.tile(np.arange(12), 3)
    data, _ = read(vectors(labels), own=nn.Linear(3, 12))
    assert data.labels.tolist() == labels.tolist()


def test_a_network_for_given_classes_keeps_those_that_no_row_has():
    categories = pd.Categorical(["b", "c"] * 10, categories=["c", "a", "b"])
    dataset = load_dataset((RANDOM.normal(size=(20, 3)), pd.Series(categories)))
    assert read(dataset)[0].classes == ("c", "b")
    data, _ = read(dataset, own=nn.Linear(3, 3))
    assert data.classes == ("c", "a", "b")
    assert data.labels.tolist() == [2, 0] * 10


def test_the_only_rows_of_their_classes_are_kept_and_not_scored():
    data, notes = read(vectors([*"abab", "lone", *"abab", "one", None]))
    assert data.alone == {4, 9}
    assert data.audited.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    assert notes[-1] == (
        "2 classes have one row only, which cannot be scored: 'lone' (row-4), 'one' (row-9). Are they misspelt?"
    )
    with pytest.raises(InputError, match="fewer than two classes of two readable rows or more; alone are 'b'"):
        read(vectors([*"aaab"]))


def test_a_test_set_that_is_the_data_itself_is_refused_and_shared_rows_are_left_out():
    labels = ["a", "b"] * 20
    with pytest.raises(InputError, match="`test`: every row of arrays is in arrays, too"):
        read(vectors(labels), vectors(labels))
    whole = np.random.default_rng(0).normal(size=(40, 3))
    test = load_dataset((np.concatenate([whole[:10], np.random.default_rng(7).normal(size=(6, 3))]), labels[:16]))
    data, notes = read(vectors(labels), test)
    assert data.test_rows.tolist() == [50, 51, 52, 53, 54, 55]
    assert any(note.startswith("10 rows of the test set are in arrays, too") for note in notes)


def test_rows_of_few_values_may_be_alike_by_chance():
    def table(rows):
        return pd.DataFrame(
            {"town": [*"abcd"] * rows, "size": [1.5, 2.5] * 2 * rows, "label": ["x", "x", "y", "z"] * rows}
        )

    data, _ = read(load_dataset(table(10)), load_dataset(table(5)))
    assert len(data.test_rows) == 20
