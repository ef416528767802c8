"""Writing files so that they are whole or not there at all, and telling them apart by content."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from labelaudit.errors import InputError


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a temporary file beside `path`, put it on disk, and rename it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        write(temporary)
        os.fsync(handle)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


def check_output(folder: Path, written: tuple[str, ...], overwrite: bool) -> None:
    """Make sure, before anything is computed, that a run may write its files into `folder`; makes no folder.

    Raises:
        InputError: It is not a writable folder, or already holds such files and `overwrite` is off.
    """
    taken = sorted(file.name for pattern in written for file in folder.glob(pattern))
    if taken and not overwrite:
        raise InputError(f"--out: {folder} already holds another run ({', '.join(taken)}); choose another folder, or "
                         "replace it with --overwrite")  # fmt: skip
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise InputError(f"--out: {nearest} is a file, not a folder")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise InputError(f"--out: cannot write into {nearest}: {error.strerror}") from error


def cache_folder() -> Path:
    """Where what may be computed again is kept: `$LABELAUDIT_CACHE`, or below the user's cache folder."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "labelaudit"
    return Path(os.environ.get("LABELAUDIT_CACHE") or usual)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal; read again only once its size or time of change is another."""
    state = path.stat()
    return _hash(path.resolve(), state.st_size, state.st_mtime_ns)


@lru_cache
def _hash(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
