"""Copies with different labels: worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit.detection.contradictions import (
    contradicting_rows,
    join_copies,
    surely_wrong,
    with_surely_wrong,
)
from labelaudit.detection.noise import Noise
from labelaudit.detection.share import Share

T = np.array([[0.9, 0.08, 0.02], [0.2, 0.75, 0.05], [0.01, 0.01, 0.98]])
NOISE = Noise(Share(0.1, 0.05, 0.2), T, 1.0)


def posterior_of(p, labels):
    joint = p * T[:, labels].T
    return joint / joint.sum(1, keepdims=True)


def test_the_joint_posterior_is_that_of_bayes_rule():
    """One network says one thing of all copies; their labels are drawn from T, each for itself."""
    p = np.array([0.3, 0.6, 0.1])
    labels, alike = np.array([2, 1, 0, 1, 0]), np.array([-1, 4, 4, 4, -1])
    found = posterior_of(np.tile(p, (5, 1)), labels)
    before = found.copy()
    join_copies(found, labels, alike, NOISE)
    wanted = p * T[:, 1] * T[:, 0] * T[:, 1]
    assert np.allclose(found[1:4], wanted / wanted.sum())
    assert np.array_equal(found[[0, 4]], before[[0, 4]])


def test_each_group_is_judged_by_its_own_rows():
    """Two groups beside each other, and one that lies among their rows: as if each were alone."""
    labels, alike = np.array([0, 1, 2, 0, 1, 2, 0]), np.array([3, 3, 5, 5, 9, 5, 9])
    p = np.random.default_rng(0).dirichlet(np.ones(3), size=7)
    found = posterior_of(p, labels)
    alone = found.copy()
    join_copies(found, labels, alike, NOISE)
    for group in (3, 5, 9):
        members = np.flatnonzero(alike == group)
        its = alone[members].copy()
        join_copies(its, labels[members], np.zeros(len(members), dtype=np.int64), NOISE)
        assert np.allclose(found[members], its)
    assert len(np.unique(found.round(6), axis=0)) == 3


def test_copies_with_one_label_stay_as_they_are():
    labels, alike = np.array([1, 1, 0, 2]), np.array([0, 0, 1, -1])
    found = posterior_of(np.full((4, 3), 1 / 3), labels)
    before = found.copy()
    join_copies(found, labels, alike, NOISE)
    assert np.array_equal(found, before)


@pytest.mark.parametrize("favourite", [0, 1])
def test_where_no_mistakes_were_seen_the_network_decides_between_the_labels(favourite):
    """All but certain of each label by itself, as where the share of wrong labels is 0, one of two has to be wrong."""
    noise = Noise(Share(0.0, 0.0, 0.0, "none seen"), np.full((3, 3), 5e-4) + np.eye(3) * 0.9985, 1.0)
    p = np.array([0.04, 0.04, 0.01])
    p[favourite] = 0.95
    labels, alike = np.array([0, 1]), np.array([0, 0])
    joint = p * noise.transition[:, labels].T
    found = joint / joint.sum(1, keepdims=True)
    join_copies(found, labels, alike, noise)
    assert found[0, favourite] == pytest.approx(0.95 / 0.99, rel=1e-2)
    assert (1 - found[[0, 1], labels]).sum() == pytest.approx(1, abs=1e-3)


def test_certainties_are_no_obstacle():
    labels, alike = np.array([0, 1]), np.array([0, 0])
    found = np.eye(3)[labels]
    join_copies(found, labels, alike, NOISE)
    assert np.isfinite(found).all()
    assert np.allclose(found.sum(1), 1)


def test_at_least_so_many_are_wrong():
    labels = np.array([0, 1, 1, 1, 2, 2, 5, 5, 3, 4])
    alike = np.array([7, 7, 7, 2, 2, 2, 1, 1, -1, -1])
    assert contradicting_rows(labels, alike).tolist() == [3, 4, 5, 0, 1, 2]
    assert surely_wrong(labels, alike) == 2
    assert surely_wrong(labels, np.full(10, -1)) == 0
    assert len(contradicting_rows(labels, np.full(10, -1))) == 0


def test_the_share_is_no_less_than_what_is_sure():
    none, measured = Share(0.0, 0.0, 0.03, "none seen"), Share(0.1, 0.05, 0.2)
    assert with_surely_wrong(measured, 40, 1000) is measured
    assert with_surely_wrong(none, 0, 1000) is none
    told = with_surely_wrong(none, 10, 1000)
    assert (told.verdict, told.low, told.point, told.high, told.seen) == ("measured", 0.01, 0.01, 0.03, 0.01)
    unknown = with_surely_wrong(Share(0.0, 0.0, 0.03, "cannot tell"), 50, 1000)
    assert (unknown.verdict, unknown.low, unknown.point, unknown.high) == ("cannot tell", 0.05, 0.05, 0.05)
