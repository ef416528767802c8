"""A run that was stopped goes on with what it kept, and only as itself; kills are in `faults/test_resumed.py`."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from labelaudit.commands.scan import scan
from labelaudit.config import AuditConfig
from labelaudit.errors import InputError, RunError
from labelaudit.runtime.checkpoints import RunFolder
from labelaudit.training.fine_tune import backpropagate
from labelaudit.training.recording import plan_recording
from tests.support.data import digit_folders
from tests.support.progress import Interrupted, StopsAt
from tests.support.resuming import settings


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return digit_folders(tmp_path_factory.mktemp("digits"), "017", 14)


def begun(source: Path, folder: Path, config: AuditConfig) -> RunFolder:
    with pytest.raises(Interrupted):
        scan(
            source, config=config, progress=StopsAt("Fold 2 of 2: sweeping", 3), run_folder=RunFolder(folder, False, 0)
        )
    return RunFolder(folder, resume=True, every_seconds=0)


def test_what_is_there_is_not_computed_again(source, tmp_path, monkeypatch):
    whole = scan(source, config=settings())
    folder = begun(source, tmp_path / "run", settings("disk"))
    assert (tmp_path / "run" / "fold-0" / "result.safetensors").exists()
    crossed: list[int] = []

    def never(*_: object) -> None:
        raise AssertionError("a step is trained again")

    def count(*arguments: object) -> object:
        crossed.append(1)
        return backpropagate(*arguments)

    monkeypatch.setattr("labelaudit.training.fine_tune.take_step", never)
    monkeypatch.setattr("labelaudit.influence.dit.backpropagate", count)
    resumed = scan(source, config=settings("disk"), run_folder=folder)
    assert len(crossed) == 5  # of the window's seven steps; the interruption came when the third was done but not saved
    assert resumed.table["score"].equals(whole.table["score"])


def test_a_run_goes_on_with_the_trajectory_it_began_with(source, tmp_path, monkeypatch):
    """Memory that has become free since must not make the run look in memory for what is on disk."""
    whole = scan(source, config=settings("auto"))
    with monkeypatch.context() as patch:
        patch.setattr(
            "labelaudit.audit.fold.plan_recording", lambda *a, **k: plan_recording(*a, **{**k, "mode": "disk"})
        )
        folder = begun(source, tmp_path / "run", settings("auto"))
    resumed = scan(source, config=settings("auto"), run_folder=folder)
    assert resumed.table["influence"].equals(whole.table["influence"])


def test_another_run_is_refused_by_the_name_of_what_differs(source, tmp_path):
    folder = begun(source, tmp_path / "run", settings())
    before = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*.safetensors")}
    with pytest.raises(InputError, match=r"is another one: settings.seed was 0 and is now 1. Repeat its settings"):
        scan(source, config=settings(seed=1), run_folder=folder)
    with pytest.raises(InputError, match=r"holds an unfinished run; go on with `resume`, or start anew"):
        scan(source, config=settings(), run_folder=RunFolder(tmp_path / "run"))
    (source / "0" / "extra.png").write_bytes(next((source / "1").iterdir()).read_bytes())
    try:
        with pytest.raises(InputError, match=r"is another one: data was '\w+' and is now '\w+'"):
            scan(source, config=settings(), run_folder=folder)
    finally:
        (source / "0" / "extra.png").unlink()
    assert before == {file: file.read_bytes() for file in (tmp_path / "run").rglob("*.safetensors")}
    with pytest.raises(InputError, match="there is no unfinished run in"):
        scan(source, config=settings(), run_folder=RunFolder(tmp_path / "none", resume=True))


@pytest.mark.parametrize("damaged", ["run.json", "fold-0/result.safetensors", "fold-1/sweep.safetensors"])
def test_a_truncated_file_is_refused_and_left(source, tmp_path, damaged):
    folder = begun(source, tmp_path / "run", settings())
    file = tmp_path / "run" / damaged
    half = file.read_bytes()[: file.stat().st_size // 2]
    file.write_bytes(half)
    with pytest.raises(InputError, match=rf"`resume`: .*{file.name} is damaged .*; start anew with `overwrite`"):
        scan(source, config=settings(), run_folder=folder)
    assert file.read_bytes() == half


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(source, tmp_path, monkeypatch):
    whole = scan(source, config=settings())
    room = 12

    def fsync(handle: int) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(RunError, match=r"cannot write .*No space left on device.*make room, then go on with `resume`"):
        scan(source, config=settings("disk"), run_folder=RunFolder(tmp_path / "run", False, 0))
    monkeypatch.undo()
    kept = list((tmp_path / "run").rglob("*.safetensors"))
    assert kept
    assert not list((tmp_path / "run").rglob(".*"))  # no half-written file is left
    resumed = scan(source, config=settings("disk"), run_folder=RunFolder(tmp_path / "run", True, 0))
    assert whole.table["score"].equals(resumed.table["score"])
    assert whole.table["influence"].equals(resumed.table["influence"])
