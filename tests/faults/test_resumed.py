"""Runs that are killed at random points and gone on with: they end with the same bytes."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from labelaudit.commands.scan import scan
from labelaudit.config import AuditConfig
from labelaudit.report.report import Report
from labelaudit.runtime.checkpoints import RunFolder
from tests.support.data import digit_folders
from tests.support.processes import forked
from tests.support.resuming import settings

pytestmark = pytest.mark.faults
KILLS = {"memory": 7, "replay": 7, "disk": 6}  # of runs that keep their trajectory so


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return digit_folders(tmp_path_factory.mktemp("digits"), "017", 14)


class Countdown:
    """A progress that ends the process at the n-th event: some rows done, or a file on its way to the disk."""

    def __init__(self, events: int) -> None:
        self.left = events

    def event(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[object]:
        yield self.event

    def note(self, text: str) -> None: ...


def child(source: Path, folder: Path, config: AuditConfig, resume: bool, events: int, out: Path) -> None:
    torch.set_num_threads(1)
    countdown = Countdown(events)
    fsync = os.fsync

    def dying_fsync(handle: int) -> None:
        countdown.event()
        fsync(handle)

    os.fsync = dying_fsync
    report = scan(source, config=config, progress=countdown, run_folder=RunFolder(folder, resume, every_seconds=0))
    os.fsync = fsync
    report.save(out)
    out.with_suffix(".events").write_text(str(events - countdown.left))


def run_child(*arguments: object) -> int:
    process = forked().Process(target=child, args=arguments)
    process.start()
    process.join()
    return process.exitcode


def scores(path: Path) -> list[bytes]:
    table = Report.load(path).table
    return [table[name].combine_chunks().buffers()[1].to_pybytes() for name in ("influence", "score", "loss")]


@pytest.fixture(scope="module")
def wholes(source, tmp_path_factory) -> dict[str, tuple[list[bytes], int]]:
    """The scores of runs nobody stopped, by how the trajectory is kept, and how many events they have."""
    folder = tmp_path_factory.mktemp("wholes")
    found = {}
    for mode in KILLS:
        out = folder / f"{mode}.parquet"
        assert run_child(source, folder / mode, settings(mode), False, 10**9, out) == 0
        found[mode] = scores(out), int(out.with_suffix(".events").read_text())
    return found


def test_however_the_trajectory_is_kept_the_scores_are_the_same(wholes):
    assert wholes["memory"][0] == wholes["replay"][0] == wholes["disk"][0]


@pytest.mark.parametrize("mode", KILLS)
def test_killed_at_random_points_and_resumed_it_ends_with_the_same_bytes(source, wholes, tmp_path, mode):
    generator = random.Random(mode)
    whole, events = wholes[mode]
    resumed = 0
    for number in range(2 * KILLS[mode]):
        if resumed == KILLS[mode]:
            break
        folder, out = tmp_path / f"run-{number}", tmp_path / f"resumed-{number}.parquet"
        died_at = generator.randrange(10, events)
        assert run_child(source, folder, settings(mode), False, died_at, out) == -signal.SIGKILL
        assert not out.exists()
        if not (folder / "run.json").exists():  # killed before there was anything to keep
            continue
        resumed += 1
        died_again = generator.randrange(1, max(2, events - died_at))
        assert run_child(source, folder, settings(mode), True, died_again, out) in (0, -signal.SIGKILL)
        if not out.exists():
            assert run_child(source, folder, settings(mode), True, 10**9, out) == 0
        assert scores(out) == whole, (died_at, died_again)
    assert resumed == KILLS[mode]
