"""Locks on folders: who writes into one has it alone, and what a dead process left in it is removed.

The lock is the operating system's own (`flock`) and ends with the process that holds it, however that ends. No file is
left behind. Where a file system has no such locks, there is none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from labelaudit.errors import InputError
from labelaudit.runtime.files import PART_PATTERN, try_lock


@contextmanager
def locked(folder: Path, *, option: str, shared: bool = False) -> Iterator[None]:
    """Have a folder for oneself, or share it with others that only read.

    It is made if need be and, if nothing was put into it, removed again.

    Args:
        folder: The folder.
        option: The setting that names it, for the message.
        shared: Whether others may have it at the same time, if they only read, too.

    Raises:
        InputError: Another process has it, or it cannot be made; the message says who or why.
    """
    made = [] if shared else _make(folder, option)
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"cannot open {folder}: {error.strerror}", option=option) from error
    try:
        if not try_lock(descriptor, shared=shared):
            raise InputError(
                f"{folder} is in use by {holder(descriptor)}: wait until that has ended, or choose another folder",
                option=option,
            )
        if not shared:
            remove_leftovers(folder)
        yield
    finally:
        os.close(descriptor)
        for path in made:
            with suppress(OSError):  # it holds something, or is gone
                path.rmdir()


def _make(folder: Path, option: str) -> list[Path]:
    """Make a folder and those above it; return the new ones, the innermost first."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}", option=option) from error
    return new


def holder(descriptor: int) -> str:
    """The process that has locked an open file or folder, in words."""
    inode = str(os.fstat(descriptor).st_ino)
    with suppress(OSError, ValueError, psutil.Error):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            fields = line.split()
            if "FLOCK" in fields and any(field.rpartition(":")[2] == inode for field in fields):
                number = int(fields[fields.index("FLOCK") + 3])
                command = " ".join(psutil.Process(number).cmdline())
                return f"process {number} ({command[:200]})"
    return "another process"


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that died while they wrote have left in a folder (see `write_atomically`)."""
    for path in folder.glob(PART_PATTERN):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
            try:
                if not try_lock(descriptor):  # its writer lives
                    continue
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            finally:
                os.close(descriptor)
