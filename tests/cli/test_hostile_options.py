"""Options, models and streams of any kind end in one line and the right exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from labelaudit import Report
from tests.support.devices import FULL, needs_full_device
from tests.support.paths import ROOT

QUICK = ("--model", "lr", "--epochs", "1")


def one_line(result, code=2):
    assert result.exit_code == code, result.stderr
    errors = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert len(errors) == 1, result.stderr
    assert errors[0].startswith("error: ")
    assert len(errors[0]) > len("error: the run failed: ")
    return errors[0]


@pytest.mark.parametrize(
    "options",
    [
        ("--seed", str(2**63)),
        ("--seed", str(10**400)),
        ("--epochs", str(10**18)),
        ("--batch-size", str(2**70)),
        ("--warmup-steps", str(2**70)),
        ("--scoring-steps", str(2**70)),
        ("--budget", str(2**70)),
        ("--image-size", str(2**40)),
        ("--device", "meta"),
        ("--device", "vulkan"),
        ("--device", ""),
        ("--model", ":"),
        ("--model", "sys:"),
        ("--model", ":make"),
        ("--model", "..:make"),
        ("--model", "sys:exit"),
        ("--model", "os:abort_not"),
        ("--clip-norm", "inf"),
        ("--clip-norm", "nan"),
        ("--learning-rate", "1e300"),
        ("--learning-rate", "inf"),
        ("--weight-decay", "1e300"),
        ("--image-cache-limit", "inf"),
        ("--epsilon-root", "nan"),
        ("--precision", "nan"),
        ("--max-unreadable", "nan"),
        ("--test-fraction", "nan"),
        ("--window", "9" * 400),
        ("--window", "steps:1-" + "9" * 5000),
        ("--track", "last:" + "9" * 5000),
        ("--train", "last:" + "9" * 5000),
        ("--out", "x" * 300),
        ("--test", "x" * 300),
        ("--known", "x" * 300 + ".csv"),
        ("--weights", "x" * 300),
        ("--vectors", "x" * 300),
    ],
)
def test_an_unusable_option_is_one_line(run, small, options):
    arguments = () if options[0] == "--model" else ("--model", "cnn")
    one_line(run("scan", str(small), *arguments, *options))


FACTORIES = """
import sys, torch
def fails(num_classes): raise ZeroDivisionError("by chance")
def leaves(num_classes): sys.exit(0)
class Net(torch.nn.Module):
    def __init__(self): super().__init__(); self.weight = torch.nn.Parameter(torch.zeros(3))
    def forward(self, inputs): raise KeyError("in forward")
