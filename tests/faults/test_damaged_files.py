"""Stored files, damaged at random: each command ends with one line and exit code 2, or with a result.

A file that carries a hash is refused, or the result is that of the whole file: never another one.
`LABELAUDIT_MUTATIONS` is the number of mutations of each file; 90, a thousand in all, is a long run.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from labelaudit.audit.frozen_features import FeatureCache
from labelaudit.cli.app import app
from labelaudit.config import ModelConfig
from labelaudit.data.images import ImageSummary
from labelaudit.models.registry import model_spec
from tests.faults.commands import report_state
from tests.faults.conftest import QUICK
from tests.faults.processes import run
from tests.support.paths import ROOT
from tests.support.progress import Notes

MUTATIONS = int(os.environ.get("LABELAUDIT_MUTATIONS", "90"))
HOSTILE = (
    b"9" * 400, b"-1", b"NaN", b"Infinity", b"1e999", b"null", b"\x00", b"\xff\xfe", b"[" * 3000, b'"', b"../../x",
    b"=cmd|' /C calc'!A0", b"<script>", b"::error::", b"\x1b[31m", str(2**63).encode(), b"\xe2\x80\xa8", b"os:abort",
)  # fmt: skip  # data, read as a table
pytestmark = pytest.mark.faults


def mutated(content: bytes, generator: random.Random) -> bytes:
    """The content with some bits flipped, bytes cut out, put in, doubled or blanked."""
    changed = bytearray(content)
    for _ in range(generator.choice((1, 1, 1, 3, 20))):
        size = len(changed)
        start = generator.randrange(size + 1)
        stop = min(size, start + generator.choice((1, 8, 100, size)))
        match generator.randrange(7):
            case 0 | 1 if start < size:
                changed[start] ^= 1 << generator.randrange(8)
            case 2:
                del changed[start:stop]
            case 3:
                changed[start:start] = generator.randbytes(generator.choice((1, 8, 100)))
            case 4:
                changed[start:start] = changed[start:stop]
            case 5:
                changed[start:stop] = bytes(stop - start)
            case _:
                changed[start : generator.choice((start, stop))] = generator.choice(HOSTILE)
    return bytes(changed)


@dataclass(frozen=True)
class Stored:
    """A file that a command reads.

    Attributes:
        file: Its path, relative to the working folder.
        arguments: Of the command.
        result: What the command has found, from its output and the working folder.
        sealed: Whether the file carries a hash.
    """

    file: str
    arguments: list[str]
    result: Callable[[str, Path], object] = lambda stdout, place: None
    sealed: bool = False


def checked(stdout: str, place: Path) -> object:
    return json.loads(stdout) | {"seconds": 0}


RESUME = ["scan", "data", *QUICK, "--seed", "1", "--out", "begun", "--resume"]
CHECK = ["check", "data", "--baseline", "baseline", "--format", "json"]
SCAN = ["scan", "data", "--epochs", "1", "--out", "scanned", "--overwrite"]
STORED = {
    "report": Stored("report/report.parquet", ["report", "report", "--out", "page.html"],
                     lambda stdout, place: (place / "page.html").read_bytes(), sealed=True),
    "baseline": Stored("baseline/report.parquet", CHECK, checked, sealed=True),
    "networks": Stored("baseline/networks.safetensors", CHECK, checked, sealed=True),
    "run": Stored("begun/unfinished-run/run.json", RESUME, lambda stdout, place: report_state(place / "begun"), True),
    "checkpoint": Stored("begun/unfinished-run/fold-0/result.safetensors", RESUME,
                         lambda stdout, place: report_state(place / "begun"), sealed=True),
    "decisions": Stored("new.csv", ["apply", "report", "--decisions", "new.csv", "--out", "fixed", "--overwrite"]),
    "accepted": Stored("accepted.txt", [*CHECK, "--accepted", "accepted.txt"]),
    "recipe": Stored("recipe.toml", ["reproduce", "recipe.toml", "--data", "nowhere"]),
    "weights": Stored("weights.safetensors", [*SCAN, "--model", "cnn", "--weights", "weights.safetensors"]),
    "pickled weights": Stored("weights.pt", [*SCAN, "--model", "cnn", "--weights", "weights.pt"]),
    "vectors": Stored("vectors.npy", [*SCAN, "--vectors", "vectors.npy"]),
}  # fmt: skip  # data, read as a table


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory) -> Path:
    """All that the commands read, as it was written."""
    place = tmp_path_factory.mktemp("whole") / "work"
    shutil.copytree(made, place)
    (place / "accepted.txt").write_text("0/a.png\n# a comment\n", encoding="utf-8")
    shutil.copy(ROOT / "recipes" / "table2.toml", place / "recipe.toml")
    generator = np.random.default_rng(0)
    np.save(place / "vectors.npy", generator.normal(size=(48, 3)).astype(np.float32))
    state = model_spec(ModelConfig(name="cnn"), ImageSummary(True, 28)).network(4, 0).state_dict()
    save_file(state, place / "weights.safetensors")
    torch.save(state, place / "weights.pt")
    arguments = ["scan", "data", *QUICK, "--seed", "1", "--out", "begun", "--checkpoint-every", "0"]
    _, events = run(arguments, place)
    for died_at in range(events - 10, 0, -5):
        shutil.rmtree(place / "begun")
        assert run(arguments, place, die_at=died_at)[0] == -signal.SIGKILL
        kept = place / "begun" / "unfinished-run" / "fold-0" / "result.safetensors"
        if kept.exists() and not (place / "begun" / "report.parquet").exists():
            return place
    raise AssertionError("no kill left a run to resume")


@pytest.mark.parametrize("name", STORED)
def test_a_damaged_file_is_one_line_or_a_result(whole, tmp_path, monkeypatch, name):
    stored, generator = STORED[name], random.Random(name)
    place = tmp_path / "work"
    shutil.copytree(whole, place)
    monkeypatch.chdir(place)
    monkeypatch.setattr("os.sync", lambda: None)  # of all disks, which takes long while others write

    def invoke():
        return CliRunner().invoke(app, stored.arguments, catch_exceptions=False)

    first = invoke()
    good = stored.result(first.stdout, place)
    assert first.exit_code == (2 if name == "recipe" else 0), first.stderr
    content = (whole / stored.file).read_bytes()
    refused = 0
    for number in range(MUTATIONS):
        damaged = mutated(content, generator)
        if stored.file.startswith("begun"):
            shutil.rmtree(place / "begun")
            shutil.copytree(whole / "begun", place / "begun")
        (place / stored.file).write_bytes(damaged)
        ended = invoke()
        where = f"{name}, mutation {number}: {ended.exit_code}, {ended.stderr}"
        assert "Traceback" not in ended.stderr, where
        assert ended.exit_code in (0, 2), where
        if ended.exit_code == 2:
            errors = [line for line in ended.stderr.splitlines() if not line.startswith("note: ")]
            assert len(errors) == 1, where
            assert errors[0].startswith("error: "), where
            assert errors[0].isprintable(), where
            refused += 1
        elif stored.sealed:
            assert stored.result(ended.stdout, place) == good, where
    assert refused or name == "accepted"


def ignored(*found):
    """Takes what was found."""


def test_damaged_features_are_never_used(tmp_path):
    generator = random.Random(0)
    numbers = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    small = np.random.default_rng(0).integers(0, 256, (20, 1, 4, 4)).astype(np.uint8)
    known = {f"{row:064x}": values for row, values in enumerate(zip(numbers, small, strict=True))}
    FeatureCache(tmp_path / "cache").add(known)
    (file,) = (tmp_path / "cache").iterdir()
    content = file.read_bytes()
    assert FeatureCache(tmp_path / "cache").load(known, 5, (1, 4, 4), Notes(), ignored) == known.keys()
    for _ in range(10 * MUTATIONS):
        damaged = mutated(content, generator)
        file.write_bytes(damaged)
        notes, found = Notes(), {}

        def keep(name, *values, found=found):
            found[name] = values

        FeatureCache(tmp_path / "cache").load(known, 5, (1, 4, 4), notes, keep)
        for name, values in found.items():
            assert all(np.array_equal(one, other) for one, other in zip(values, known[name], strict=True))
        assert found or notes.notes
        assert found or not file.exists()
