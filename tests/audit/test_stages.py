"""The plan of an audit, counted by hand."""

from __future__ import annotations

import pytest

from labelaudit.audit.needs import FoldNeeds
from labelaudit.audit.stages import AuditSize, needs_in_words, parts_of
from labelaudit.detection.needs import JudgingCosts
from labelaudit.training.optimizers import SGD
from labelaudit.training.recording import Recording, plan_recording
from labelaudit.training.window import Window

RECORDING: Recording = plan_recording([Window("last", 5, 6)], 6, 4000, SGD(0.0, 0.0), memory=10**6)
NEEDS = FoldNeeds(RECORDING, 5_000_000, fine_tuning=100.0, sweeping=30.0)
JUDGING = JudgingCosts(reading=7.0, joining=1.0)


def planned(**size):
    return [(part.name, part.planned) for part in parts_of(NEEDS, AuditSize(1000, 10, **size), JUDGING)]


def test_stages_are_planned_by_what_there_is_to_do():
    fold = [("fine-tuning", 100.0), ("sweeping back", 30.0)]
    # the training and the influence are joined, and the labels are read from the training
    assert planned(folds=1) == [*fold, ("judging labels", 7 + 2)]
    folds = [("fine-tuning", 300.0), ("sweeping back", 90.0)]
    assert planned(folds=3, trees=True) == [*folds, ("judging labels", 2 * 7 + 4)]
    assert planned(folds=3, second_view=True, refitted=True) == [
        *folds,
        ("fine-tuning on the second encoding", 300.0),
        ("judging labels", 3 * 7 + 3),
        ("fine-tuning without suspects", 300.0),
        ("fine-tuning on the second encoding, without suspects", 300.0),
        ("judging labels", 7 + 4),
    ]


@pytest.mark.parametrize(
    ("size", "arrays"),
    [
        (AuditSize(1000, 10, 2), 6 * 1000 * 10 * 8),
        (AuditSize(1000, 10, 2, second_view=True, refitted=True, trees=True), 11 * 1000 * 10 * 8),
        (AuditSize(200_000, 100, 2), 6 * 200_000 * 100 * 4),
    ],
)
def test_all_that_is_found_of_rows_and_classes_counts_as_memory_or_disk(monkeypatch, size, arrays):
    monkeypatch.setattr("labelaudit.audit.stages.in_file", lambda rows, classes: False)
    assert size.arrays == (arrays, 0)
    monkeypatch.setattr("labelaudit.audit.stages.in_file", lambda rows, classes: True)
    assert size.arrays == (0, arrays)


def test_what_an_audit_takes_in_words():
    size = AuditSize(100_000, 10, 2)
    parts = parts_of(NEEDS, size, JUDGING)
    expected = "4 min, 53.0 MB of memory beside the data"  # 5 MB, 4 kB for a state and 48 MB of float64
    assert needs_in_words(NEEDS, size, parts) == expected
    busy = FoldNeeds(RECORDING, 5_000_000, 100.0, 30.0, waiting=1.6)
    assert needs_in_words(busy, size, parts) == f"{expected}; other programs use this machine now, and slow it down"