def breaks(num_classes): return Net()
"""


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("theirs:fails", "the factory cannot be called: ZeroDivisionError: by chance (theirs.py, line 3)"),
        ("theirs:leaves", "the factory cannot be called: SystemExit: 0 (theirs.py, line 4)"),
        ("theirs:breaks", "your own code failed: KeyError: 'in forward' (theirs.py, line 7)"),
        ("broken:any", "importing your own broken failed: RuntimeError: at import (broken.py, line 1)"),
        ("unparsable:any", "importing your own unparsable failed: SyntaxError"),
    ],
)
def test_a_factory_that_raises_is_named(small, tmp_path, model, words):
    (tmp_path / "theirs.py").write_text(FACTORIES)
    (tmp_path / "broken.py").write_text("raise RuntimeError('at import')\n")
    (tmp_path / "unparsable.py").write_text("def (\n")
    ended = command(tmp_path, "scan", str(small), "--model", model)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def command(folder: Path, *arguments: str, **options):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "labelaudit", *arguments],
        cwd=folder,
        env=environment,
        text=True,
        check=False,
        **{"capture_output": True} | options,
    )


@needs_full_device
def test_a_reader_that_has_gone_is_no_error_and_a_full_disk_is_one_once_the_report_is_safe(small, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        ended = command(
            tmp_path, "scan", str(small), *QUICK, capture_output=False, stdout=closed, stderr=subprocess.PIPE
        )
    assert (ended.returncode, ended.stderr.count("error")) == (0, 0)
    assert sorted(path.name for path in (tmp_path / "labelaudit-report").iterdir()) == ["report.html", "report.parquet"]
    with FULL.open("w") as full:
        ended = command(
            tmp_path,
            "scan",
            str(small),
            *QUICK,
            "--out",
            "b",
            capture_output=False,
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert ended.returncode == 3
    assert ended.stderr.splitlines()[-1] == (
        "error: cannot write to stdout: No space left on device. What was written to files is whole"
    )
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["report.html", "report.parquet"]
    assert Report.load(tmp_path / "b").table.num_rows == 16


@needs_full_device
def test_notes_that_cannot_be_written_lose_nothing(small, tmp_path):
    with FULL.open("w") as full:
        options = {"capture_output": False, "stdout": subprocess.PIPE, "stderr": full}
        ended = command(tmp_path, "scan", str(small), *QUICK, **options)
    assert (ended.returncode, "Report: " in ended.stdout) == (0, True)
    assert Report.load(tmp_path / "labelaudit-report").table.num_rows == 16


@needs_full_device
def test_devices_and_pipes_are_written_to_and_never_replaced(run, small, tmp_path):
    assert run("baseline", str(small), *QUICK).exit_code == 0
    os.mkfifo(tmp_path / "pipe.csv")
    check = ("check", str(small), "--format", "json", "--out")
    reader = os.open(tmp_path / "pipe.csv", os.O_RDONLY | os.O_NONBLOCK)
    assert run(*check, "pipe.csv").exit_code == 0
    assert json.loads(os.read(reader, 1 << 16))["rows"] == 16
    os.close(reader)
    assert (tmp_path / "pipe.csv").is_fifo()
    assert run(*check, "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()
    assert one_line(run(*check, str(FULL)), code=3) == "error: the run failed: [Errno 28] No space left on device"
    (tmp_path / "decisions.csv").write_text("id,label,decision,new_label\n", encoding="utf-8")
    apply = ("apply", "labelaudit-baseline", "--decisions", "decisions.csv", "--manifest", "pipe.csv", "--overwrite")
    assert "pipe.csv was not written by labelaudit apply" in one_line(run(*apply))
    assert (tmp_path / "pipe.csv").is_fifo()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no memory here is a folder below /dev")
def test_files_in_memory_are_files_like_others(run, small, tmp_path):
    """A folder below /dev, in which an old result is replaced, not added to."""
    assert run("baseline", str(small), *QUICK).exit_code == 0
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        out = Path(folder) / "result.json"
        for _ in range(2):
            assert run("check", str(small), "--format", "json", "--out", str(out)).exit_code == 0
            assert json.loads(out.read_text(encoding="utf-8"))["rows"] == 16


def test_where_the_result_goes_is_looked_at_before_anything_is_computed(run, small, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for option in ("--out", "--report"):
        for path, problem in (("folder", "folder is a folder"), ("file/below", "file is a file, not a folder")):
            said = one_line(run("check", str(small), "--baseline", "nowhere", option, path))
            assert said.startswith(f"error: {option}: {problem}"), said


def test_what_is_in_the_way_of_the_output_is_exit_2(run, small, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "circle").symlink_to("circle")
    for out in ("file", "file/deeper", "circle", "circle/deeper"):
        one_line(run("scan", str(small), *QUICK, "--out", out))
    for arguments in (("scan", "circle"), ("report", "circle"), ("check", str(small), "--baseline", "circle")):
        one_line(run(*arguments))


def test_memory_that_runs_out_is_named(small, tmp_path):
    (tmp_path / "hungry.py").write_text(
        "import torch\n"
        "def make(num_classes, num_features):\n"
        "    return torch.nn.Sequential(torch.nn.Linear(num_features, 2**40), torch.nn.Linear(2**40, num_classes))\n"
    )
    ended = command(tmp_path, "scan", str(small), "--model", "hungry:make")
    assert ended.returncode in (2, 3)
    assert "memory" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("scan", "small", "--dtype", "float9"), "--dtype: 'float9' is not one of 'float32', 'float64'"),
        (("scan", "small", "--seed", "1.5"), "--seed: input should be a valid integer; see "),
        (("scan", "small", "--folds", "1"), "--folds: input should be one of auto, 2 to 99 (it is 1)"),
        (("scan", "small", "--checkpoint-every", "nan"), "--checkpoint-every: input should be greater than"),
        (("scan", "small", "--sed", "1"), "no such option: --sed"),
        (("scan",), "missing argument 'SOURCE'; see "),
        (("scna", "small"), "no such command 'scna'"),
        (("cache", "burn"), "ACTION: 'burn' is not one of 'info', 'clear'; see "),
    ],
)  # fmt: skip  # a table
def test_a_wrong_command_line_is_refused_in_one_line(run, arguments, said):
    assert one_line(run(*arguments)).startswith(f"error: {said}")
