"""Reviewed rows through scan, baseline and check, and settings that carry over; with a small table of texts."""

from __future__ import annotations

import csv
import random

import pytest
from typer.testing import CliRunner

from labelaudit import InputError, Report, check, refine, scan
from labelaudit.cli.app import app
from labelaudit.commands.like import config_like
from labelaudit.config import AuditConfig
from labelaudit.settings import audit_config
from tests.support.progress import Notes
from tests.support.reports import decisions_of

WORDS = {
    "food": ["soup", "bread", "cheese", "wine", "dinner", "cook", "oven", "tasty", "spoon", "salt"],
    "sport": ["goal", "match", "team", "ball", "coach", "score", "league", "player", "win", "pitch"],
}
WRONG = {20: "food", 50: "food", 71: "sport", 101: "sport"}
SETTINGS = {"model": "lr", "epochs": 20, "learning_rate": 0.1, "folds": 2, "seed": 3}
HEAD = ("id", "label", "decision", "new_label")


def name(row):
    return WRONG.get(row) or ("food" if row % 2 else "sport")


@pytest.fixture
def tickets(tmp_path, monkeypatch):
    """120 texts of two classes, four labelled wrong."""
    monkeypatch.chdir(tmp_path)
    chance = random.Random(1)
    rows = [(f"r{row}", " ".join(chance.choices(WORDS["food" if row % 2 else "sport"], k=6))) for row in range(120)]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "text", "label"), *((*row, name(at)) for at, row in enumerate(rows))])
    return tmp_path / "t.csv"


@pytest.fixture
def found(tickets):
    report = scan(str(tickets), **SETTINGS)
    assert {"r20", "r50", "r71", "r101"} <= set(report.suspects()["id"])
    return report


def of(report, row_id):
    return next(row for row in report.table.to_pylist() if row["id"] == row_id)


def test_a_scan_knows_what_was_reviewed(tickets, tmp_path, found):
    path = decisions_of(
        tmp_path / "d.csv",
        ("r20", "food", "keep", ""),
        ("r50", "food", "relabel", "sport"),
        ("gone", "x", "keep", ""),
        head=HEAD,
    )
    notes = Notes()
    new = scan(str(tickets), reviewed=path, progress=notes, **SETTINGS)
    kept, wrong = of(new, "r20"), of(new, "r50")
    assert (kept["suspect"], kept["score"], kept["rank"], kept["status"]) == (False, 0.0, 120, "reviewed")
    assert (wrong["suspect"], wrong["rank"], wrong["suggested_label"]) == (True, 1, "sport")
    assert new.metadata["reviewed"] == {"right": 1, "wrong": 1}
    others = new.to_pandas().set_index("id")["score"].drop(["r20", "r50"]).dropna()
    assert (others != found.to_pandas().set_index("id")["score"][others.index]).any()  # evidence
    assert any("1 decision is about rows that are not in" in note and "'gone'" in note for note in notes.notes)
    assert any(note.startswith("2 labels reviewed before: 1 right") for note in notes.notes)
    new.save(tmp_path / "r.parquet")
    assert Report.load(tmp_path / "r.parquet").metadata["reviewed"] == new.metadata["reviewed"]


def test_refining_does_not_count_reviews_twice(tickets, tmp_path):
    path = decisions_of(tmp_path / "d.csv", ("r20", "food", "keep", ""), head=HEAD)
    new = scan(str(tickets), reviewed=[path], **SETTINGS)
    with pytest.raises(InputError, match="the scan knew of it already"):
        refine(new, path)
    more = decisions_of(tmp_path / "e.csv", ("r20", "food", "keep", ""), ("r50", "food", "drop", ""), head=HEAD)
    refined = refine(new, more)
    assert (refined.right, refined.wrong) == (0, 1)
    assert refined.notes == ("1 decision on rows that the scan knew to be reviewed not used again",)


def test_known_truths_are_not_contradicted(tickets, tmp_path):
    (tmp_path / "truth.csv").write_text("id,true_label\nr20,sport\n")
    path = decisions_of(tmp_path / "d.csv", ("r20", "food", "keep", ""), head=HEAD)
    with pytest.raises(InputError, match="keep contradicts the label of 'r20' that is known to be true, 'sport'"):
        scan(str(tickets), known=tmp_path / "truth.csv", reviewed=path, **SETTINGS)


