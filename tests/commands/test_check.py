"""The gate, on real digits: a baseline of most of the sample, and updates of it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.special import expit
from typer.testing import CliRunner

from labelaudit import AuditConfig, InputError, audit_config
from labelaudit.checking.baseline import NETWORKS, load_baseline, save_baseline
from labelaudit.checking.formats import render
from labelaudit.checking.formats.json_document import read_json
from labelaudit.checking.verdict import Limits, is_accepted, read_accepted
from labelaudit.cli.app import app
from labelaudit.commands.check import check, folds_of
from labelaudit.commands.scan import scan_and_keep
from labelaudit.config import ModelConfig, SelectionRule, TrainingConfig
from labelaudit.report.report import Report
from labelaudit.report.wording import range_in_words
from labelaudit.runtime.tensor_files import load_tensors, save_tensors
from tests.support.paths import SAMPLE

TRUTH = {
    line.split(",")[0]: line.strip().split(",")[1]
    for line in (SAMPLE / "truth.csv").read_text(encoding="utf-8").splitlines()[1:]
}
PER_CLASS = 25  # in the baseline


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """The first rightly labelled digits of each class, and their baseline beside them."""
    folder = tmp_path_factory.mktemp("check")
    for digit in map(str, range(10)):
        (folder / "data" / digit).mkdir(parents=True)
        for file in right_digits(digit)[:PER_CLASS]:
            shutil.copy(file, folder / "data" / digit)
    config = AuditConfig(training=TrainingConfig(epochs=20))
    report, audit = scan_and_keep(folder / "data", config=config)
    (folder / "baseline").mkdir()
    save_baseline(folder / "baseline", report, audit)
    return folder


def right_digits(digit: str) -> list[Path]:
    files = sorted((SAMPLE / "train" / digit).iterdir())
    return [file for file in files if TRUTH[f"{digit}/{file.name}"] == digit]


@pytest.fixture
def updated(original, tmp_path) -> Path:
    """A copy to change, with its baseline."""
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy"


def add(folder: Path, digit: str, label: str, count: int) -> list[str]:
    """Add digits that are in no class yet, under a label, right or wrong; returns their ids."""
    ids = []
    there = {file.name.removeprefix(f"new-{digit}-") for file in folder.glob("data/*/*.png")}
    for file in [file for file in right_digits(digit) if file.name not in there][:count]:
        shutil.copy(file, folder / "data" / label / f"new-{digit}-{file.name}")
        ids.append(f"{label}/new-{digit}-{file.name}")
    return ids


def test_an_unchanged_dataset_passes_without_training(original, monkeypatch):
    monkeypatch.setattr("labelaudit.commands.check.audit", None)  # calling it would be an error
    result = check(original / "data", original / "baseline")
    assert (result.failures, result.changes, result.unchanged, result.removed) == ((), (), 250, 0)


def test_the_page_of_a_check_has_the_new_rows_only(updated):
    right, wrong = add(updated, "0", "0", 4), add(updated, "6", "7", 5)
    result = check(updated / "data", updated / "baseline")
    frame = result.report.to_pandas().set_index("id")
    assert frame["status"].value_counts().to_dict() == {"unchanged": 250, "scored": 9}
    assert sorted(frame["rank"].dropna()) == list(range(1, 10))
    assert set(frame.index[frame["rank"].notna()]) == {*right, *wrong}
    assert set(frame.index[frame["suspect"]]) == {row.id for row in result.suspects}
    result.report.to_html(updated / "new.html")
    page = (updated / "new.html").read_text(encoding="utf-8")
    assert all(f'"id": "{name}"' in page or name in page for name in (*right, *wrong))
    assert read_json(render(result, "json")) == result


def share_note(result):
    assert result.noise["verdict"] == "measured"
    return f"wrong labels in all rows (90% range): {range_in_words(result.noise)}"


def test_wrong_new_labels_fail_the_check_until_they_are_accepted(updated):
    right = [row for digit in "0123456789" for row in add(updated, digit, digit, 4)]
    wrong = add(updated, "0", "1", 5) + add(updated, "6", "7", 5)
    result = check(updated / "data", updated / "baseline")
    suspects = {row.id for row in result.suspects}
    assert len(result.changes) == 50
    assert {row.id for row in result.changes} == {*right, *wrong}
    assert result.failures == (f"{len(suspects)} new suspects, 0 allowed",)
    assert len(suspects & set(wrong)) >= 7
    assert len(suspects - set(wrong)) <= 6  # of 40
    first = result.suspects[0]
    assert (first.change, first.old_label, first.line) == ("added", None, None)
    assert first.path == str(updated / "data" / first.id)
    assert first.suggested_label == {"1": "0", "7": "6"}[first.label]

    (updated / "ok.txt").write_text("# looked at\n" + "".join(f"  {row}  \n" for row in suspects) + "gone.png\n")
    accepted = check(updated / "data", updated / "baseline", accepted=updated / "ok.txt")
    assert accepted.failures == ()
    assert {row.id for row in accepted.changes if row.accepted} == suspects
    assert accepted.notes == ("1 accepted id in no row, for example 'gone.png'", share_note(accepted))

    enough = check(updated / "data", updated / "baseline", limits=Limits(suspects=len(suspects)))
    assert enough.failures == ()
    share = check(updated / "data", updated / "baseline", limits=Limits(suspects=None, share=0.01))
    assert share.failures == (f"{len(suspects) / 50:.1%} of the 50 new rows are suspects, 1.0% allowed",)


def test_a_relabelled_row_is_found_by_its_content(updated):
    file = right_digits("0")[0]
    shutil.move(updated / "data" / "0" / file.name, updated / "data" / "1" / file.name)
    result = check(updated / "data", updated / "baseline", limits=Limits(suspects=5, relabelled=False))
    (row,) = result.changes
    assert (row.id, row.change, row.old_label, row.label) == (f"1/{file.name}", "relabelled", "0", "1")
    assert row.suspect
    assert row.suggested_label == "0"
    assert result.failures == ("1 row with another label than in the baseline",)
    assert result.removed == 0


def test_refreshing_makes_what_is_there_the_baseline(updated):
    add(updated, "3", "3", 4)
    (updated / "data" / "4" / right_digits("4")[0].name).unlink()
    before = check(updated / "data", updated / "baseline", limits=Limits(suspects=4), refresh=True)
    assert (len(before.changes), before.removed) == (4, 1)
    assert before.notes[-1] == "the baseline is refreshed"
    after = check(updated / "data", updated / "baseline")
    assert (after.changes, after.removed, after.unchanged) == ((), 0, 253)
    assert sorted(load_baseline(updated / "baseline").fold_of.bincount().tolist()) == [50, 50, 51, 51, 51]


def test_a_failing_check_refreshes_nothing(updated):
    add(updated, "0", "1", 5)
    stored = (updated / "baseline" / "report.parquet").read_bytes()
    result = check(updated / "data", updated / "baseline", refresh=True)
    assert result.failures
    assert result.notes == (share_note(result), "the baseline is as it was: the check fails")
    assert (updated / "baseline" / "report.parquet").read_bytes() == stored


def test_a_renamed_class_is_no_change(updated):
    (updated / "data" / "7").rename(updated / "data" / "seven")
    result = check(updated / "data", updated / "baseline")
    assert (result.changes, result.failures) == ((), ())
    assert result.notes == ("class '7' is now called 'seven'",)
    (new,) = add(updated, "7", "seven", 1)
    again = check(updated / "data", updated / "baseline", limits=Limits(suspects=1))
    assert [row.id for row in again.changes] == [new]
    assert again.changes[0].label == "seven"


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


def test_names_that_are_no_line_are_accepted_as_they_are_printed(updated):
    names = [b"new\nline.png", b"\xff\xfe.png", b"=cmd 'quo\"te.png", b"#7.png", b"<script>.png"]
    for name, file in zip(names, right_digits("0")[-5:], strict=True):
        shutil.copy(file, os.path.join(os.fsencode(updated / "data" / "1"), name))  # noqa: PTH118  # bytes
    result = check(updated / "data", updated / "baseline")
    assert len(result.suspects) >= 4
    text = render(result, "text")
    printed = ["1/new\\nline.png", "1/\\xff\\xfe.png", "1/=cmd 'quo\"te.png", "1/#7.png", "1/<script>.png"]
    assert all(name in text for name in printed)
    (updated / "ok.txt").write_text("\n".join(printed) + "\n")
    accepted = check(updated / "data", updated / "baseline", accepted=updated / "ok.txt")
    assert [row.accepted for row in accepted.changes] == [True] * 5
    assert accepted.failures == ()
    assert accepted.notes == (share_note(accepted),)


def test_rows_that_cannot_be_scored_are_named(updated):
    (updated / "data" / "3" / "broken.png").write_bytes(b"no image")
    shutil.copy(right_digits("3")[-1], updated / "data" / "loose.png")
    result = check(updated / "data", updated / "baseline")
    assert {row.id: (row.score, row.suspect) for row in result.changes} == {
        "3/broken.png": (None, False),
        "loose.png": (None, False),
    }
    problems = {row.id: row.problem for row in result.changes}
    assert problems == {"3/broken.png": "not an image", "loose.png": "no label given"}


def test_a_class_that_lost_its_rows_is_still_known(updated):
    shutil.rmtree(updated / "data" / "9")
    add(updated, "3", "3", 2)
    result = check(updated / "data", updated / "baseline", limits=Limits(suspects=2))
    assert (result.removed, len(result.changes), result.failures) == (PER_CLASS, 2, ())


def rewrite_metadata(baseline: Path, **values: object) -> None:
    report = Report.load(baseline)
    Report(report.table, report.metadata | values).save(baseline / "report.parquet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "data" / "5" / "x.png").rename(folder / "data" / "new class" / "x.png"),
         "class 'new class' \\(1 row, the first is new class/x.png\\) is not in the baseline, which knows 0, 1"),
        (lambda folder: [file.write_bytes(file.read_bytes() + b"\0") for file in folder.glob("data/*/*.png")],
         "none of the 252 rows of .* is in the baseline"),
        (lambda folder: (folder / "baseline" / NETWORKS).unlink(), "holds the report of a scan, and no baseline"),
        (lambda folder: (folder / "baseline" / NETWORKS).write_bytes(b"junk"), "networks.safetensors is damaged"),
        (lambda folder: rewrite_metadata(folder / "baseline", schema_version=99), "has report schema 99"),
        (lambda folder: rewrite_metadata(folder / "baseline", config={"model": "of another time"}),
         "was made by another version; make it anew"),
        (lambda folder: shutil.rmtree(folder / "baseline"), "does not exist; make one with: labelaudit baseline"),
        (lambda folder: (folder / "ok.txt").write_bytes(b"\xff\xfe\x00"), "cannot read .*ok.txt"),
    ],
)  # fmt: skip
def test_what_cannot_be_checked_is_refused(updated, change, message):
    (updated / "data" / "new class").mkdir()
    (updated / "ok.txt").write_text("")
    for number, name in enumerate(("x.png", "y.png")):
        shutil.copy(right_digits("5")[-1 - number], updated / "data" / "5" / name)
    change(updated)
    with pytest.raises(InputError, match=message):
        check(updated / "data", updated / "baseline", accepted=updated / "ok.txt")


def test_a_baseline_put_together_from_two_is_refused(updated):
    baseline = load_baseline(updated / "baseline")
    table = baseline.report.table
    other = Report(table, baseline.report.metadata | {"dataset_fingerprint": "another"})
    other.save(updated / "baseline" / "report.parquet")
    with pytest.raises(InputError, match="are of two audits"):
        load_baseline(updated / "baseline")


def test_another_networks_parameters_are_refused(updated):
    report, audit = scan_and_keep(updated / "data", config=AuditConfig(model=ModelConfig(name="lr")))
    path = updated / "baseline" / "report.parquet"
    own = {name: report.metadata[name] for name in ("dataset_fingerprint", "spot_check")}
    metadata = Report.load(path).metadata | own
    save_baseline(updated / "baseline", Report(report.table, metadata), audit)  # lr's networks, cnn's settings
    add(updated, "3", "3", 1)
    with pytest.raises(InputError, match="has 7,850 parameters, this one 50,186"):
        check(updated / "data", updated / "baseline")


def test_the_threshold_follows_the_baselines_aim(tmp_path):
    config = AuditConfig(model=ModelConfig(name="lr"), selection=SelectionRule(budget=40))
    report, audit = scan_and_keep(SAMPLE / "train", config=config)
    save_baseline(tmp_path, report, audit)
    baseline = load_baseline(tmp_path)
    scores = np.sort(report.to_pandas()["score"])[::-1]
    assert scores[39] > baseline.threshold > scores[40] - 1e-12
    assert baseline.config == config.model_copy(update={"source": report.dataset.settings})


def test_new_rows_are_dealt_out_evenly(updated, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "labelaudit.commands.check.folds_of", lambda *arguments: seen.append(folds_of(*arguments)) or seen[-1]
    )
    added = add(updated, "3", "3", 4) + add(updated, "8", "8", 4)
    check(updated / "data", updated / "baseline", limits=Limits(suspects=8))
    folds = seen[0]
    assert len(folds) == 5
    assert sorted(np.concatenate([fold.query for fold in folds])) == list(range(258))
    assert all(sorted([*fold.train, *fold.query]) == list(range(258)) for fold in folds)
    ids = sorted(path.relative_to(updated / "data").as_posix() for path in (updated / "data").glob("*/*.png"))
    for digit in "38":
        rows = {ids.index(name) for name in added if name.startswith(digit)}
        assert sorted(len(rows & set(fold.query)) for fold in folds) == [0, 1, 1, 1, 1]
    before = load_baseline(updated / "baseline")
    old = {row[0]: fold for row, fold in zip(before.rows, before.fold_of.tolist(), strict=True)}
    assert all(old[ids[row]] == (k + 1) % 5 for k, fold in enumerate(folds) for row in fold.query if ids[row] in old)


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


def test_the_networks_go_on_where_the_baseline_left_them(updated, monkeypatch):
    import labelaudit.audit.audit as module

    started = []
    original_put = module.WarmStart.load_into

    def put(self, model, number):
        original_put(self, model, number)
        started.append(model.theta.clone())

    monkeypatch.setattr(module.WarmStart, "load_into", put)
    add(updated, "3", "3", 1)
    check(updated / "data", updated / "baseline", limits=Limits(suspects=1))
    thetas = load_baseline(updated / "baseline").thetas
    assert all(torch.equal(one, other) for one, other in zip(started, thetas, strict=True))


def test_accepted_lists(tmp_path):
    (tmp_path / "list.txt").write_bytes("\ufeff# all fine\n\na b.png\n  c,d.png\t\n".encode())
    assert read_accepted(tmp_path / "list.txt") == {"# all fine", "a b.png", "c,d.png"}
    assert read_accepted(None) == set()
    assert not is_accepted("#7", read_accepted(tmp_path / "list.txt"))
    (tmp_path / "list.txt").write_text("#7\n#8 is fine\nline\\nbreak\n")
    accepted = read_accepted(tmp_path / "list.txt")
    assert [is_accepted(row_id, accepted) for row_id in ("#7", "#8", "line\nbreak", "7")] == [True, False, True, False]


def test_one_colour_image_or_some_larger_ones_change_nothing_of_what_the_network_takes(updated):
    """The baseline's networks take 28×28 grey; what a later version's images are like does not matter."""
    for number, file in enumerate(right_digits("5")[-4:]):
        with Image.open(file) as image:
            bigger = image.convert("RGB").resize((160, 160)) if number else image.convert("RGB")
            bigger.save(updated / "data" / "5" / f"colour-{number}.png")
    result = check(updated / "data", updated / "baseline", limits=Limits(suspects=4))
    assert [row.change for row in result.changes] == ["added"] * 4
    assert all(row.score is not None for row in result.changes)


FACTORY = "def make(num_classes, num_features):\n    from pathlib import Path\n    Path({mark!r}).touch()\n" + (
    "    import torch\n    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(num_features, num_classes))\n"
)


def test_what_a_baseline_names_is_never_imported(updated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evilmod.py").write_text(FACTORY.format(mark=str(tmp_path / "was-run")))
    rewrite_metadata(updated / "baseline", config=with_model(updated / "baseline", "evilmod:make"))
    add(updated, "0", "0", 1)
    for model in (None, "other:make"):
        with pytest.raises(InputError, match=r"`model`: .*evilmod:make"):
            check(updated / "data", updated / "baseline", model=model)
    report = Report.load(updated / "baseline")  # as `apply` and `report` do
    assert report.metadata["config"]["model"]["name"] == "evilmod:make"
    assert not (tmp_path / "was-run").exists()
    assert "evilmod" not in sys.modules
    with pytest.raises(InputError, match=r"`model`: lr is not what made the networks of .*evilmod:make"):
        check(updated / "data", updated / "baseline", model="lr")


def with_model(folder: Path, name: str) -> dict[str, object]:
    config = Report.load(folder).metadata["config"]
    return config | {"model": config["model"] | {"name": name}}


def test_a_factory_that_is_named_again_makes_the_networks(updated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mymodel17.py").write_text(FACTORY.format(mark=str(tmp_path / "was-run")))
    report, audit = scan_and_keep(updated / "data", config=AuditConfig(model=ModelConfig(name="mymodel17:make")))
    save_baseline(updated / "baseline", report, audit)
    add(updated, "0", "0", 1)
    result = check(updated / "data", updated / "baseline", model="mymodel17:make", limits=Limits(suspects=1))
    assert len(result.changes) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t | {"fold_of": t["fold_of"].clone().fill_(2**63 - 1)}, "the folds of its rows are not those"),
        (lambda t: t | {"fold_of": t["fold_of"][:-1]}, "it does not say the fold of each of the 250 rows"),
        (lambda t: t | {"fold_of": t["fold_of"].double()}, "it does not say the fold of each"),
        (lambda t: t | {"theta-0": t["theta-0"] * torch.nan}, "its networks are not one vector of finite numbers"),
        (lambda t: t | {"theta-0": t["theta-0"][None]}, "its networks are not one vector of finite numbers"),
        (lambda t: t | {"theta-7": t["theta-0"].clone()}, "its networks are not one vector of finite numbers"),
        (lambda t: {n: v for n, v in t.items() if n != "theta-1"}, "its networks are not one vector of finite numbers"),
        (lambda t: {n: v[1:] if n.startswith("theta") else v for n, v in t.items()}, "has .* parameters, this one"),
    ],
)  # fmt: skip
def test_networks_of_any_kind_are_checked(updated, change, message):
    add(updated, "0", "0", 1)
    tensors, metadata = load_tensors(updated / "baseline" / NETWORKS)
    save_tensors(updated / "baseline" / NETWORKS, change(tensors), metadata)
    with pytest.raises(InputError, match=message):
        check(updated / "data", updated / "baseline")


def test_a_flipped_bit_in_the_networks_is_damage(updated):
    file = updated / "baseline" / NETWORKS
    content = file.read_bytes()
    for place in range(8, len(content), len(content) // 40):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(InputError, match=r"networks.safetensors is damaged .*; make the baseline anew"):
            load_baseline(updated / "baseline")


def hard_table(rows, seed):
    """Two classes of which a network tells three quarters."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(draw.normal(size=(rows, 2)), columns=["a", "b"])
    frame["label"] = np.where(draw.random(rows) < expit(2 * frame["a"]), "yes", "no")
    return frame


