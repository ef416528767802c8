"""How odd rows are, by hand; and how many are called outliers."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit.detection.outliers import are_outliers, outlier_shares

NOT = np.zeros(4, dtype=bool)


def test_oddness_is_fishers_of_how_far_and_how_uncertain():
    """With shares a and u, P(chi-square of 4 > -2 log(a u)) = a u (1 - log(a u))."""
    apart, certainty = np.array([1.0, 4.0, 2.0, 3.0]), np.array([0.9, 0.3, 0.8, 0.7])
    product = np.array([4, 1, 3, 2]) / 4 * np.array([4, 1, 3, 2]) / 4
    assert outlier_shares(apart, NOT, certainty) == pytest.approx(1 - product * (1 - np.log(product)))


def test_equal_rows_are_equally_odd():
    shares = outlier_shares(np.array([1.0, 2.0, 2.0, 1.0]), NOT, np.full(4, 0.5))
    assert shares[1] == shares[2] == pytest.approx(1 - 0.5 * (1 - np.log(0.5)))
    assert shares[0] == shares[3] == pytest.approx(0)


def test_without_probabilities_neighbours_count_and_without_those_nothing_is_known():
    certainty = np.array([np.nan, 0.5, np.nan, 0.6])
    shares = outlier_shares(np.array([3.0, 2.0, np.nan, np.nan]), NOT, certainty)
    assert shares[0] == pytest.approx(1 - 1 / 2)
    assert np.isnan(shares[2:]).all()
    assert np.isnan(outlier_shares(np.full(4, np.nan), NOT, np.full(4, 0.5))).all()


def test_empty_rows_are_outliers_whatever_else_is_known():
    empty = np.array([True, False, True, False])
    shares = outlier_shares(np.array([0.0, 1.0, np.nan, 1.0]), empty, np.full(4, 0.9))
    assert shares[[0, 2]].tolist() == [1, 1]
    assert are_outliers(np.array([1.0, 0.7, 1.0, np.nan])).tolist() == [True, False, True, False]
    assert not are_outliers(np.full(3, np.nan)).any()


def test_so_many_are_outliers_that_a_fifth_may_be_by_chance():
    """Of 1,000 rows with even shares none. With ten more of .9995 the k-th oddest of 1,010 may have 1 - .2 k/1010.

    For the eleventh and twelfth that is .9978 and .9976, and they have .999 and .998; for the next .9974, not .997.
    """
    even = np.arange(1000) / 1000
    assert not are_outliers(even).any()
    shares = np.concatenate([even, np.full(10, 0.9995)])
    assert np.flatnonzero(are_outliers(shares)).tolist() == list(range(998, 1010))


def test_planted_rows_are_found_among_ordinary_ones():
    generator = np.random.default_rng(0)
    apart, certainty = generator.gamma(20, size=2000), generator.beta(5, 1, size=2000)
    assert not are_outliers(outlier_shares(apart, np.zeros(2000, bool), certainty)).any()
    apart[:40], certainty[:40] = 50, 0.2
    found = are_outliers(outlier_shares(apart, np.zeros(2000, bool), certainty))
    assert found[:40].all()
    assert found[40:].mean() < 0.01
