"""One measured process: `python -m benchmarks.speed.child MODULE FIGURES ARGUMENT …`.

Imports the module, then times its `main(arguments)`: from before anything is read until all is written. What importing
takes is stated beside it.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn


class PassTimer:
    """Adds up the wall time the main thread spends in networks' forward passes and in backward passes.

    It wraps what everyone calls, so that it can be put round any program; on a GPU, which works on after a call has
    returned, it says nothing. A call costs about a microsecond.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._thread = threading.get_ident()

    def __enter__(self) -> PassTimer:
        self._originals = nn.Module.__call__, torch.autograd.backward, torch.autograd.grad
        call, backward, grad = self._originals
        nn.Module.__call__ = self._timed(call, network=True)  # type: ignore[method-assign]  # to be timed
        torch.autograd.backward = self._timed(backward)
        torch.autograd.grad = self._timed(grad)
        return self

    def __exit__(self, *exception: object) -> None:
        nn.Module.__call__, torch.autograd.backward, torch.autograd.grad = self._originals  # type: ignore[method-assign]  # as found

    def _timed(self, function: Callable[..., Any], *, network: bool = False) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            if self._depth or threading.get_ident() != self._thread:
                return function(*arguments, **named)
            if network and next(arguments[0].parameters(), None) is None:  # torchvision's transforms are modules, too
                return function(*arguments, **named)
            self._depth += 1
            started = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - started
                self._depth -= 1

        return timed


def peak_memory() -> int:
    """The most bytes this process has had in memory.

    Not `ru_maxrss` where there is better: Linux hands on to a new program the peak of the one that started it.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def cpu_seconds() -> float:
    """What the process and the workers it has ended have computed, on all cores."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    """Run a module's work and write its figures."""
    module, figures, *arguments = sys.argv[1:]
    started = time.perf_counter()
    work = importlib.import_module(module).main
    importing, before = time.perf_counter() - started, peak_memory()
    timer = PassTimer()
    started, cpu_started = time.perf_counter(), cpu_seconds()
    with timer:
        own = work(arguments)
    result: dict[str, Any] = {
        "seconds": time.perf_counter() - started,
        "importing_seconds": importing,
        "cpu_seconds": cpu_seconds() - cpu_started,
        "peak_bytes": peak_memory(),
        "peak_bytes_before": before,
        "largest_worker_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    }
    if torch.cuda.is_available():
        result["peak_gpu_bytes"] = torch.cuda.max_memory_allocated()
    else:
        result["forward_backward_seconds"] = timer.seconds
    Path(figures).write_text(json.dumps(result | (own or {})))


if __name__ == "__main__":
    main()