def test_from_scan_to_check_by_the_line_that_each_command_prints(tickets, found, tmp_path):
    found.save(tmp_path / "rep" / "report.parquet")
    path = decisions_of(tmp_path / "d.csv", ("r20", "accept", ""), ("r30", "keep", ""), ("r71", "drop", ""))
    run = CliRunner().invoke
    applied = run(app, ["apply", "rep", "--decisions", str(path), "--out", "corrected.csv"])
    assert applied.exit_code == 0, applied.stderr
    assert "Corrected: corrected.csv (1 label changed, 1 row dropped, 119 rows)" in applied.stdout
    assert "next: labelaudit baseline corrected.csv --like rep" in applied.stderr
    made = run(app, ["baseline", "corrected.csv", "--like", "rep"])
    assert made.exit_code == 0, made.stderr
    assert "the decisions beside the data count as --reviewed: corrected.decisions.csv" in made.stderr
    baseline = Report.load("labelaudit-baseline")
    assert baseline.metadata["training"] == found.metadata["training"]
    assert baseline.metadata["config"]["seed"] == 3
    assert baseline.metadata["config"]["model"]["name"] == "lr"
    assert of(baseline, "r20")["reason"] == of(baseline, "r30")["reason"] == "reviewed: the label is right"
    assert not of(baseline, "r30")["suspect"]
    assert not any(row["id"] == "r71" for row in baseline.table.to_pylist())
    # the dropped row is back, and somebody else has found it right by now
    later = tmp_path / "later.csv"
    later.write_text(
        (tmp_path / "corrected.csv").read_text()
        + next(line for line in tickets.read_text().splitlines(keepends=True) if line.startswith("r71,"))
    )
    assert [row.id for row in check(str(later), "labelaudit-baseline").suspects] == ["r71"]
    decided = decisions_of(tmp_path / "e.csv", ("r71", "sport", "keep", ""), head=HEAD)
    fine = check(str(later), "labelaudit-baseline", reviewed=decided)
    assert (fine.suspects, fine.failures) == ((), ())
    passed = run(app, ["check", str(later), "--reviewed", str(decided)])
    assert (passed.exit_code, "passed" in passed.stdout) == (0, True)


def test_what_is_given_counts_more_than_the_report(found):
    config = config_like(found, {"seed": 5, "budget": 7})
    assert (config.seed, config.selection.budget, config.training.epochs, config.device) == (5, 7, 20, "auto")
    assert config.model.text_encoding == found.metadata["config"]["model"]["text_encoding"]
    other = config_like(found, {"model": "dnn"})
    assert (other.model.name, other.training) == ("dnn", AuditConfig.model_validate(found.metadata["config"]).training)


def test_a_budget_replaces_an_aim(found):
    found.metadata["config"]["selection"]["precision"] = 0.8
    selection = config_like(found, {"budget": 7}).selection
    assert (selection.precision, selection.budget) == (None, 7)
    assert config_like(found, {}).selection.precision == 0.8


@pytest.mark.parametrize(
    ("options", "setting"),
    [({"model": "evil:factory"}, "model"), ({"weights": "w.safetensors"}, "weights"), ({"vectors": "v.npy"}, "vectors"),
     ({"image_root": "/etc"}, "image_root")],
)  # fmt: skip  # data, read as a table
def test_what_a_report_names_is_named_again_or_not_used(found, options, setting):
    found.metadata["config"] = audit_config(**options).model_dump(mode="json")
    with pytest.raises(InputError, match=f"^`{setting}`: .*name it again"):
        config_like(found, {})
    assert config_like(found, options) == audit_config(**options, **ended_with(found))


def ended_with(report):
    """The fine-tune of a report as settings."""
    return {
        ("augment" if name == "augmentation" else name): value for name, value in report.metadata["training"].items()
    }


def test_test_data_is_named_again(found, tmp_path):
    found.metadata["test_source"] = "/somewhere/test"
    found.save(tmp_path / "rep" / "report.parquet")
    result = CliRunner().invoke(app, ["baseline", "t.csv", "--like", "rep"])
    assert result.exit_code == 2
    assert "--test: the scan had test data, /somewhere/test" in result.stderr
