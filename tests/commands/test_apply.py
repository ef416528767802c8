"""`apply`: decisions become a corrected copy, and the dataset stays as it is."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import typer
from typer.testing import CliRunner

from labelaudit import AuditConfig, Report, scan
from labelaudit.cli.apply import apply
from labelaudit.commands.apply import apply_decisions
from labelaudit.config import ModelConfig
from labelaudit.data.sources import load_dataset
from labelaudit.errors import InputError
from tests.support.paths import SAMPLE
from tests.support.reports import changelog, decisions_of, tree

TRAIN = SAMPLE / "train"


@pytest.fixture(scope="module")
def scanned(tmp_path_factory) -> Report:
    path = tmp_path_factory.mktemp("report")
    scan(TRAIN, config=AuditConfig(model=ModelConfig(name="lr"))).save(path / "report.parquet")
    return Report.load(path)


def test_a_scans_suspects_accepted(scanned, tmp_path):
    before = tree(TRAIN)
    suspects = scanned.suspects().head(20)
    lines = [(row.id, "accept", "") for row in suspects.itertuples()]
    applied = apply_decisions(scanned, decisions_of(tmp_path / "d.csv", *lines), tmp_path / "corrected")
    assert tree(TRAIN) == before
    assert [change.id for change in applied.changes] == suspects.sort_values("row")["id"].tolist()
    assert applied.rows == 600
    corrected = load_dataset(tmp_path / "corrected")
    labels = dict(zip(corrected.ids, corrected.labels, strict=True))
    by_id = suspects.set_index("id")
    for change in applied.changes:
        assert labels[change.new_id] == by_id.loc[change.id, "suggested_label"] == change.new_label
    assert sorted(tree(tmp_path / "corrected").values()) == sorted(before.values())
    rows = changelog(tmp_path / "corrected.changes.csv")
    assert list(rows[0]) == ["id", "row", "old_label", "new_label", "decision", "score", "new_id"]
    assert [row["id"] for row in rows] == [change.id for change in applied.changes]
    assert float(rows[0]["score"]) == applied.changes[0].score
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "corrected",
        "corrected.changes.csv",
        "corrected.decisions.csv",
        "d.csv",
    ]


def test_collisions_are_recorded(images, tmp_path):
    folder, report = images
    path = decisions_of(tmp_path / "d.csv", ("1/a.png", "accept", ""), ("1/b.png", "keep", ""))
    applied = apply_decisions(report, path, tmp_path / "out")
    assert changelog(applied.changelog) == [
        {
            "id": "1/a.png",
            "row": "0",
            "old_label": "1",
            "new_label": "7",
            "decision": "accept",
            "score": "0.75",
            "new_id": "7/a-1.png",
        }
    ]
    assert applied.notes == ("renamed, as the new folder has such a file already: 1/a.png",)
    assert applied.decisions == {"accept": 1, "keep": 1}
    assert (tmp_path / "out" / "7" / "a-1.png").read_bytes() == (folder / "1" / "a.png").read_bytes()


def test_a_dropped_row_is_not_in_the_copy_and_decisions_lie_beside_it(images, tmp_path):
    folder, report = images
    path = decisions_of(tmp_path / "d.csv", ("1/a.png", "accept", ""), ("1/b.png", "drop", ""), ("7/a.png", "keep", ""))
    applied = apply_decisions(report, path, tmp_path / "out")
    assert (applied.rows, [(change.id, change.new_label, change.new_id) for change in applied.changes]) == (
        5,
        [("1/a.png", "7", "7/a-1.png"), ("1/b.png", None, None)],
    )
    assert set(load_dataset(folder).ids) - set(load_dataset(tmp_path / "out").ids) == {"1/a.png", "1/b.png"}
    decided = changelog(applied.reviewed)
    assert [(row["id"], row["label"], row["decision"], row["new_label"]) for row in decided] == [
        ("7/a-1.png", "1", "accept", "7"),
        ("1/b.png", "1", "drop", ""),
        ("7/a.png", "7", "keep", ""),
    ]
    assert all(len(row["content_hash"]) == 64 for row in decided)
    manifest = apply_decisions(report, path, tmp_path / "m.csv", manifest=True)
    assert len(load_dataset(manifest.out)) == 5
    with pytest.raises(InputError, match="is where the decisions beside the copy go"):
        apply_decisions(report, path.rename(tmp_path / "again.decisions.csv"), tmp_path / "again")
    everything = decisions_of(tmp_path / "e.csv", *((name, "drop", "") for name in load_dataset(folder).ids))
    with pytest.raises(InputError, match="every row is dropped"):
        apply_decisions(report, everything, tmp_path / "none")


def test_manifest(images, tmp_path):
    _, report = images
    path = decisions_of(tmp_path / "d.csv", ("1/a.png", "accept", ""))
    applied = apply_decisions(report, path, tmp_path / "m.csv", manifest=True)
    assert applied.changelog == tmp_path / "m.changes.csv"
    dataset = load_dataset(tmp_path / "m.csv")
    assert dataset.ids[0] == "images/1/a.png"
    assert dataset.labels == ("7", "1", "1", "7", "7", "7")
    with pytest.raises(InputError, match=r"m.txt is to be a .csv"):
        apply_decisions(report, path, tmp_path / "m.txt", manifest=True)


def test_nothing_to_change_is_a_copy(images, tmp_path):
    folder, report = images
    path = decisions_of(tmp_path / "d.csv", ("1/a.png", "keep", ""), ("7/a.png", "relabel", "7"))
    applied = apply_decisions(report, path, tmp_path / "out")
    assert (applied.changes, applied.notes) == ((), ("1 decision for the label that the row has already",))
    assert tree(tmp_path / "out") == tree(folder)
    assert changelog(applied.changelog) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "7/c.png").unlink(), "'7/c.png' is gone; the dataset has changed since the report"),
        (lambda folder: shutil.copy(folder / "7/c.png", folder / "7/d.png"), "'7/d.png' is new; the dataset has"),
        (lambda folder: shutil.copy(folder / "7/c.png", folder / "1/a.png"), "'1/a.png' (row 0) has other content"),
        (lambda folder: (folder / "1/a.png").write_bytes(b""), "'1/a.png' (row 0) has other content"),
    ],
)
def test_a_dataset_that_has_changed_is_refused(images, tmp_path, change, message):
    folder, report = images
    change(folder)
    with pytest.raises(InputError, match=re.escape(message)):
        apply_decisions(report, decisions_of(tmp_path / "d.csv", ("1/a.png", "accept", "")), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "images"]


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("images", "is the dataset itself"),
        ("link", "is the dataset itself"),
        ("images/new", "must not lie in each other"),
        ("link/new", "must not lie in each other"),
        (".", "must not lie in each other"),
        ("no/such/out", "the folder .* does not exist"),
        ("d.csv", "d.csv exists; choose another name, or replace it with `overwrite`"),
    ],
)
def test_outputs_in_the_way(images, tmp_path, out, message):
    folder, report = images
    (tmp_path / "link").symlink_to(folder)
    path = decisions_of(tmp_path / "d.csv", ("1/a.png", "accept", ""))
    before = tree(tmp_path)
    for overwrite in (False, True)[: 1 if "exists" in message else 2]:
        with pytest.raises(InputError, match=message):
            apply_decisions(report, path, tmp_path / out, overwrite=overwrite)
    assert tree(tmp_path) == before


def test_overwriting_replaces_what_apply_wrote_and_nothing_else(images, tmp_path):
    _, report = images
    path = decisions_of(tmp_path / "d.csv", ("1/a.png", "accept", ""))
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("mine")
    with pytest.raises(
        InputError, match=r"out was not written by labelaudit apply \(out.changes.csv is not beside it\)"
    ):
        apply_decisions(report, path, out, overwrite=True)
    assert (out / "precious").read_text() == "mine"
    shutil.rmtree(out)
    apply_decisions(report, path, out)
    with pytest.raises(InputError, match="out exists"):
        apply_decisions(report, path, out)
    (out / "stale").write_text("")
    apply_decisions(report, decisions_of(tmp_path / "d.csv", ("1/b.png", "relabel", "7")), out, overwrite=True)
    assert not (out / "stale").exists()
    assert (out / "7" / "b-1.png").is_file()
    assert (out / "1" / "a.png").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "d.csv",
        "images",
        "out",
        "out.changes.csv",
        "out.decisions.csv",
    ]


def test_a_source_that_went_elsewhere(images, tmp_path):
    folder, report = images
    path = decisions_of(tmp_path / "d.csv", ("1/a.png", "accept", ""))
    folder.rename(tmp_path / "moved")
    with pytest.raises(InputError, match="images, which the report is about, does not exist: name it with `source`"):
        apply_decisions(report, path, tmp_path / "out")
    assert apply_decisions(report, path, tmp_path / "out", source=tmp_path / "moved").source == tmp_path / "moved"
    with pytest.raises(InputError, match=r"`source`: .*nowhere does not exist"):
        apply_decisions(report, path, tmp_path / "out", source=tmp_path / "nowhere")


def test_a_class_that_leads_elsewhere_is_refused_whatever_is_allowed(images, tmp_path):
    _, report = images
    path = decisions_of(tmp_path / "d.csv", ("1/a.png", "relabel", "../x"))
    with pytest.raises(InputError, match=r"'\.\./x' cannot be the name of a class folder"):
        apply_decisions(report, path, tmp_path / "out", new_classes=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "images"]


@pytest.fixture
def run(tmp_path, monkeypatch, images):
    monkeypatch.chdir(tmp_path)
    images[1].save(tmp_path / "report.parquet")
    app = typer.Typer()
    app.command()(apply)
    decisions_of(tmp_path / "d.csv", ("1/a.png", "accept", ""), ("1/b.png", "unsure", ""))
    return lambda *options: CliRunner().invoke(app, ["report.parquet", "--decisions", "d.csv", *options])


def test_command(run):
    result = run("--out", "out")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Decisions: 2 (1 accept, 1 unsure)",
        "Corrected: out (1 label changed, 6 rows)",
        "Changes:   out.changes.csv",
    ]
    assert result.stderr.splitlines() == [
        "note: renamed, as the new folder has such a file already: 1/a.png",
        "note: next: labelaudit baseline out --like report.parquet, which keeps what was reviewed (out.decisions.csv)",
    ]


def test_command_for_scripts(run):
    document = json.loads(run("--manifest", "m.csv", "--json").stdout)
    assert (document["out"], document["changelog"], document["rows"]) == ("m.csv", "m.changes.csv", 6)
    assert document["changes"] == [
        {
            "id": "1/a.png",
            "row": 0,
            "old_label": "1",
            "new_label": "7",
            "decision": "accept",
            "score": 0.75,
            "new_id": "1/a.png",
        }
    ]


def test_command_says_what_is_wrong(run):
    for options in ((), ("--out", "a", "--manifest", "b.csv")):
        result = run(*options)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: give --out for a corrected copy, or --manifest")
