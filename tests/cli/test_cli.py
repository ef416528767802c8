"""The command line as a user meets it: output, exit codes, and a clear line for every bad input."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from typer.testing import CliRunner

from labelaudit import Report
from labelaudit.cli.app import app
from labelaudit.cli.console import printable
from labelaudit.report.wording import precision_in_words, share_in_words
from tests.support.data import digits_as_mnist
from tests.support.paths import SAMPLE

TRAIN, TEST, TRUTH = (str(SAMPLE / name) for name in ("train", "test", "truth.csv"))


def test_scan_prints_the_suspects_and_writes_the_report(run, tmp_path):
    result = run("scan", TRAIN, "--model", "lr", "--known", TRUTH)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"{TRAIN} · image folder · 600 rows · 10 classes"
    report = Report.load(tmp_path / "labelaudit-report")
    assert lines[1].startswith(
        f"lr, 7,850 parameters, 28×28 grey · {report.metadata['training']['epochs']} epochs, batch 32, "
        "learning rate 0.003 · query: cross-audit in 5 folds: "
    )
    assert lines[3].strip() == "The 20 most suspect labels"
    assert lines[4].split() == ["rank", "row", "given", "suggested", "true", "influence", "score", "suspect"]
    first = report.ranked().iloc[0]
    assert lines[5].split()[:4] == ["1", first["id"], first["label"], first["suggested_label"]]
    expected = report.metadata["noise"]["expected_precision"]
    suspects = report.to_pandas()["suspect"].sum()
    assert f"{suspects} suspects among 600 scored rows, of which {precision_in_words(expected)}" in lines
    assert share_in_words(report.metadata["noise"]) in lines
    assert any(line.startswith("Most often ") for line in lines)
    assert any(line.startswith("On rows they were not trained on, the networks agree with ") for line in lines)
    assert lines[-2].endswith("of the 30 labels known to be wrong are among the first 30")
    assert lines[-1].startswith("Report: labelaudit-report/report.html (")
    assert result.stderr.startswith("note: this audit will take about ")
    assert " MB of memory beside the data\n" in result.stderr
    assert result.stderr.endswith(
        "note: next: open labelaudit-report/report.html, decide, and export decisions.csv; then labelaudit apply "
        "labelaudit-report --decisions decisions.csv --out corrected\n"
    )


def test_where_the_share_cannot_be_told_the_spot_check_is_next(run, tmp_path):
    lines = [f"{row},{'xy'[row % 2]},{'ab'[(row * 7919) % 13 % 2]}" for row in range(60)]
    (tmp_path / "chance.csv").write_text("\n".join(["number,letter,label", *lines]))
    result = run("scan", str(tmp_path / "chance.csv"), "--out", "there")
    assert result.stderr.endswith(
        "note: next: open there/report.html; its spot check of 30 rows tells how many labels are wrong, whatever "
        "the network knows\n"
    )


def test_json_is_all_that_is_printed(run):
    result = run("scan", TRAIN, "--model", "lr", "--json", "--out", "there")
    summary = json.loads(result.stdout)
    assert (summary["rows"], summary["status"], len(summary["top"])) == (600, {"scored": 600}, 20)
    assert summary["report"] == "there/report.parquet"
    assert summary["known"] is None
    assert result.stderr == ""


def test_notes_go_to_stderr_and_quiet_silences_them(run, small):
    (small / "loose.png").write_bytes(next((small / "1").iterdir()).read_bytes())
    loud = run("scan", str(small), "--model", "lr")
    assert "note: " in loud.stderr
    assert "1 image in no class folder: kept as unlabelled" in loud.stderr
    assert "17 rows (1 unlabelled)" in loud.stdout
    assert loud.stdout.splitlines()[5].split()[0] == "1"
    assert run("scan", str(small), "--model", "lr", "--overwrite", "-q").stderr == ""


def test_flip_test_prints_the_table_and_writes_all_figures(run, tmp_path):
    result = run("flip-test", TRAIN, "--rate", "0.1", "--seeds", "2", "--model", "lr", "--noise", "pair")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].strip() == "60 wrong labels in 600 rows, 2 seeds, mean ± std"
    for method in ("score", "influence (DIT)", "final loss", "mean margin (AUM)", "out-of-fold loss", "random"):
        assert method in result.stdout
    out = tmp_path / "labelaudit-flip-test"
    assert sorted(file.name for file in out.iterdir()) == ["metrics.json", "report-seed-1.parquet", "report.parquet"]
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["flips"] == {"rate": 0.1, "noise": "pair", "known": None}
    assert figures["summary"]["score"]["auroc"]["mean"] > 0.7
    assert (
        f", best guess {figures['summary']['score']['noise_rate_estimated']['mean']:.1%}; 10.0% planted"
        in result.stdout
    )
    assert "10.0% planted, within in " in result.stdout
    assert "A good result: " in result.stdout
    assert Report.load(out).to_pandas()["is_flipped"].sum() == 60
    # Another run must be told to replace it, and then leaves nothing of the first.
    again = ["flip-test", TRAIN, "--known", TRUTH, "--seeds", "1", "--model", "lr", "--json"]
    refused = run(*again)
    assert refused.exit_code == 2
    assert "already holds another run (metrics.json, report-seed-1.parquet, report.parquet)" in refused.stderr
    assert json.loads(run(*again, "--overwrite").stdout)["wrong_labels"] == [30]
    assert sorted(file.name for file in out.iterdir()) == ["metrics.json", "report.parquet"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scan", "nowhere"], "nowhere does not exist"),
        (["scan", TRAIN, "--model", "resnet5O"], "no model 'resnet5O'; the nearest names are resnet50"),
        (["scan", TRAIN, "--weights", "w.pt"], "--weights: w.pt does not exist"),
        (["scan", TRAIN, "--batch-size", "481"], "--batch-size 481 is more than the 480 rows"),
        (["scan", TRAIN, "--learning-rate", "-1"], "--learning-rate: input should be greater than 0 (it is -1.0)"),
        (["scan", TRAIN, "--momentum", "1"], "--momentum: input should be less than 1 (it is 1.0)"),
        (["scan", TRAIN, "--test-fraction", "2"], "--test-fraction: input should be less than 1 (it is 2.0)"),
        (["scan", TRAIN, "--precision", "nan"], "--precision: input should be"),
        (["scan", TRAIN, "--precision", "0"], "--precision: input should be"),
        (["scan", TRAIN, "--budget", "0"], "--budget: input should be"),
        (["scan", TRAIN, "--budget", "5", "--precision", "0.8"], "--precision and --budget exclude each other"),
        (["scan", TRAIN, "--learning-rate", "1e30", "--epochs", "3"], "try a smaller --learning-rate (it was 1e+30)"),
        (["scan", TRAIN, "--epochs", "6", "--window", "7"], "--window 7 is outside the run, which has epochs 1 to 6"),
        (["scan", TRAIN, "--window", "5-3"], "--window 5-3 ends before it begins; did you mean 3-5?"),
        (["scan", TRAIN, "--window", "each"], "a scan ranks by one, such as last"),
        (["scan", TRAIN, "--clip-norm", "0"], "--clip-norm: input should be greater than 0 (it is 0.0)"),
        (["scan", TRAIN, "--resume"], "--resume: there is no unfinished run in labelaudit-report/unfinished-run"),
        (["scan", TRAIN, "--resume", "--overwrite"], "give one of them"),
        (
            ["scan", TRAIN, "--model", "resnet18", "--image-size", "90000"],
            "images of 90000×90000 pixels need 14580.0 GB",
        ),
        (["reproduce", "table9"], "there is no recipe 'table9'; there are table1, table2"),
        (["reproduce", "table2", "--only", "vit"], "no cell's name contains 'vit'"),
        (["scan", TRAIN, "--device", "cuda:9"], "--device cuda:9 is not available here"),
        (["scan", TRAIN, "--known", "truth.csv"], "--known: truth.csv does not exist"),
        (["scan", TRAIN, "--out", "/dev/null/x"], "is a file, not a folder"),
        (["scan", TRAIN, "--out", "/proc/x"], "--out: cannot write into /proc"),
        (["flip-test", TRAIN], "give either --rate"),
        (["flip-test", TRAIN, "--rate", "0.7"], "--rate 0.7 is outside (0, 0.5]"),
        (["flip-test", TRAIN, "--rate", "0.1", "--known", TRUTH], "give either --rate"),
    ],
)
def test_bad_input_is_one_line_and_exit_2_and_leaves_nothing(run, tmp_path, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert line.startswith("error: ")
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_usage_errors_are_exit_2(run):
    for arguments in (["scan"], ["scan", TRAIN, "--query", "x"], ["scan", TRAIN, "--epochs", "0"], ["no-command"]):
        assert run(*arguments).exit_code == 2


def test_an_existing_report_is_not_replaced_unasked(run, small):
    assert run("scan", str(small), "--model", "lr").exit_code == 0
    result = run("scan", str(small), "--model", "lr")
    assert result.exit_code == 2
    assert (
        "already holds another run (report.html, report.parquet); choose another folder, or replace it with --overwrite"
        in (result.stderr)
    )


def test_a_failing_disk_is_exit_3(run, small, monkeypatch):
    def full(path, write):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labelaudit.report.report.write_atomically", full)
    result = run("scan", str(small), "--model", "lr")
    assert result.exit_code == 3
    assert "the run failed: [Errno 28] No space left on device" in result.stderr


def test_a_run_that_does_not_fit_is_refused_before_it_starts(run, small, monkeypatch):
    monkeypatch.setattr("labelaudit.runtime.machine.free_memory", lambda device: 1_000_000)
    result = run("scan", str(small), "--model", "cnn")
    assert result.exit_code == 2
    assert "the fine-tune needs " in result.stderr
    assert "and 0.8 MB may be used: try a smaller --batch-size (it is 12)" in result.stderr


def test_hostile_names_cannot_touch_the_terminal(run, small):
    evil = small / "1\x1b[31m\n"
    (small / "1").rename(evil)
    result = run("scan", str(small), "--model", "lr")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "1\\x1b[31m\\n" in result.stdout.replace("\n", "").replace(" ", "")
    assert printable("ok é 漢 \u202e") == "ok é 漢 \\u202e"


def test_on_a_terminal_lines_end_between_words(small, monkeypatch):
    monkeypatch.chdir(small.parent)
    said = {}
    for name, environment in {"pipe": {}, "terminal": {"FORCE_COLOR": "1", "COLUMNS": "60"}}.items():
        result = CliRunner().invoke(
            app, ["scan", "data", "--model", "lr", "--epochs", "5", "-q", "--overwrite"], env=environment
        )
        assert result.exit_code == 0
        said[name] = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout)
    lines = said["terminal"].splitlines()
    assert max(map(len, lines)) <= 60 < max(map(len, said["pipe"].splitlines()))
    piped, wrapped = (text.split("\n\n")[0].split() for text in said.values())
    assert piped == wrapped  # the same words, none of them broken


def test_version_help_and_module(run):
    assert run("--version").stdout.startswith("labelaudit 0.")
    for command in ("scan", "flip-test"):
        assert "--learning-rate" in run(command, "--help").stdout
    module = subprocess.run([sys.executable, "-m", "labelaudit", "--version"], capture_output=True, check=True)
    assert module.stdout.startswith(b"labelaudit 0.")


def test_a_killed_run_is_found_and_gone_on_with(run, small, tmp_path):
    command = [sys.executable, "-m", "labelaudit", "scan", str(small), "--epochs", "100000", "--checkpoint-every", "0"]
    process = subprocess.Popen([*command, "--model", "lr"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    kept = tmp_path / "labelaudit-report" / "unfinished-run" / "fold-0" / "training.safetensors"
    deadline = time.monotonic() + 300
    while not kept.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert kept.exists()
    arguments = ["scan", str(small), "--model", "lr", "--epochs", "100000"]
    assert "holds an unfinished run; go on with --resume, or start anew with --overwrite" in run(*arguments).stderr
    other = run("scan", str(small), "--model", "lr", "--epochs", "2", "--resume")
    assert other.exit_code == 2
    assert "settings.training.epochs was 100000 and is now 2" in other.stderr
    assert kept.exists()
    assert run("scan", str(small), "--model", "lr", "--epochs", "2", "--overwrite").exit_code == 0
    assert {file.name for file in (tmp_path / "labelaudit-report").iterdir()} == {"report.parquet", "report.html"}


@pytest.mark.parametrize(
    "options",
    [
        ["--optimizer", "adamw", "--warmup-steps", "3", "--schedule", "linear", "--clip-norm", "1"],
        ["--nesterov", "--window", "first", "--removal", "start", "--query-at", "final", "--trajectory", "replay"],
        ["--window", "steps:2-5", "--trajectory", "disk", "--query", "margin"],
    ],
)
def test_every_kind_of_run_from_the_command_line(run, small, tmp_path, options):
    result = run("scan", str(small), "--model", "dnn", "--json", *options)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["status"] == {"scored": 16}
    assert {file.name for file in (tmp_path / "labelaudit-report").iterdir()} == {"report.parquet", "report.html"}


def test_reproduce_puts_our_figures_beside_the_papers(run, tmp_path):
    digits_as_mnist(tmp_path)
    recipe = """
        title = "Quick"
        experiment = "stages"
        train = 20
        [[cells]]
        model = "lr"
        task = "mnist"
        original = { learning_rate = 0.01, epochs = 3, query_rows = 20 }
        [cells.paper]
        "early-late" = [0.15, 0.12]
    """
    (tmp_path / "own.toml").write_text(recipe)
    result = run("reproduce", "own.toml", "--data", ".", "--seeds", "1")
    assert result.exit_code == 0
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert lines[0] == "Quick"
    assert lines[1].startswith("seed 0, mean ± std · ")
    assert lines[3] == "lr · mnist"
    assert lines[4].split()[:4] == ["early-late", "0.150", "±", "0.120"]
    assert lines[-1] == "Results: reproduction/own/own.json"
    assert result.stderr == ""
    as_json = run("reproduce", "own.toml", "--data", ".", "--seeds", "1", "--json")
    assert json.loads(as_json.stdout) == json.loads((tmp_path / "reproduction" / "own" / "own.json").read_text())
    missing = run("reproduce", "table5", "--data", "nowhere")
    assert missing.exit_code == 2
    assert "error: " in missing.stderr
    assert "mnist.npz" in missing.stderr


def test_ctrl_c_ends_with_130_and_leaves_nothing(tmp_path):
    command = [sys.executable, "-m", "labelaudit", "scan", TRAIN, "--epochs", "10000"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = ""
    while "this audit will take" not in said:  # an hour
        said = process.stderr.readline()
        assert said, "it has ended"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("error: interrupted; nothing was saved yet, which happens every 60 s")
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_names_what_goes_on(run, tmp_path, monkeypatch):
    """Once something is saved, the last line says how to go on; and so it goes on."""

    def interrupted(*arguments, **named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("labelaudit.commands.scan.build_report", interrupted)  # all folds are done, and saved
        stopped = run("scan", TRAIN, "--model", "lr", "--epochs", "1", "--checkpoint-every", "0")
    assert stopped.exit_code == 130
    said = "error: interrupted; go on with the same command and --resume: at most the last 0 s of work are lost"
    assert stopped.stderr.splitlines()[-1] == said
    assert run("scan", TRAIN, "--model", "lr", "--epochs", "1", "--resume").exit_code == 0


def test_rows_of_a_test_set_are_seen_through_the_same_frozen_layers(run):
    """If the network were built anew with other random layers, the two kinds of rows would be told apart."""
    result = run("scan", TRAIN, "--test", TEST, "--model", "cnn", "--train", "last:1", "--epochs", "1")
    assert result.exit_code == 0
    assert "the query rows differ" not in result.stderr


def test_class_probabilities_are_written_and_go_with_the_run_they_are_of(run, tmp_path):
    command = ("scan", TRAIN, "--model", "lr", "--epochs", "1", "--out", "out", "--overwrite")
    assert run(*command, "--save-probabilities").exit_code == 0
    found = pd.read_parquet(tmp_path / "out" / "probabilities.parquet")
    assert list(found.columns) == ["id", "label", "status", *(f"p({digit})" for digit in "0123456789")]
    assert found.filter(like="p(").sum(axis=1).to_numpy() == pytest.approx(1)
    assert run(*command).exit_code == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"report.parquet", "report.html"}
