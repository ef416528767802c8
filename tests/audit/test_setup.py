"""How much a step is, for the number of threads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from torch import nn

from labelaudit import scan
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
