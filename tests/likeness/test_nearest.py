"""The nearest rows, against scikit-learn's; and in how many dimensions rows lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from labelaudit.likeness import nearest as module
from labelaudit.likeness import search as search_module
from labelaudit.likeness.nearest import Compared, nearest
from labelaudit.likeness.search import search
from labelaudit.progress import ignore


def rows_of(count: int, dimensions: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)


@pytest.mark.parametrize(("count", "dimensions"), [(300, 5), (300, 64), (11, 3), (4, 2), (2, 1)])
def test_they_are_those_of_an_exact_search(count, dimensions, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 7 * count)  # several blocks
    monkeypatch.setattr(search_module, "BLOCK", 7 * count)
    rows, seen = rows_of(count, dimensions), []
    found = nearest(rows, seen.append)
    wanted = min(module.NEIGHBOURS, count - 1)
    distances, expected = NearestNeighbors(n_neighbors=wanted + 1, algorithm="brute").fit(rows).kneighbors(rows)
    assert np.array_equal(found.rows, expected[:, 1:])
    assert np.allclose(found.distances, distances[:, 1:], atol=1e-5)
    assert sum(seen) == count


def test_of_long_rows_a_projection_finds_candidates_whose_exact_distances_count():
    """500 numbers that vary in 20 directions, and a little in all: what is near is found exactly."""
    rows = rows_of(400, 20) @ rows_of(20, 500, 1) + 0.01 * rows_of(400, 500, 2)
    found = nearest(rows, ignore)
    distances, expected = NearestNeighbors(n_neighbors=11).fit(rows).kneighbors(rows)
    assert (found.rows == expected[:, 1:]).mean() > 0.98
    assert np.allclose(found.distances[:, 0], distances[:, 1], rtol=1e-3)


def in_cells(monkeypatch, rows: np.ndarray, count: int) -> np.ndarray:
    monkeypatch.setattr(search_module, "ALL_PRODUCTS", 10)
    seen = []
    found = search(torch.from_numpy(rows), count, seen.append).numpy()
    assert sum(seen) == len(rows)
    assert (found != np.arange(len(rows))[:, None]).all()
    return found


def test_of_many_rows_those_in_the_same_cells_are_searched(monkeypatch):
    rows = 3 * rows_of(30, 20)[np.arange(3000) % 30] + rows_of(3000, 20, 1)
    rows[2900:] = rows[:100] + 0.1 * rows_of(100, 20, 2)
    expected = NearestNeighbors(n_neighbors=6).fit(rows).kneighbors(rows, return_distance=False)[:, 1:]
    found = in_cells(monkeypatch, rows, 5)
    assert (found[2900:, 0] == np.arange(100)).all()
    assert np.mean([len(set(one) & set(other)) / 5 for one, other in zip(found, expected, strict=True)]) > 0.95
    assert all(len(set(one)) == 5 for one in found.tolist())


def test_a_cell_that_is_too_large_is_searched_in_parts(monkeypatch):
    monkeypatch.setattr(search_module, "LARGEST_CELL", 200)
    rows = np.concatenate([np.zeros((900, 5), np.float32), rows_of(600, 5)])
    rows[1400:] = rows[900:1000] + np.float32(1e-3)
    found = in_cells(monkeypatch, rows, 5)
    assert (found[1400:, 0] == np.arange(900, 1000)).mean() > 0.95
    assert (found[:900] < 900).all()


def test_rows_that_share_their_cells_with_few_have_any_for_the_rest(monkeypatch):
    rows = 100 * rows_of(40, 30)
    found = in_cells(monkeypatch, rows, 25)
    assert ((found >= 0) & (found < 40)).all()


def test_each_pair_is_once_with_its_distance():
    rows = rows_of(60, 4)
    pairs, distances = nearest(rows, ignore).pairs()
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    assert np.allclose(distances, np.linalg.norm(rows[pairs[:, 0]] - rows[pairs[:, 1]], axis=1), atol=1e-5)


def test_rows_of_a_large_group_of_copies_are_measured_by_others():
    rows = rows_of(1000, 30)
    rows[:40] = rows[0] + 1e-3 * rows_of(40, 30, 3)
    found = nearest(rows, ignore)
    assert found.distances[:40].max() < 0.02
    assert found.reference[:40].min() == pytest.approx(np.quantile(found.distances[:, -1], 0.1))
    assert found.reference[40:].min() >= found.reference[0]


@pytest.mark.parametrize("dimensions", [2, 4, 8])
def test_the_number_of_dimensions_is_told_by_the_distances(dimensions):
    """Uniform on a torus, which has no edges, in as many dimensions; copies among them change nothing."""
    angles = np.random.default_rng(1).uniform(0, 2 * np.pi, (4000, dimensions))
    rows = np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert np.median(nearest(rows, ignore).dimensions) == pytest.approx(dimensions, rel=0.15)
    with_copies = np.concatenate([rows, rows[:1000] + np.float32(1e-3)])
    assert np.median(nearest(with_copies, ignore).dimensions) == pytest.approx(dimensions, rel=0.25)


def compared_in_two_dimensions(pairs, distances, rows: int) -> Compared:
    ones = np.ones(rows)
    return Compared(np.array(pairs), np.array(distances), ones, 2 * ones, ones, ones == 0)


def test_what_is_near_by_chance():
    """Of 10 neighbours in two dimensions the nearest is within half the radius with 1 − (3/4)^9; 99 rows ask nothing.

    Benjamini and Hochberg: p · tests / rank.
    """
    compared = compared_in_two_dimensions([[0, 1]], [0.25], 100)
    p = 1 - 0.75**9
    assert compared.relative.tolist() == [0.25]
    assert compared.by_chance == pytest.approx([1.0])
    many = compared_in_two_dimensions([[0, 1], [2, 3]], [1e-8, 1.1e-8], 4)
    p = 1 - (1 - np.array([1e-8, 1.1e-8])) ** 9
    assert many.by_chance == pytest.approx([p[1] * 4 / 2] * 2, rel=1e-4)
