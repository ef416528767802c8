"""Which rows a few numbers of each class are fitted to."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit.detection import fitted_rows as module
from labelaudit.detection.fitted_rows import calibrated_rows, few_a_class, fitted_rows, stratified


@pytest.mark.parametrize(
    ("rows", "classes", "few"), [(100, 10, False), (99, 10, True), (20_000, 2000, False), (10**6, 2001, True)]
)
def test_classes_have_few_rows_or_are_too_many(rows, classes, few):
    assert few_a_class(rows, classes) is few


@pytest.mark.parametrize(
    ("rows", "classes", "fitted", "calibrated"),
    [
        (20_000, 3, 20_000, 20_000),
        (25_000, 3, 20_000, 20_000),
        (12_000, 400, 10_000, 10_000),  # four million cells
        (12_000, 800, 8000, 8000),  # ten rows of each class
        (1000, 101, 1000, 1000),
        (7000, 2100, 7000, 2000),  # one rate and one weight for all classes
        (12_000, 2100, 9523, 2000),  # twenty million cells
    ],
)
def test_of_many_rows_so_many_are_fitted(rows, classes, fitted, calibrated):
    evidence, labels = np.broadcast_to(np.zeros(1), (rows, classes)), np.arange(rows) % classes
    assert len(fitted_rows(evidence, labels)) == fitted
    assert len(calibrated_rows(evidence, labels)) == calibrated


def test_of_every_class_its_part_in_the_order_of_its_evidence():
    """Half of the rows, of which one class has a quarter; and of each class every other, whatever the order of rows."""
    labels = np.repeat([0, 1], [25, 75])
    evidence = np.stack([np.arange(100.0), 1000 - np.arange(100.0)], axis=1)
    chosen = stratified(evidence, labels, 50)
    of_first = np.sort(chosen[labels[chosen] == 0])
    assert len(chosen) == 50
    assert len(of_first) == 13
    assert (np.diff(of_first) == 2).all()
    shuffle = np.random.default_rng(0).permutation(100)
    again = shuffle[stratified(evidence[shuffle], labels[shuffle], 50)]
    assert sorted(again) == sorted(chosen)


def test_fewer_rows_than_asked_for_are_all_taken():
    assert stratified(np.zeros((5, 2)), np.zeros(5, dtype=int), module.FIT_ROWS).tolist() == [0, 1, 2, 3, 4]
