"""Training that suits a network, and the rows it gets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelaudit import scan
from labelaudit.audit.inputs import MEASURED_ROWS, FeatureInputs
from labelaudit.config import ModelConfig
from labelaudit.data.batches import Features
from labelaudit.data.content import Vectors
from labelaudit.data.encoders import LARGEST_SQUARED_NORM
from labelaudit.models.registry import feature_model
from labelaudit.models.spec import LARGEST_RATE, TrainingDefaults


@pytest.mark.parametrize(
    ("squared_norm", "rate"), [(256.0, 0.003), (4.0, 0.192), (13.0, 0.768 / 13), (0.5, 1.0), (0.0, 0.003)]
)
def test_the_rate_of_a_linear_layer_goes_with_the_inverse_of_the_squared_norm(squared_norm, rate):
    """.77 / |x|², and 1 at most: iris, standardised, has four numbers a row, and so .19."""
    defaults = TrainingDefaults(5, 0.003, by_norm=True).for_rows(squared_norm)
    assert (defaults.learning_rate, defaults.epochs) == (pytest.approx(rate), 5)
    assert (LARGEST_SQUARED_NORM, LARGEST_RATE) == (256, 1)
    assert TrainingDefaults(5, 0.01).for_rows(squared_norm).learning_rate == 0.01


@pytest.mark.parametrize(("model", "expected"), [("lr", 0.768 / 26), ("dnn", 0.01)])
def test_it_is_measured_on_rows_evenly_spread_over_those_that_train(model, expected):
    values = torch.ones(4000, 2)
    values[::2] *= 5  # mean squared norm (2 + 50) / 2
    values[3000:] = 1e3  # not among the rows
    inputs = FeatureInputs(feature_model(ModelConfig(name=model)), Vectors(np.zeros((1, 1), np.float32)))
    rows = np.arange(2999)  # every third one is looked at
    found = inputs.defaults_for(Features(values, torch.zeros(4000, dtype=torch.long)), rows)
    assert found.learning_rate == pytest.approx(expected, rel=0.01)
    assert MEASURED_ROWS == 1000


def test_a_scan_says_which_rate_it_took_and_a_given_one_stays():
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(60, 4)).astype(np.float32), np.tile(["a", "b"], 30)
    assert scan((x, y), epochs=2).metadata["training"]["learning_rate"] == pytest.approx(0.768 / 4, rel=0.02)
    assert scan((x, y), epochs=2, learning_rate=0.02).metadata["training"]["learning_rate"] == 0.02
