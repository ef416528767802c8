"""Several processes together give the scores of one, and a lost one ends the run so that it can be gone on with."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from labelaudit.audit.setup import check_processes
from labelaudit.cli.app import app
from labelaudit.commands.scan import scan
from labelaudit.config import TrainingConfig
from labelaudit.errors import InputError, RunError
from labelaudit.models.flat import FlatModel
from labelaudit.models.sharded import ShardedModel
from labelaudit.report.report import Report
from labelaudit.runtime.checkpoints import RunFolder
from labelaudit.runtime.distributed import SINGLE_PROCESS, ProcessGroup, joined, process_group
from labelaudit.settings import audit_config
from tests.support.data import CPU, batches_of, digit_folders, digits
from tests.support.networks import vit
from tests.support.paths import ROOT
from tests.support.processes import forked
from tests.support.progress import Interrupted, StopsAt

COMMON = {"epochs": 2, "batch_size": 5, "dtype": "float64", "folds": 2}  # 12 rows: the last step of an epoch has two
SETTINGS = {
    "augmented": audit_config(
        model="cnn", augment="flip-shift", derivatives="forward-over-reverse", scoring_steps=2, **COMMON
    ),
    "adamw, clipped": audit_config(
        model="dnn", optimizer="adamw", clip_norm=0.5, derivatives="central-differences", estimator="visited",
        window="steps:2-5", removal="start", trajectory="replay", **COMMON,
    ),
    "sharded": audit_config(
        model="tests.support.networks:vit", shard="always", clip_norm=0.5, derivatives="central-differences",
        trajectory="disk",
        track="last:1", **COMMON,
    ),
}  # fmt: skip  # data, read as a table
COLUMNS = ("influence", "score", "loss", "p_label")


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return digit_folders(tmp_path_factory.mktemp("digits"), "017", 8)


@pytest.fixture(scope="module")
def alone(source, tmp_path_factory) -> dict[str, Report]:
    """What one process finds."""
    folder = tmp_path_factory.mktemp("alone")
    return {
        name: scan(str(source), config=config, run_folder=RunFolder(folder / str(number)))
        for number, (name, config) in enumerate(SETTINGS.items())
    }


def difference(one: Report, other: Report) -> float:
    """The largest one of a value, relative to the largest value of its column."""
    pairs = [(one.to_pandas()[name].to_numpy(), other.to_pandas()[name].to_numpy()) for name in COLUMNS]
    assert (one.to_pandas()["rank"] == other.to_pandas()["rank"]).all()
    return max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs)


def member(rank: int, size: int, port: int, work: Callable[..., None], arguments: tuple[object, ...]) -> None:
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "CUDA_VISIBLE_DEVICES": "",
        "COLUMNS": "200",
    }
    torch.set_num_threads(1)
    work(*arguments)


def run_processes(size: int, work: Callable[..., None], *arguments: object) -> None:
    """Have so many processes do some work together."""
    context = forked()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    members = [context.Process(target=member, args=(rank, size, port, work, arguments)) for rank in range(size)]
    for process in members:
        process.start()
    for process in members:
        process.join(300)
        process.kill()
    assert [process.exitcode for process in members] == [0] * size


def shard_and_gather(members: ProcessGroup) -> None:
    rank, size = members.rank, members.size
    for total in range(3 * size + 2):
        rows = torch.arange(2 * total).view(total, 2)
        assert torch.equal(members.all_gather(rows[members.shard(total)], total), rows)
    assert members.all_gather_text("é" * rank) == ["é" * number for number in range(size)]
    assert (members.min(rank + 1), members.max(rank + 1)) == (1, size)
    assert members.all_gather_text("ab" * 200 * rank)[-1] == "ab" * 200 * (size - 1)
    assert members.from_leader(rank + 5) == 5
    sent = torch.arange(6).view(2, 3)
    assert torch.equal(members.broadcast(sent if members.is_leader else None, torch.empty_like(sent)), sent)


def differentiate_in_parts(members: ProcessGroup) -> None:
    """Logits, gradients, lengths: of a whole network with a shard of the rows, and of one spread over the processes."""
    pixels, labels = digits((0, 1, 7), 2)
    batches = batches_of(pixels, labels)
    torch.manual_seed(0)
    state = vit(3, 1, 28).state_dict()

    def network() -> torch.nn.Module:
        built = vit(3, 1, 28)
        built.load_state_dict(state)
        return built

    def is_tracked(name: str) -> bool:
        return name.startswith(("blocks.0.mlp", "norm", "cls"))

    def loss(logits: torch.Tensor, targets: torch.Tensor, total: int) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits, targets, reduction="sum") / total

    one = FlatModel(network(), CPU, torch.float64, is_tracked)
    for kind in (FlatModel, ShardedModel):
        several = kind(network(), CPU, torch.float64, is_tracked, members)
        assert several.parameters == one.parameters == len(one.theta)
        for total in (6, 1):
            rows, shard = torch.arange(total), members.shard(total)
            inputs, targets = batches.batch(rows)
            logits = one(inputs)
            one.backward(loss(logits, targets, total))
            own_logits = several(inputs[shard])
            several.backward(loss(own_logits, targets[shard], total))
            several.all_reduce(several.gradient)
            torch.testing.assert_close(members.all_gather(own_logits.detach(), total), logits.detach())
            for name, tracked in (("gradient", False), ("tracked_gradient", True)):
                own, expected = getattr(several, name), getattr(one, name)
                torch.testing.assert_close(several.norm(own), one.norm(expected))
                torch.testing.assert_close(several.inner(own[None], own), one.inner(expected[None], expected))
                whole = several.gather_on_leader(own, tracked=tracked)
                if members.is_leader:
                    torch.testing.assert_close(whole, expected)
                back = several.scatter_from_leader(whole if members.is_leader else None, (), own.dtype, tracked=tracked)
                assert torch.equal(back, own)
            several.gradient.zero_()
            with several.tracking():
                several.backward(loss(several(inputs[shard]), targets[shard], total))
            torch.testing.assert_close(
                several.norm(several.all_reduce(several.tracked_gradient)), one.norm(one.tracked_gradient)
            )
        before = several.theta.clone()
        assert several.is_at(before)
        several.theta[: members.rank] += 1  # not in rank 0's
        assert several.is_at(before) == (kind is FlatModel and members.is_leader)


def refuse_other_data(members: ProcessGroup, source: Path, other: Path) -> None:
    config = SETTINGS["augmented"]
    place = members.name(1)
    with pytest.raises(InputError) as caught:
        scan(str(other if members.rank == 1 else source), config=config)
    assert str(caught.value).startswith(f"{place} has other data than {members.name(0)}: all processes need the same")
    with pytest.raises(InputError) as caught:
        scan(str(other / "nothing") if members.rank == 1 else str(source), config=config)
    assert str(caught.value).startswith(f"{place}: ")
    assert "nothing" in str(caught.value)


def scan_together(source: Path, other: Path, out: Path) -> None:
    with joined() as members:
        shard_and_gather(members)
        differentiate_in_parts(members)
        refuse_other_data(members, source, other)
        for number, (name, config) in enumerate(SETTINGS.items()):
            report = scan(str(source), config=config, run_folder=RunFolder(out / str(number)))
            if members.is_leader:
                report.save(out / f"{name}.parquet")
        if members.size == 3:
            return
        stops = StopsAt("Fold 2 of 2: sweeping", 3)
        folder = RunFolder(out / "run", every_seconds=0)
        with pytest.raises(Interrupted):
            scan(str(source), config=SETTINGS["sharded"], progress=stops, run_folder=folder)


def run_command(arguments: list[str], out: Path) -> None:
    """A command as torchrun would start it, what it prints going to `out`."""
    with (out / os.environ["RANK"]).open("w") as file, redirect_stdout(file), redirect_stderr(file):
        app(arguments, prog_name="labelaudit", standalone_mode=False)


@pytest.mark.parametrize("size", [2, 3])
def test_several_processes_give_the_scores_of_one(size, source, alone, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(source, other)
    next((other / "0").iterdir()).unlink()
    run_processes(size, scan_together, source, other, tmp_path)
    for name, report in alone.items():
        assert difference(report, Report.load(tmp_path / f"{name}.parquet")) < 1e-6, name
    if size == 3:
        return
    folder = RunFolder(tmp_path / "run", resume=True)
    resumed = scan(str(source), config=SETTINGS["sharded"], run_folder=folder)  # begun sharded, ended by one process
    assert difference(alone["sharded"], resumed) < 1e-6


def torchrun(size: int, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
    settings = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [*command, "-m", "labelaudit", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=240,
        env=os.environ | settings | environment,
    )


@pytest.mark.faults
def test_a_killed_process_ends_the_run_with_a_message_and_any_number_goes_on(source, tmp_path):
    out = tmp_path / "out"
    options = ["--model", "tests.support.networks:mortal", "--epochs", "2", "--batch-size", "5", "--trajectory", "disk"]
    command = ["scan", str(source), *options, "--out", str(out), "--checkpoint-every", "0"]
    died = torchrun(2, *command, DIES="1", DIES_IN=str(out))
    assert died.returncode != 0
    assert died.stdout == ""
    said = [line for line in died.stderr.splitlines() if line.startswith("error:")]
    assert len(said) == 1, died.stderr
    assert said[0].startswith(f"error: the run is stopped: process 1 ({socket.gethostname()}), process id ")
    assert said[0].endswith("start the same command again with --resume; the number of processes may be another one")
    assert not list(out.glob("report.*"))
    kept = sorted(file.name for file in (out / "unfinished-run").rglob("*.safetensors"))
    assert "sweep.safetensors" in kept
    assert "result.safetensors" not in kept
    run_processes(3, run_command, [*command, "--resume"], tmp_path)
    assert "20 most suspect labels" in (tmp_path / "0").read_text()
    assert [(tmp_path / str(rank)).read_text() for rank in (1, 2)] == ["", ""]
    assert sorted(file.name for file in out.iterdir()) == ["report.html", "report.parquet"]
    config = audit_config(model="tests.support.networks:mortal", epochs=2, batch_size=5, trajectory="disk")
    whole = scan(str(source), config=config, run_folder=RunFolder(tmp_path / "whole"))
    assert difference(whole, Report.load(out / "report.parquet")) < 1e-4


def say_why_though_told_to_end() -> None:
    with pytest.raises(RunError, match="why"), joined():
        raise RunError("why")
    os.kill(os.getpid(), signal.SIGTERM)  # torchrun's, before the caller has printed anything


def test_torchrun_does_not_end_a_process_that_has_yet_to_say_why():
    run_processes(2, say_why_though_told_to_end)


def test_more_processes_than_rows_of_a_batch_are_refused():
    check_processes(ProcessGroup(0, 5), TrainingConfig(batch_size=5))
    message = (
        "torchrun started 6 processes to share mini-batches of 5 rows: start at most 5, or try a larger `batch_size`"
    )
    with pytest.raises(InputError, match=message):
        check_processes(ProcessGroup(0, 6), TrainingConfig(batch_size=5))


def test_shards_are_all_rows_in_order():
    for size in (1, 2, 3, 7):
        for total in (0, 1, 5, 7, 20):
            shards = [ProcessGroup(rank, size).shard(total) for rank in range(size)]
            assert [row for shard in shards for row in range(total)[shard]] == list(range(total))
            lengths = [shard.stop - shard.start for shard in shards]
            assert max(lengths) - min(lengths) <= 1


def test_one_process_needs_no_others():
    rows = torch.arange(3)
    assert process_group() is SINGLE_PROCESS
    assert SINGLE_PROCESS.all_gather(rows, 3) is SINGLE_PROCESS.all_reduce(rows) is rows
    assert (SINGLE_PROCESS.all_gather_text("a"), SINGLE_PROCESS.min(2), SINGLE_PROCESS.from_leader(3)) == (["a"], 2, 3)
    with pytest.raises(InputError, match="as it is"), SINGLE_PROCESS.raise_together():
        raise InputError("as it is")
    with joined() as members:
        assert members is SINGLE_PROCESS


def test_a_shard_is_augmented_as_it_is_among_all():
    pixels, labels = digits((0, 1, 7), 4)
    batches = batches_of(pixels, labels, augmentation="flip-shift")
    rows = torch.randperm(12)
    whole = batches.batch(rows, augmentation_seed=3)
    for shard in (slice(0, 5), slice(5, 5), slice(5, 12)):
        part = batches.batch(rows, augmentation_seed=3, shard=shard)
        assert torch.equal(part[0], whole[0][shard])
        assert torch.equal(part[1], whole[1][shard])


@pytest.mark.parametrize(("rank", "printed"), [("0", "error: torchrun is for scan, baseline, flip-test;"), ("1", "")])
def test_what_one_process_does_is_refused_under_torchrun(rank, printed):
    result = CliRunner().invoke(app, ["report", "nothing"], env={"RANK": rank, "WORLD_SIZE": "2"})
    assert result.exit_code == 2
    assert result.stderr.startswith(printed)
    assert bool(result.stderr) == bool(printed)


def test_a_process_without_rows_takes_part_in_networks_that_take_none():
    class Windows(torch.nn.Module):
        """Its shape of -1 is not defined for no rows, as in timm's Swin."""

        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 3)

        def forward(self, inputs):
            return self.layer(inputs.reshape(len(inputs), -1))

    model = FlatModel(Windows(), CPU, torch.float32)
    logits = model(torch.zeros(0, 2, 2))
    assert logits.shape == model.at(model.tracked, torch.zeros(0, 2, 2)).shape == (0, 3)
    logits.sum().backward()
    assert not model.gradient.any()