def test_a_gate_that_cannot_tell_does_not_pass_in_silence(tmp_path):
    options = {"model": "lr", "epochs": 20, "trees": "off", "label_column": "label"}
    frame = pd.concat([hard_table(300, 2), hard_table(20, 3)], ignore_index=True)
    frame[:300].to_csv(tmp_path / "t.csv", index=False)
    report, found = scan_and_keep(tmp_path / "t.csv", config=audit_config(**options))
    assert report.metadata["noise"]["verdict"] == "cannot tell"
    assert report.noise.rate is None
    assert not report.table["suspect"].to_numpy(zero_copy_only=False).any()
    assert report.ranked()["rank"].tolist() == list(range(1, 301))
    (tmp_path / "baseline").mkdir()
    save_baseline(tmp_path / "baseline", report, found)
    frame.to_csv(tmp_path / "t.csv", index=False)
    many = Limits(suspects=20)
    result = check(tmp_path / "t.csv", tmp_path / "baseline", limits=many)
    assert result.failures == ()
    (warning,) = result.warnings
    assert warning.startswith("Cannot tell how many labels are wrong: the network disagrees with ")
    for form in ("text", "github", "junit", "sarif", "markdown", "json"):
        assert "how many labels are wrong" in render(result, form), form
    assert "::warning title=Cannot be relied on::Cannot tell" in render(result, "github")
    assert read_json(render(result, "json")) == result
    strict = check(
        tmp_path / "t.csv", tmp_path / "baseline", limits=dataclasses.replace(many, fail_on=frozenset({"cannot-tell"}))
    )
    assert (len(strict.failures), strict.warnings) == (1, ())
    done = CliRunner().invoke(
        app, ["check", str(tmp_path / "t.csv"), "--baseline", str(tmp_path / "baseline"), "--max-new-suspects", "20",
              "--fail-on", "cannot-tell"]
    )  # fmt: skip
    assert done.exit_code == 1
    assert "Cannot tell how many labels are wrong" in done.stdout
