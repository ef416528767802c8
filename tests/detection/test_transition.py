"""T, and what it is drawn towards."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import dirichlet_multinomial

from labelaudit.detection.transition import resize_transition, shrink_transition, spread_strength


def off_diagonal(counts: np.ndarray) -> np.ndarray:
    return counts[~np.eye(len(counts), dtype=bool)].reshape(len(counts), -1)


def test_the_spread_is_the_most_likely_dirichlet_multinomial():
    counts = np.array([[90, 9, 1, 2], [3, 80, 14, 0], [1, 6, 70, 8], [12, 1, 5, 60]])

    def loss(log_strength: float) -> float:
        named = off_diagonal(counts)
        alpha = np.full(named.shape, np.exp(log_strength) / 3)
        return -dirichlet_multinomial.logpmf(named, alpha, named.sum(1)).sum()

    best = np.exp(minimize_scalar(loss, bounds=(-5, 10), method="bounded").x)
    assert spread_strength(counts.astype(float)) == pytest.approx(best, rel=1e-3)


def test_classes_that_are_mistaken_for_one_other_only_have_a_spread_of_next_to_nothing():
    counts = 90.0 * np.eye(5) + 10.0 * np.roll(np.eye(5), 1, axis=1)
    assert spread_strength(counts) < 0.5


def test_two_classes_have_one_rate():
    counts = np.array([[80.0, 20.0], [0.0, 100.0]])
    assert shrink_transition(counts) == pytest.approx(np.array([[0.9, 0.1], [0.1, 0.9]]))
    assert spread_strength(counts) == 0


def test_confusions_that_stand_out_are_kept_and_chance_is_evened_out():
    clear = np.array([[900.0, 100.0, 0.0], [0.0, 1000.0, 0.0], [0.0, 0.0, 1000.0]])
    found = shrink_transition(clear)
    assert found[0] == pytest.approx([0.9, 0.1, 0.0], abs=0.01)
    assert found.diagonal()[1:] == pytest.approx([1, 1], abs=0.01)
    chance = np.array([[96.0, 3.0, 1.0], [2.0, 95.0, 3.0], [2.0, 2.0, 96.0]])
    even = shrink_transition(chance)
    assert off_diagonal(even) == pytest.approx(np.full((3, 2), 13 / 300 / 2), abs=0.002)
    assert even.sum(1) == pytest.approx(1)
    four = 188.0 * np.eye(4) + 4 * (1 - np.eye(4))
    assert shrink_transition(four) == pytest.approx(four / 200, abs=1e-4)


def test_a_resized_transition_keeps_some_right_labels_and_no_zero():
    transition = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.0, 0.4, 0.6]])
    doubled = resize_transition(transition, 2)
    assert doubled == pytest.approx(np.array([[0.8, 0.2, 0], [0.4, 0.6, 0], [0, 0.8, 0.2]]), abs=1e-3)
    assert (doubled > 0).all()
    assert doubled.sum(1) == pytest.approx(1)
    # 2 of 100 labels of a class are right at least, before its row is brought to a sum of 1
    assert resize_transition(transition, 10).diagonal() == pytest.approx([0.02 / 1.02, 0.02 / 2.02, 0.02 / 4.02])
