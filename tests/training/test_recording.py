from __future__ import annotations

import pytest
import torch

from labelaudit.errors import InputError
from labelaudit.models.paper import dnn
from labelaudit.progress import ignore
from labelaudit.runtime.checkpoints import RunFolder
from labelaudit.training.fine_tune import fine_tune, take_step
from labelaudit.training.optimizers import SGD, AdamW
from labelaudit.training.recording import plan_recording
from labelaudit.training.window import Window
from tests.support.data import batches_of, digits
from tests.support.training import flat, plan

EXAMPLES = batches_of(*digits((1, 7, 4), 7), augmentation="shift")
ROWS = torch.arange(21)
LAST = [Window("last", 100, 200)]


def recording(memory, disk=0, mode="auto", optimizer=SGD(0.9), windows=LAST):  # noqa: B008  # it is frozen
    return plan_recording(windows, 200, 8, optimizer, memory=memory, disk=disk, mode=mode)


def test_auto_takes_the_first_that_fits():
    everything = recording(800)
    assert (everything.first, everything.stop, everything.interval, everything.on_disk) == (100, 200, 1, False)
    replayed = recording(799)  # ten states of θ and v, and ten more while a segment is replayed
    assert (replayed.interval, replayed.on_disk, replayed.memory) == (10, False, 320)
    on_disk = recording(319, disk=160)
    assert (on_disk.interval, on_disk.on_disk, on_disk.memory, on_disk.disk) == (10, True, 160, 160)


def test_what_does_not_fit_is_refused_with_the_need_and_the_way_out():
    with pytest.raises(
        InputError, match=r"trajectory of 100 steps does not fit.* shorter `window`, a larger `batch_size`"
    ):
        recording(319, disk=159)
    with pytest.raises(InputError, match=r"`trajectory` memory it needs 0.0 MB.*Try `trajectory` replay"):
        recording(799, disk=10**9, mode="memory")


def test_modes_and_needs():
    assert recording(10**9, 10**9, "disk").on_disk
    assert recording(10**9, mode="replay").interval == 10
    assert not recording(10**9).keep_moments
    assert recording(10**9, optimizer=AdamW()).keep_moments
    assert recording(10**9, optimizer=AdamW()).memory == 2400
    early = recording(10**9, windows=[Window("w", 10, 20), Window("v", 50, 60, "start")])
    assert (early.first, early.stop) == (0, 61)
    with pytest.raises(InputError, match="the window last ends with step 201, the run with step 200"):
        recording(10**9, windows=[Window("last", 100, 201)])


@pytest.mark.parametrize(("mode", "interval"), [("memory", 1), ("replay", 3), ("disk", 1)])
@pytest.mark.parametrize("optimizer", [SGD(0.9), AdamW()])
def test_every_recorded_state_can_be_had_again_bit_for_bit(mode, interval, optimizer, tmp_path):
    setting = plan(optimizer=optimizer, epochs=2, batch_size=2, learning_rate=0.003)
    torch.manual_seed(0)
    model = flat(dnn(3, 784))
    moments = model.theta.new_zeros(optimizer.moments, len(model.theta))
    forwards = []
    start = model.theta.clone()
    for step in setting.steps(ROWS, seed=0):
        forwards.append(model.theta.clone())
        take_step(model, EXAMPLES, setting, step, moments)
    end = model.theta.clone()
    model.theta.copy_(start)
    window = [Window("part", 9, 19)]
    kept = plan_recording(window, 22, model.theta.nbytes, optimizer, memory=1 << 30, disk=1 << 30, mode=mode)
    files = RunFolder(tmp_path / "run").open({})
    run = fine_tune(model, EXAMPLES, ROWS, setting, 0, kept, ignore, files)
    assert run.trajectory.interval == interval
    assert torch.equal(run.final, end)
    assert torch.equal(run.state(14).theta, forwards[14])
    assert torch.equal(run.state(22).theta, end)
    seen = []
    for step, state in run.trajectory.backwards(18, 11, model.theta, run.replay):
        assert torch.equal(state.theta, forwards[step.index])
        seen.append(step.index)
    assert seen == list(range(17, 10, -1))


def test_a_truncated_or_foreign_state_is_refused(tmp_path):
    setting = plan(optimizer=SGD(0.9), epochs=1, batch_size=7)
    model = flat(dnn(3, 784))
    windows = [Window("full", 0, 3)]
    kept = plan_recording(windows, 3, model.theta.nbytes, SGD(0.9), memory=1 << 30, disk=1 << 30, mode="disk")
    run = fine_tune(model, EXAMPLES, ROWS, setting, 0, kept, ignore, RunFolder(tmp_path / "run").open({"a": 1}))
    files = sorted((tmp_path / "run" / "trajectory").iterdir())
    assert len(files) == 3
    other = RunFolder(tmp_path / "other").open({"a": 2}).part("trajectory")
    other.save("state-0000001", {"theta": model.theta, "moments": model.theta[None].clone()})
    whole = files[1].read_bytes()
    files[1].write_bytes((tmp_path / "other" / "trajectory" / "state-0000001.safetensors").read_bytes())
    with pytest.raises(InputError, match=r"state-0000001.safetensors belongs to another run"):
        run.state(1)
    files[1].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"state-0000001.safetensors is damaged"):
        run.state(1)
    files[1].unlink()
    with pytest.raises(InputError, match="lacks the state before step 2"):
        run.state(1)
