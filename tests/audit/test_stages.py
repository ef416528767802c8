"""The plan of an audit, counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelaudit import scan
from labelaudit.audit.needs import FoldNeeds
from labelaudit.audit.stages import AuditSize, check_room, needs_in_words, parts_of
from labelaudit.detection.needs import JudgingCosts
from labelaudit.errors import InputError
from labelaudit.runtime.large_arrays import files_in
from labelaudit.runtime.machine import USABLE_FRACTION
from labelaudit.training.optimizers import SGD
from labelaudit.training.recording import Recording, plan_recording
from labelaudit.training.window import Window
from tests.support.progress import Stages

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
        (AuditSize(1000, 10, 1), 4 * 1000 * 10 * 8),
        (AuditSize(1000, 10, 2), 6 * 1000 * 10 * 8),
        (AuditSize(1000, 10, 5, second_view=True, refitted=True, trees=True), (9 + 5) * 1000 * 10 * 8),
        (
            AuditSize(200_000, 100, 2),
            4 * 200_000 * 100 * 4 + 4 * 100_000 * 100 * 8,
        ),  # halves are small enough for float64
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


def test_a_resumed_run_has_less_to_do():
    names = [(part.name, part.times) for part in parts_of(NEEDS, AuditSize(1000, 10, 3), JUDGING, done=1)]
    assert names == [("fine-tuning", 2), ("sweeping back", 2), ("judging labels", 1)]


def test_what_has_no_room_on_the_disk_is_refused_with_what_would_fit(monkeypatch, tmp_path):
    size = AuditSize(2_000_000, 10_000, 2)
    needed = 8 * 2_000_000 * 10_000 * 4 - 2 * 2 * 2_000_000 * 10_000 * 4 // 2
    assert size.arrays == (0, needed)
    monkeypatch.setattr("labelaudit.audit.stages.free_disk", lambda folder: needed / USABLE_FRACTION / 2)
    with files_in(tmp_path), pytest.raises(InputError) as refused:
        check_room(size)
    assert str(refused.value) == (
        f"2,000,000 rows × 10,000 classes need 480.0 GB on the disk of {tmp_path}, where 240.0 GB may be used: "
        "1,000,000 rows with as many classes would fit, or 5,000 classes with as many rows; or set TMPDIR or the "
        "output to a larger disk"
    )
    check_room(AuditSize(1000, 10, 2))


def blobs(wrong):
    """Two kinds of rows that are easy to tell apart, of which the first few are called the other."""
    true = np.arange(90) % 2
    values = np.random.default_rng(0).normal(size=(90, 3)) + 6 * true[:, None]
    return values, np.where(np.arange(90) < wrong, 1 - true, true)


def as_table(wrong):
    values, labels = blobs(wrong)
    return pd.DataFrame(values, columns=["a", "b", "c"]), labels


def as_texts(wrong):
    words = (("ball", "goal", "team", "match"), ("soup", "salt", "oven", "bread"))
    labels = blobs(wrong)[1]
    two = [(words[row % 2][row // 2 % 4], words[row % 2][row // 8 % 4]) for row in range(90)]
    return [f"{first} {second} n{row}" for row, (first, second) in enumerate(two)], labels


@pytest.mark.parametrize(
    ("data", "options", "again"),
    [
        (blobs(0), {"folds": "3"}, 0),
        (blobs(6), {"folds": "3"}, 3),
        (blobs(6), {"folds": "2"}, 0),
        (blobs(6), {"test_fraction": 0.3}, 0),
        (as_table(6), {"folds": "3"}, None),
        (as_texts(6), {"folds": "3"}, None),
    ],
)
def test_every_stage_is_told_to_its_end_and_nothing_is_trained_again_without_suspects(data, options, again):
    told = Stages()
    scan(*data, model="lr", epochs=15, progress=told, **options)
    assert [stage for stage in told.stages if stage[1] != stage[2]] == []
    names = [name for name, _, _ in told.stages]
    if again is not None:
        assert sum("without suspects" in name for name in names) == again
    fine_tunes = [name for name in names if name.endswith("fine-tuning")]
    assert len(fine_tunes) == (1 if "test_fraction" in options else int(options["folds"]))
