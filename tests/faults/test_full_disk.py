"""On a full disk a command ends in one line, the old output is intact, and with room again all goes on."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelaudit.runtime.files import PART_PATTERN
from tests.faults.commands import COMMANDS
from tests.faults.processes import run, said

pytestmark = pytest.mark.faults


@pytest.fixture(scope="session")
def disk(tmp_path_factory) -> Iterator[Path | None]:
    """A disk of 24 MB, None where we may not mount one."""
    path = tmp_path_factory.mktemp("disk")
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=24m", "labelaudit-test", str(path)]
    if (
        os.getuid() != 0
        or mount is None
        or subprocess.run([mount, *options], check=False, capture_output=True).returncode
    ):
        yield None
        return
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk(made, disk, tmp_path, name):
    command, generator = COMMANDS[name], random.Random(name)
    old = command.state(made / command.output)
    if disk is None:
        place = tmp_path / "work"
    else:
        place = disk / "place" / "work"
        shutil.rmtree(place.parent, ignore_errors=True)
    for _ in range(2):
        shutil.copytree(made, place)
        room = generator.randint(0, 3000)
        if disk is None:
            code, _ = run(command.arguments, place, largest_file=room)
        else:
            free = os.statvfs(disk)
            filler = disk / "filler"
            filler.write_bytes(b"\0" * max(0, free.f_bavail * free.f_frsize - room - 8192))
            code, _ = run(command.arguments, place)
            filler.unlink()
        if code == 0:  # it needed no more than there was
            assert name == "report"
        else:
            assert code in (2, 3), said()
            assert command.state(place / command.output) == old
            assert not list(place.rglob(PART_PATTERN))
            assert "Traceback" not in said()
        code, _ = run(command.arguments, place)
        assert code == 0, said()
        assert command.state(place / command.output) != old
        assert {path.name for path in (place / command.output).iterdir()} == command.left
        shutil.rmtree(place.parent if disk else place)


def test_images_for_which_the_disk_has_no_room_any_more(disk):
    """The room is taken at once: a page that finds none when it is written would end the process without a word."""
    if disk is None:
        pytest.skip("only root may mount a small disk")
    code = "from labelaudit.data.pixels import allocate; allocate((9000, 3, 64, 64), 'disk')[:] = 1"
    environment = os.environ | {"LABELAUDIT_CACHE": str(disk)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "InputError: `image_cache` disk: cannot write below" in ended.stderr
    assert "No space left on device" in ended.stderr
