"""The gate, on real digits: a baseline of most of the sample, and updates of it."""

from __future__ import annotations

import dataclasses
import os
import shutil

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy.special import expit
from typer.testing import CliRunner

from labelaudit import audit_config
from labelaudit.checking.baseline import load_baseline, save_baseline
from labelaudit.checking.formats import render
from labelaudit.checking.formats.json_document import read_json
from labelaudit.checking.verdict import Limits, is_accepted, read_accepted
from labelaudit.cli.app import app
from labelaudit.commands.check import check, folds_of
from labelaudit.commands.scan import scan_and_keep
from labelaudit.report.wording import range_in_words
from tests.support.updates import PER_CLASS, add, right_digits


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
        app,
        [
            "check",
            str(tmp_path / "t.csv"),
            "--baseline",
            str(tmp_path / "baseline"),
            "--max-new-suspects",
            "20",
            "--fail-on",
            "cannot-tell",
        ],
    )
    assert done.exit_code == 1
    assert "Cannot tell how many labels are wrong" in done.stdout
