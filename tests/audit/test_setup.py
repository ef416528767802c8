"""Folds that cannot be, and how much a step is, for the number of threads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from torch import nn

from labelaudit import InputError, audit_config, scan
from labelaudit.audit.setup import choose_folds
from tests.support.data import digit_folders

BATCH, WIDTH, CLASSES = 16, 5, 3


def convolution(num_classes, num_features):
    return nn.Sequential(
        nn.Unflatten(1, (1, num_features)), nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 3, num_classes)
    )


@pytest.fixture
def works(monkeypatch):
    """What the audit says of its steps, in the order it does."""
    said = []
    monkeypatch.setattr("labelaudit.audit.audit.settle_threads", said.append)
    return said


@pytest.mark.parametrize(("test_rows", "options"), [(2, {}), (0, {"test_fraction": 0.25})])
def test_folds_and_a_query_of_its_own_exclude_each_other(test_rows, options):
    other = "test" if test_rows else "test_fraction"
    labels, config = np.tile([0, 1], 10), audit_config(folds="2", **options)
    with pytest.raises(InputError, match=f"^`folds` and `{other}` exclude each other"):
        choose_folds(np.arange(18), np.arange(18, 18 + test_rows), labels, config, small=True)


def vectors():
    labels = np.tile(np.arange(CLASSES), 20)
    return np.eye(WIDTH)[labels] + np.random.default_rng(0).normal(size=(60, WIDTH)), labels.astype(str)


def test_of_linear_layers_the_products_are_known(works):
    scan(vectors(), model="lr", epochs=1, batch_size=BATCH)
    assert works == [BATCH * (WIDTH + 1) * CLASSES]


def test_of_other_layers_they_are_not(works):
    scan(vectors(), model=convolution(CLASSES, WIDTH), epochs=1, batch_size=BATCH)
    assert works == [math.inf]


def test_a_network_on_images_has_all_threads(works, tmp_path):
    digit_folders(tmp_path / "data", "17", 10)
    scan(tmp_path / "data", model="cnn", epochs=1)
    assert works == [math.inf]
