"""scan --dry-run."""

from __future__ import annotations

import json

import pytest

from tests.support.paths import SAMPLE

TRAIN, TEST, TRUTH = (str(SAMPLE / name) for name in ("train", "test", "truth.csv"))


def test_a_dry_run_says_what_it_will_take_and_writes_nothing(run, tmp_path, monkeypatch):
    monkeypatch.setenv("LABELAUDIT_CACHE", str(tmp_path / "cache"))
    result = run("scan", TRAIN, "--test", TEST, "--model", "dnn", "--track", "head", "--dry-run")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == (
        f"{TRAIN} · image folder · 600 rows, 200 in the test set · 10 classes (0, 1, 2, 3, 4, 5 and 4 more)"
    )
    assert lines[1].startswith("dnn, 6,442 parameters (influence goes through 90), 28×28 grey · 1 fold, 11 epochs, ")
    assert lines[1].endswith(" epochs, batch 32 · cpu")
    assert [line.split("  ")[0] for line in lines[2:]] == [
        "stage",
        "reading images",
        "fine-tuning",
        "sweeping back",
        "judging labels",
        "all",
    ]
    assert lines[3].split()[-3:] == ["0.6", "MB", "–"]  # 800 images of 784 bytes
    found = json.loads(run("scan", TRAIN, "--model", "dnn", "--image-cache", "disk", "--dry-run", "--json").stdout)
    assert (found["rows"], found["parameters"], len(found["classes"])) == (600, 6442, 10)
    assert found["stages"]["reading images"]["disk"] == 600 * 784
    seconds = [stage["seconds"] for stage in found["stages"].values()]
    assert seconds[-1] == pytest.approx(sum(seconds[:-1]))
    assert min(seconds) > 0
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_refuses_what_will_not_fit(run, monkeypatch):
    monkeypatch.setattr("labelaudit.runtime.machine.free_memory", lambda device: 3_000_000)
    result = run("scan", TRAIN, "--model", "cnn", "--dry-run")
    assert result.exit_code == 2
    assert "error: the fine-tune needs" in result.stderr
    assert "try a smaller --batch-size (it is 32)" in result.stderr


def test_a_dry_run_of_a_table(run, tmp_path):
    (tmp_path / "t.csv").write_text("a,label\n" + "".join(f"{i % 7},{'xy'[i % 2]}\n" for i in range(40)))
    result = run("scan", "t.csv", "--dry-run", "--test-fraction", "0.25", "--json", "--label-column", "label")
    found = json.loads(result.stdout)
    assert (found["rows"], found["model"], next(iter(found["stages"]))) == (40, "lr", "reading rows")
