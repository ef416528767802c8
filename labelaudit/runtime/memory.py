"""How much more memory this process may take: of the machine, of its container, and by its own limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

from labelaudit.errors import RunError
from labelaudit.units import format_bytes

try:
    import resource
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]  # a module elsewhere

GROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
FILES = {
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Of each version of Linux's control groups: the limit, what is taken, and what of this is only a cache of files."""


LEAST_TO_START, LEAST_TO_COMPUTE = 1 << 30, 1 << 28
"""Bytes of address space for the libraries, of which PyTorch alone takes 1 GB (4 GB where it is made for CUDA), and for
the threads and buffers of linear algebra. With less, some of them do not fail, but wait for more forever."""


def require_address_space(least: int) -> None:
    """Make sure that `ulimit -v` leaves enough.

    Args:
        least: How many bytes that is.

    Raises:
        RunError: It does not.
    """
    for room in _room_of_process():
        if room < least:
            raise RunError(
                f"`ulimit -v` leaves this process {format_bytes(max(0, room))} of memory, and it needs at least "
                f"{format_bytes(least)}: raise the limit, or limit the memory by a container"
            )


def available_memory() -> int:
    """Bytes that can be taken without swapping, and without being killed by a container or batch system."""
    rooms = [psutil.virtual_memory().available, *_rooms_of_groups(), *_room_of_process()]
    return max(0, min(rooms))


def _rooms_of_groups() -> Iterator[int]:
    """What the control groups that this process is in leave, from its own one up."""
    try:
        lines = OWN_GROUPS.read_text().splitlines()
    except OSError:
        return  # no Linux
    for line in lines:
        _, controllers, path = line.split(":", 2)
        version = 1 if controllers else 2
        if version == 1 and "memory" not in controllers.split(","):
            continue
        top = GROUPS / "memory" if version == 1 else GROUPS
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(top) and (room := _room_of_group(folder, version)) is not None:
                yield room


def _room_of_group(folder: Path, version: int) -> int | None:
    """What one group leaves; None if it has no limit."""
    limit_file, taken_file, cache = FILES[version]
    try:
        limit, taken = int((folder / limit_file).read_text()), int((folder / taken_file).read_text())
        lines = (folder / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):  # "max" is none, and so is what is not there
        return None
    reclaimable = sum(int(line.split()[1]) for line in lines if line.split()[0] == cache)
    return limit - taken + reclaimable


def _room_of_process() -> Iterator[int]:
    """What `ulimit -v` leaves."""
    if resource is not None and (limit := resource.getrlimit(resource.RLIMIT_AS)[0]) != resource.RLIM_INFINITY:
        yield limit - psutil.Process().memory_info().vms
