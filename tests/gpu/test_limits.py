"""What does not fit, is not there, or is shared: memory, devices, processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy
from typer.testing import CliRunner

from labelaudit import InputError, scan
from labelaudit.audit.fold_plan import plan_fold
from labelaudit.audit.needs import measured_needs
from labelaudit.cli.app import app
from labelaudit.config import InfluenceConfig
from labelaudit.data.batches import Images
from labelaudit.influence.dit import sweep
from labelaudit.influence.query_loss import QueryLoss
from labelaudit.models.flat import FlatModel
from labelaudit.models.parts import parameters_of
from labelaudit.models.sharded import ShardedModel
from labelaudit.runtime.distributed import joined
from labelaudit.runtime.machine import free_memory, reproducible
from labelaudit.training.fine_tune import fine_tune
from tests.support.networks import vit
from tests.support.paths import ROOT
from tests.support.training import plan

pytestmark = pytest.mark.gpu

CUDA = torch.device("cuda")


@pytest.mark.parametrize("track", ["all", "last:2"])
@pytest.mark.parametrize(("dtype", "mode"), [("float32", "memory"), ("float32", "replay"), ("bfloat16", "memory")])
def test_a_fold_takes_the_memory_it_was_said_to_take(dtype, mode, track):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", num_classes=10)
    model = FlatModel(network, CUDA, torch.float32, parameters_of(network, track), mixed=dtype == "bfloat16")
    pixels = torch.randint(0, 256, (512, 3, 224, 224), dtype=torch.uint8)
    batches = Images(pixels, torch.arange(512) % 10, lambda x: x - 0.5, CUDA, torch.float32)
    rows, query_rows = torch.arange(384), torch.arange(384, 512)
    settings = InfluenceConfig(track=track, trajectory=mode)
    setting = plan(epochs=1, batch_size=64, learning_rate=1e-4)
    with reproducible():
        fold = plan_fold(model, batches, setting, settings, rows=384, query_rows=128, folds=1)
        needs = measured_needs(model, batches, rows, fold, mode, memory=free_memory(CUDA), disk=0.0)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        run = fine_tune(model, batches, rows, setting, 0, needs.recording, lambda _: None)
        query = QueryLoss("probability", batches, query_rows, 64)
        sweep(run, fold.windows, query, fold.differentiate, fold.scoring, lambda _: None)
    taken = torch.cuda.max_memory_allocated()
    assert 0.4 < taken / needs.memory < 1.1, f"{taken / 1e9:.2f} GB taken, {needs.memory / 1e9:.2f} GB said"


def test_a_gpu_that_is_full_ends_the_run_with_a_message(source, tmp_path):
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(60e6 / torch.cuda.get_device_properties(0).total_memory)
    command = ["scan", str(source), "--model", "resnet18", "--image-size", "224", "--out", str(tmp_path / "out"), "-q"]
    try:
        result = CliRunner().invoke(app, command, env={"COLUMNS": "400"})
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert result.exit_code == 3
    assert "the device ran out of memory (CUDA out of memory" in result.stderr
    assert "--batch-size" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_cannot_fit_on_the_gpu_is_refused_before_it_starts(source, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (300_000_000, 80_000_000_000))
    with pytest.raises(InputError, match=r"of memory and 0.2 GB may be used: try a smaller `batch_size`"):
        scan(source, model="resnet18", image_size=224, device="cuda", batch_size=32)


def test_devices_by_number(source):
    report = scan(source, model="lr", epochs=2, device="cuda:0")
    assert report.metadata["device"] == "cuda:0"
    with pytest.raises(InputError, match="`device` cuda:99 is not available here"):
        scan(source, model="lr", device="cuda:99")
    assert torch.ones(2, device="cuda").sum() == 2  # asking for what is not there has broken nothing


def test_more_processes_than_gpus_are_refused(source, tmp_path):
    count = torch.cuda.device_count() + 1
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc-per-node={count}",
            "-m",
            "labelaudit",
            "scan",
            str(source),
            "--model",
            "lr",
            "--out",
            str(tmp_path / "out"),
        ],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert f"torchrun started {count} processes where {count - 1} GPU" in done.stderr, done.stderr[-2000:]
    assert not (tmp_path / "out" / "report.parquet").exists()


def test_nccl_shards_a_network_over_one_process(monkeypatch):
    """All that one GPU can show of nccl: the group begins and ends, and a sharded network is the whole one."""
    address = {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29517",
    }
    for name, value in address.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("labelaudit.runtime.distributed.launched", lambda: True)
    inputs, labels = torch.rand(6, 1, 28, 28, device=CUDA), torch.arange(6, device=CUDA) % 3
    torch.manual_seed(0)
    state = vit(3, 1, 28).state_dict()
    found = []
    with joined() as group:
        assert "nccl" in dist.get_backend_config()
        summed = torch.ones(3, device=CUDA)
        dist.all_reduce(summed)
        assert summed.tolist() == [1.0] * 3
        for kind in (FlatModel, ShardedModel):
            network = vit(3, 1, 28)
            network.load_state_dict(state)
            model = kind(network, CUDA, torch.float32, lambda name: True, group)
            model.backward(cross_entropy(model(inputs), labels))
            found.append(model.gather_on_leader(model.gradient))
    assert not dist.is_initialized()
    assert torch.allclose(*found, rtol=1e-4, atol=1e-7)
