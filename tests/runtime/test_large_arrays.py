"""Arrays of rows × classes: their kind, their files, and what goes through them in blocks."""

from __future__ import annotations

import errno
import os
from weakref import WeakSet

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from labelaudit import scan
from labelaudit.errors import RunError
from labelaudit.runtime import large_arrays
from labelaudit.runtime.large_arrays import (
    add_to,
    blocks,
    cells,
    files_in,
    is_finite,
    largest,
    largest_other,
    of_given,
    put_log_softmax,
)

VALUES = np.array([[1.0, 3.0, 2.0], [5.0, 4.0, 6.0], [9.0, 8.0, 7.0]])
LABELS = np.array([1, 0, 2])


@pytest.fixture
def everything_in_files(monkeypatch, tmp_path):
    """As if three numbers were many, and nothing were free."""
    monkeypatch.setattr(large_arrays, "DOUBLE_CELLS", 0)
    monkeypatch.setattr(large_arrays, "FILE_SHARE", 1e18)
    monkeypatch.setattr(large_arrays, "_maps", WeakSet())
    with files_in(tmp_path / "run"):
        yield tmp_path / "run"


@pytest.fixture(params=[1, 3, 6, 1 << 17])
def block_cells(request, monkeypatch):
    monkeypatch.setattr(large_arrays, "BLOCK_CELLS", request.param)


def test_blocks_are_all_rows_in_order(monkeypatch):
    monkeypatch.setattr(large_arrays, "BLOCK_CELLS", 20)
    assert list(blocks(10, 5)) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert list(blocks(2, 50)) == [slice(0, 1), slice(1, 2)]
    assert list(blocks(0, 3)) == []


def test_what_goes_through_blocks(block_cells):
    assert of_given(VALUES, LABELS).tolist() == [3, 5, 7]
    assert largest(VALUES).tolist() == [1, 2, 0]
    assert largest_other(VALUES, LABELS).tolist() == [2, 2, 0]
    into = np.full((5, 3), -1.0)
    put_log_softmax(VALUES, 0.5, into, np.array([4, 0, 2]))
    np.testing.assert_allclose(into[[4, 0, 2]], log_softmax(0.5 * VALUES, axis=1), rtol=1e-12)
    assert (into[[1, 3]] == -1).all()
    total = torch.from_numpy(VALUES.copy())
    add_to(total, torch.ones(3, 3), 0.5)
    np.testing.assert_allclose(total.numpy(), (VALUES + 1) / 2)
    broken = torch.from_numpy(VALUES.copy())
    assert is_finite(broken)
    broken[2, 2] = np.nan
    assert not is_finite(broken)
    assert not is_finite(broken[2])


def test_large_arrays_are_of_single_precision(monkeypatch):
    monkeypatch.setattr(large_arrays, "DOUBLE_CELLS", 12)
    assert cells(4, 3).dtype == np.float64
    assert cells(13, 1).dtype == np.float32
    assert cells(2, 2, dtype=np.float32).dtype == np.float32
    assert np.isnan(cells(13, 1, np.nan)).all()


def test_files_have_no_name_and_keep_what_is_written_when_their_pages_are_given_back(everything_in_files, monkeypatch):
    monkeypatch.setattr(large_arrays, "KEPT_BYTES", 1)
    first, second = cells(1000, 30), cells(1000, 30, 2.5)
    assert len(large_arrays._maps) == 2
    assert list(everything_in_files.iterdir()) == []
    for block in blocks(1000, 30):
        first[block] = np.arange(1000)[block, None]
    np.testing.assert_array_equal(first, np.tile(np.arange(1000)[:, None], 30))
    assert (second == 2.5).all()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="there a file cannot be given its room at once")
def test_a_full_disk_says_what_would_fit(everything_in_files, monkeypatch):
    def full(descriptor, start, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(RunError, match=r"2,000 rows × 300 classes need 2.4 MB more on the disk of .*: .*No space left"):
        cells(2000, 300)


def table():
    draw = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 40)
    rows = 2 * np.eye(3)[labels] + draw.normal(size=(120, 3))
    labels[::9] = (labels[::9] + 1) % 3
    return rows, labels.astype(str)


@pytest.mark.parametrize("folds", ["auto", "2"])
def test_an_audit_with_all_of_it_in_files_says_the_same(folds, request, monkeypatch):
    rows, labels = table()
    in_memory = scan(rows, labels, model="lr", folds=folds).to_pandas()
    request.getfixturevalue("everything_in_files")
    monkeypatch.setattr(large_arrays, "BLOCK_CELLS", 30)
    in_files = scan(rows, labels, model="lr", folds=folds).to_pandas()
    for column in ("score", "influence", "loss", "p_label"):
        np.testing.assert_allclose(in_files[column], in_memory[column], atol=1e-5, err_msg=column)
    assert in_files["suggested_label"].tolist() == in_memory["suggested_label"].tolist()
