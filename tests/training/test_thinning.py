from __future__ import annotations

import numpy as np
import pytest
import torch

from labelaudit.detection.calibration import calibrate_to_given
from labelaudit.detection.one_rate import fit_one_rate
from labelaudit.detection.scale import scales_of
from labelaudit.influence.query_loss import fit_temperature
from labelaudit.training import thinning
from labelaudit.training.thinning import thinned


def test_rows_are_left_out_only_where_logits_are_many():
    assert thinned(6000, 10) == slice(None, None, 1)
    for rows, classes in ((6000, 3000), (100_000, 100), (1_280_000, 1000), (501, 10_000)):
        left = len(range(rows)[thinned(rows, classes)])
        assert 250 <= left <= max(500, 2_000_000 // classes)


def test_what_is_fitted_to_some_rows_is_close_to_what_all_say(monkeypatch):
    """400 classes of two rows: logits have a true scale of 2, one label in twenty is wrong."""
    random = np.random.default_rng(0)
    classes, rows = 400, 4000
    logits = random.normal(size=(rows, classes)) * 3
    labels = np.array([random.choice(classes, p=p) for p in torch.from_numpy(2 * logits).softmax(1).numpy()])
    labels = np.where(random.random(rows) < 0.05, random.integers(0, classes, rows), labels)

    def fitted():
        one = fit_one_rate(logits, labels)
        temperature = fit_temperature(torch.from_numpy(logits), torch.from_numpy(labels))
        return (
            one.weight,
            one.rate,
            calibrate_to_given(logits, labels).weight,
            scales_of([logits], [labels])[0],
            temperature,
        )

    assert thinned(rows, classes).step == 1
    of_all = fitted()
    assert of_all[0] == pytest.approx(2, rel=0.1)
    monkeypatch.setattr(thinning, "MOST_CELLS", 400_000)
    assert thinned(rows, classes).step == 4
    assert fitted() == pytest.approx(of_all, rel=0.15)
    assert fitted() != of_all
