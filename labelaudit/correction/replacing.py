"""A corrected copy and what lies beside it, put in place of earlier ones so that a kill at any moment loses neither."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from labelaudit.errors import InputError
from labelaudit.runtime.files import sync_folder, try_lock
from labelaudit.runtime.locks import holder

_EXCHANGE, _WORKING_FOLDER = 2, -100  # RENAME_EXCHANGE and AT_FDCWD of Linux
COPY = "copy"
"""Where in the staging folder the copy is written, under its own name; what lies beside it is under its name there."""
_BEFORE, _INODE = "before", "inode"


@contextmanager
def staging_of(out: Path, beside: Sequence[Path]) -> Iterator[Path]:
    """Give a folder beside `out` to write the copy into; what a process that was killed left there is put right first.

    It is this process's alone, and gone at the end.

    Raises:
        InputError: Another process writes the same copy.
    """
    name = hashlib.sha256(os.fsencode(out.name)).hexdigest()[:16]
    staging = out.parent / f".labelaudit-apply.{name}"
    descriptor = _own(staging, out)
    try:
        _repair(staging, out, beside)
        for entry in staging.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        (staging / COPY).mkdir()
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(descriptor)


def put_in_place(staging: Path, out: Path, beside: Sequence[Path]) -> None:
    """Rename what is finished to where it belongs; what was there before stays in the staging folder.

    Raises:
        OSError: It cannot be renamed.
    """
    new = staging / COPY / out.name
    (staging / _INODE).write_text(str(new.stat().st_ino), encoding="ascii")  # tells `_repair` how far we were
    os.sync()  # the copy may be of many files, each of which would otherwise have to be synchronised by itself
    if not out.exists() or (new.is_file() and out.is_file()):
        new.replace(out)
    elif not _exchange(new, out):
        out.replace(staging / _BEFORE)
        new.replace(out)
    for path in beside:
        (staging / path.name).replace(path)
    sync_folder(out.parent)


def _own(staging: Path, out: Path) -> int:
    """Make the staging folder and lock it; return its descriptor."""
    while True:
        try:
            staging.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(staging, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except OSError as error:
            raise InputError(f"cannot write into {out.parent}: {error.strerror}", option="out") from error
        if not try_lock(descriptor):
            who = holder(descriptor)
            os.close(descriptor)
            raise InputError(f"{out} is being written by {who}: wait until that has ended", option="out")
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), staging.stat()):
                return descriptor
        os.close(descriptor)  # the one who had it has just removed it


def _repair(staging: Path, out: Path, beside: Sequence[Path]) -> None:
    """Bring the copy and what lies beside it to one state, if their writer was killed between two renames."""
    before, inode = staging / _BEFORE, staging / _INODE
    if before.exists() and not out.exists():
        before.replace(out)
    elif inode.is_file() and out.exists():
        with suppress(ValueError):
            if int(inode.read_text(encoding="ascii")) == out.stat().st_ino:  # the copy is in place, not all the others
                for path in beside:
                    if (staging / path.name).is_file():
                        (staging / path.name).replace(path)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places at once; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    paths = (os.fsencode(one), os.fsencode(other))
    return bool(rename(_WORKING_FOLDER, paths[0], _WORKING_FOLDER, paths[1], ctypes.c_uint(_EXCHANGE)) == 0)
