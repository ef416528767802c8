"""Evidence is read once, whatever array holds it."""

from __future__ import annotations

import numpy as np

from labelaudit.detection.noise import estimate_noise
from labelaudit.detection.readings import Readings


def test_the_same_evidence_is_read_once_and_other_evidence_or_labels_anew():
    asked = []

    def read(evidence, labels):
        asked.append((evidence.sum(), labels.sum()))
        return len(asked)

    def read_otherwise(evidence, labels):
        return "otherwise"

    evidence, labels, told = np.arange(6.0).reshape(3, 2), np.array([0, 1, 1]), []
    readings = Readings()
    readings.advance = told.append
    for same in (evidence, evidence.copy(), np.asfortranarray(evidence)):
        assert readings.of(read, same, labels) == 1
    assert readings.of(read, evidence + 1, labels) == 2
    assert readings.of(read, evidence, labels[::-1]) == 3
    assert readings.of(read_otherwise, evidence, labels) == "otherwise"
    assert len(asked) == 3
    assert sum(told) == 6


def test_noise_is_the_same_by_what_was_read_before(monkeypatch):
    draw = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 60)
    sharp, blunt = (times * np.eye(3)[labels] + draw.normal(size=(180, 3)) for times in (3, 2))
    labels[:12] = 1
    readings = Readings()
    expected = estimate_noise(sharp, labels, [blunt])
    estimate_noise(sharp, labels, readings=readings)
    asked = []
    monkeypatch.setattr("labelaudit.detection.noise._fit", lambda *arguments: asked.append(1))
    again = estimate_noise(sharp, labels, readings=readings)
    assert not asked
    monkeypatch.undo()
    both = estimate_noise(sharp, labels, [blunt], readings=readings)
    assert both.share == expected.share
    np.testing.assert_array_equal(both.transition, expected.transition)
    np.testing.assert_array_equal(again.transition, expected.transition)
