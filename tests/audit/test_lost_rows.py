"""Images that change or vanish during a run are unreadable, with the reason, and never trained on as zeros."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labelaudit import InputError, scan
from labelaudit.checking.baseline import save_baseline
from labelaudit.checking.verdict import Limits
from labelaudit.commands.check import check
from labelaudit.commands.flip_test import flip_test
from labelaudit.commands.scan import scan_and_keep
from labelaudit.config import AuditConfig, ModelConfig, TrainingConfig
from labelaudit.runtime.checkpoints import RunFolder
from tests.support.paths import SAMPLE

CONFIG = AuditConfig(model=ModelConfig(name="lr", image_cache="none"), training=TrainingConfig(epochs=3))


@pytest.fixture
def data(tmp_path) -> Path:
    for digit in "017":
        (tmp_path / "data" / digit).mkdir(parents=True)
        for file in sorted((SAMPLE / "train" / digit).iterdir())[:12]:
            shutil.copy(file, tmp_path / "data" / digit)
    return tmp_path / "data"


class Meanwhile:
    """A progress that does something to the files in the middle of the first fine-tune."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act: Callable[[], object] | None = act
        self.notes: list[str] = []

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        def advance(amount: int) -> None:
            if "fine-tuning" in name and self.act is not None:
                act, self.act = self.act, None
                act()

        yield advance

    def note(self, text: str) -> None:
        self.notes.append(text)


def first(data: Path) -> Path:
    return sorted((data / "1").iterdir())[0]


@pytest.mark.parametrize("how", ["vanishes", "changes", "breaks"])
def test_a_row_that_is_lost_is_unreadable_and_the_others_are_scored_as_without_it(data, tmp_path, how):
    victim = first(data)

    def act() -> None:
        if how == "vanishes":
            victim.unlink()
        else:
            victim.write_bytes(other if how == "changes" else b"broken")

    other = sorted((data / "7").iterdir())[0].read_bytes()
    watch = Meanwhile(act)
    folder = RunFolder(tmp_path / "run", every_seconds=0)
    report = scan(data, config=CONFIG, progress=watch, run_folder=folder)
    frame = report.to_pandas().set_index("id")
    lost = frame.loc[f"1/{victim.name}"]
    assert lost["status"] == "unreadable"
    reason = {"vanishes": "cannot be read: No such file", "changes": "has changed since", "breaks": "not an image"}[how]
    assert lost["reason"].startswith(reason)
    assert frame.drop(index=f"1/{victim.name}")["status"].eq("scored").all()
    assert any("1 image changed or vanished during the run" in note for note in watch.notes)
    assert not folder.folder.exists()  # what was saved is of other rows
    victim.unlink(missing_ok=True)
    victim.write_bytes(b"never an image")
    assert scan(data, config=CONFIG).table["score"].equals(report.table["score"])


def test_several_lost_rows_the_first_among_them_make_the_run_begin_anew_once(data):
    victims = [sorted((data / digit).iterdir())[0] for digit in "017"]
    watch = Meanwhile(lambda: [victim.unlink() for victim in victims])
    report = scan(data, config=CONFIG, progress=watch)
    assert report.table["status"].to_pylist().count("unreadable") == 3
    assert [note for note in watch.notes if "changed or vanished" in note] == [
        "3 images changed or vanished during the run: unreadable now, and the run begins anew without"
    ]


@pytest.mark.parametrize("noise", ["symmetric", "confusion"])
def test_all_runs_of_a_flip_test_do_without_what_was_lost_in_the_first(data, tmp_path, noise):
    victim = sorted((data / "0").iterdir())[0]
    watch = Meanwhile(victim.unlink)
    folder = RunFolder(tmp_path / "run", every_seconds=0)
    found = flip_test(data, 0.2, noise, seeds=2, config=CONFIG, progress=watch, run_folder=folder)
    for report in found.reports:
        frame = report.to_pandas().set_index("id")
        assert frame.index[frame["status"] != "scored"].tolist() == [f"0/{victim.name}"]
    assert sum("changed or vanished" in note for note in watch.notes) == 1


def test_too_many_lost_rows_stop_the_run(data):
    watch = Meanwhile(lambda: [file.unlink() for file in sorted((data / "0").iterdir())[:8]])
    with pytest.raises(InputError, match=r"of the 36 rows in .* are unreadable, more than `max_unreadable` 0.1 allows"):
        scan(data, config=CONFIG, progress=watch)


def test_a_check_leaves_lost_rows_out_too(data, tmp_path):
    report, audit = scan_and_keep(data, config=CONFIG)
    (tmp_path / "baseline").mkdir()
    save_baseline(tmp_path / "baseline", report, audit)
    for file in sorted((SAMPLE / "train" / "1").iterdir())[12:15]:
        shutil.copy(file, data / "1")
    victim = sorted((data / "1").iterdir())[-1]
    watch = Meanwhile(victim.unlink)
    result = check(data, tmp_path / "baseline", limits=Limits(suspects=None), progress=watch)
    rows = {row.id: row for row in result.changes}
    assert len(rows) == 3
    assert rows[f"1/{victim.name}"].problem == "cannot be read: No such file or directory"
    assert sum(row.score is not None for row in rows.values()) == 2
