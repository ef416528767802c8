"""The gate and copies: with another label, in the test set, nearly the same."""

from __future__ import annotations

import dataclasses
import shutil

from PIL import Image

from labelaudit import AuditConfig
from labelaudit.checking.baseline import save_baseline
from labelaudit.checking.verdict import Limits
from labelaudit.commands.check import check, folds_of
from labelaudit.commands.scan import scan_and_keep
from labelaudit.config import ModelConfig, TrainingConfig
from tests.support.updates import add, right_digits


def test_new_rows_that_contradict_a_copy_fail_until_accepted_or_not_asked_for(updated):
    old = sorted((updated / "data" / "3").iterdir())[0]
    (new,) = add(updated, "8", "8", 1)
    shutil.copy(old, updated / "data" / "5" / "twin.png")
    shutil.copy(updated / "data" / new, updated / "data" / "4" / "both-new.png")
    shutil.copy(old, updated / "data" / "3" / "same.png")
    many = Limits(suspects=None)
    result = check(updated / "data", updated / "baseline", limits=many)
    found = {row.id: (row.contradicts, row.contradicts_label) for row in result.changes if row.contradiction}
    assert found == {"5/twin.png": (f"3/{old.name}", "3"), new: ("4/both-new.png", "4"), "4/both-new.png": (new, "8")}
    assert result.failures == ("3 new rows have a copy with another label",)
    groups = result.report.to_pandas().groupby("duplicate_group")["id"].agg(set).tolist()
    assert sorted(map(len, groups)) == [2, 3]  # of the page: those with new rows
    assert {*found} < set().union(*groups)
    suspects_alone = dataclasses.replace(many, fail_on=frozenset({"suspects"}))
    assert check(updated / "data", updated / "baseline", limits=suspects_alone).failures == ()
    (updated / "ok.txt").write_text("\n".join(found))
    accepted = check(updated / "data", updated / "baseline", limits=many, accepted=updated / "ok.txt")
    assert accepted.failures == ()


def test_the_page_of_a_check_has_near_copies_of_new_rows_only(updated):
    """Pictures once more as files of another kind: the pixels are the same, the bytes are not."""
    old, new = sorted((updated / "data" / "3").iterdir())[:2]
    Image.open(old).save(updated / "data" / "5" / "again.bmp")
    config = AuditConfig(model=ModelConfig(name="lr"), training=TrainingConfig(epochs=1))
    report, audit = scan_and_keep(updated / "data", config=config)
    assert set(near_copies_in(report)) == {f"3/{old.name}", "5/again.bmp"}
    (updated / "anew").mkdir()
    save_baseline(updated / "anew", report, audit)
    Image.open(new).save(updated / "data" / "4" / "again.bmp")
    result = check(updated / "data", updated / "anew", limits=Limits(suspects=None))
    assert [row.id for row in result.changes] == ["4/again.bmp"]
    assert near_copies_in(result.report) == {f"3/{new.name}": "4/again.bmp", "4/again.bmp": f"3/{new.name}"}


def near_copies_in(report) -> dict[str, str]:
    frame = report.to_pandas().set_index("id")
    return {name: frame.index[int(row)] for name, row in frame["near_duplicate_of"].dropna().items()}


def test_new_rows_that_the_test_set_has_are_leaks(tmp_path):
    for folder, rows in (("data", slice(0, 12)), ("test", slice(12, 18))):
        for digit in "017":
            (tmp_path / folder / digit).mkdir(parents=True)
            for file in right_digits(digit)[rows]:
                shutil.copy(file, tmp_path / folder / digit)
    config = AuditConfig(model=ModelConfig(name="lr"), training=TrainingConfig(epochs=2))
    report, audit = scan_and_keep(tmp_path / "data", tmp_path / "test", config=config)
    (tmp_path / "baseline").mkdir()
    save_baseline(tmp_path / "baseline", report, audit)
    for file in right_digits("0")[11:14]:  # the first is in the data, the others in the test set
        shutil.copy(file, tmp_path / "data" / "0" / f"new-{file.name}")
    result = check(tmp_path / "data", tmp_path / "baseline", limits=Limits(suspects=None))
    assert [row.leak for row in sorted(result.changes, key=lambda row: row.row)] == [False, True, True]
    assert "2 new rows are in the test set, too" in result.failures


def test_copies_are_dealt_to_their_like(updated, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "labelaudit.commands.check.folds_of", lambda *arguments: seen.append(folds_of(*arguments)) or seen[-1]
    )
    old = sorted((updated / "data" / "3").iterdir())[0]
    (new,) = add(updated, "8", "8", 1)
    for number, file in enumerate((old, updated / "data" / new, updated / "data" / new)):
        (updated / "data" / "3" / f"copy-{number}.png").write_bytes(file.read_bytes())
    check(updated / "data", updated / "baseline", limits=Limits(suspects=8))
    ids = sorted(path.relative_to(updated / "data").as_posix() for path in (updated / "data").glob("*/*.png"))
    fold_of = {ids[row]: number for number, fold in enumerate(seen[0]) for row in fold.query}
    assert fold_of["3/copy-0.png"] == fold_of[f"3/{old.name}"]
    assert fold_of["3/copy-1.png"] == fold_of["3/copy-2.png"] == fold_of[new]
