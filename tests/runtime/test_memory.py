"""Memory that may be taken, with limits of containers made by hand."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from labelaudit.errors import RunError
from labelaudit.runtime import memory
from labelaudit.runtime.memory import available_memory, require_address_space

MACHINE = 10**12


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """A function that makes this process a member of a control group."""
    monkeypatch.setattr(memory, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(memory, "_room_of_process", lambda: [])
    free = type("Free", (), {"available": MACHINE})()
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: free)

    def belong(line, **folders):
        (tmp_path / "own").write_text(line)
        for folder, (version, limit, taken, cached) in folders.items():
            where = tmp_path / "cgroup" / folder.replace("_", "/")
            where.mkdir(parents=True, exist_ok=True)
            limit_file, taken_file, cache = memory.FILES[version]
            (where / limit_file).write_text(f"{limit}\n")
            (where / taken_file).write_text(f"{taken}\n")
            (where / "memory.stat").write_text(f"anon 5\n{cache} {cached}\n")

    return belong


def test_without_groups_the_machine_counts(groups):
    assert available_memory() == MACHINE
    groups("0::/\n")
    assert available_memory() == MACHINE


def test_a_container_leaves_what_its_limit_leaves_and_its_cache_of_files_is_free(groups):
    groups("0::/pod/one\n", pod=(2, 900, 300, 50), pod_one=(2, "max", 300, 0))
    assert available_memory() == 650  # the group itself has no limit, the one above it has
    groups("0::/pod/one\n", pod_one=(2, 400, 300, 20))
    assert available_memory() == 120
    groups("0::/pod/one\n", pod_one=(2, 200, 300, 20))
    assert available_memory() == 0


def test_groups_of_the_first_version(groups):
    groups("5:cpu,cpuacct:/pod\n4:memory:/pod\n", memory=(1, 2**63 - 4096, 10, 0), memory_pod=(1, 1000, 400, 100))
    assert available_memory() == 700
    groups("4:memory:/host/path/that/is/not/here\n", memory=(1, 1000, 700, 0))
    assert available_memory() == 300


def test_groups_that_make_no_sense_are_passed_over(groups, tmp_path):
    groups("0::/pod\n", pod=(2, 900, 300, 50))
    (tmp_path / "cgroup" / "pod" / "memory.current").write_text("much")
    assert available_memory() == MACHINE


@pytest.mark.skipif(memory.resource is None, reason="there no process has such a limit")
def test_ulimit_counts():
    """A limit of 3 GB of addresses, of which the interpreter has taken some."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 * 10**9,) * 2); "
        "from labelaudit.runtime.memory import available_memory; print(available_memory())"
    )
    found = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 0 < found < min(3 * 10**9, psutil.virtual_memory().total)


@pytest.mark.skipif(memory.resource is None, reason="there no process has such a limit")
@pytest.mark.parametrize("least", [memory.LEAST_TO_START, memory.LEAST_TO_COMPUTE])
def test_too_few_addresses_are_said_before_libraries_wait_for_them_forever(monkeypatch, least):
    taken = psutil.Process().memory_info().vms
    monkeypatch.setattr(memory.resource, "getrlimit", lambda _: (taken + least + 10**9, taken + least + 10**9))
    require_address_space(least)
    monkeypatch.setattr(memory.resource, "getrlimit", lambda _: (taken + least // 2, taken + least // 2))
    with pytest.raises(RunError, match=r"^`ulimit -v` leaves this process .* and it needs at least .* raise the limit"):
        require_address_space(least)
    monkeypatch.setattr(memory.resource, "getrlimit", lambda _: (memory.resource.RLIM_INFINITY,) * 2)
    require_address_space(least)
