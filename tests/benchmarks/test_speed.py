import itertools
import json
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.speed.child import PassTimer
from benchmarks.speed.growth import slope
from benchmarks.speed.plot import plot
from benchmarks.speed.processes import Bench, rounded, spread


def test_pass_timer_counts_networks_of_its_own_thread_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr("benchmarks.speed.child.time.perf_counter", lambda: float(next(ticks)))  # a second a look
    original, inputs = nn.Module.__call__, torch.ones(2, 3)
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
    with PassTimer() as timer:
        nn.ReLU()(inputs)  # no parameters, as torchvision's transforms have none
        elsewhere = threading.Thread(target=network, args=(inputs,))
        elsewhere.start()
        elsewhere.join()
        assert timer.seconds == 0
        loss = network(inputs).sum()
        assert timer.seconds == 1
        loss.backward()
        assert timer.seconds == 2
        torch.autograd.grad(network(inputs).sum(), [*network.parameters()])
        assert timer.seconds == 4
    assert nn.Module.__call__ is original


def test_slope_is_the_exponent() -> None:
    assert slope([1.0, 2.0, 8.0], [3.0, 12.0, 192.0]) == pytest.approx(2)


def test_spread_and_rounding() -> None:
    assert spread([3.0, 1.0, 2.5]) == {"min": 1.0, "median": 2.5, "max": 3.0}
    assert rounded({"a": [1.23456, "b"], "c": 7}) == {"a": [1.235, "b"], "c": 7}


def test_cases_are_kept_beside_others_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results" / "speed.json"
    bench = Bench(tmp_path, tmp_path, tmp_path, results, quick=True)
    spans = {"cross-audit": spread([1.5, 1.7])}
    bench.keep("a: one", {"scan / plain": spans, "repeats": [1]})
    bench.keep("d: two", {"copies of the parameters more than plain": {"scan": 4.0}})
    bench.keep("d: two", {"copies of the parameters more than plain": {"scan": 3.0}})
    kept = json.loads(results.read_text())["cases"]
    assert kept["a: one"]["scan / plain"] == {"cross-audit": {"min": 1.5, "median": 1.6, "max": 1.7}}
    assert kept["d: two"]["copies of the parameters more than plain"] == {"scan": 3.0}
    assert {"date", "machine"} <= kept["a: one"].keys()
    assert 'cross-audit": {"min": 1.5' in capsys.readouterr().out
    plot(results, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
