"""Writing files so that they are whole or not there at all, and telling them apart by content."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from platformdirs import user_cache_path

from labelaudit.errors import InputError

if sys.platform != "win32":
    import fcntl


UNFINISHED, RUN_FILE = "unfinished-run", "run.json"  # the folder of a run that can be resumed, and what says of which
STREAMS = ("/dev/stdout", "/dev/stderr")
PART_PATTERN = ".labelaudit.*.part"  # what a process that died while it wrote may leave behind


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a temporary file beside `path`, put it on disk, and rename it.

    The temporary file is locked as long as its writer lives, for others to know what a dead process has left. A device
    or a pipe (/dev/stdout) is never replaced, but written to.
    """
    if _is_stream(path):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / path.name)
            with (Path(folder) / path.name).open("rb") as written, path.open("ab") as stream:
                shutil.copyfileobj(written, stream)
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".labelaudit.", suffix=".part")
    temporary = Path(name)
    try:
        try_lock(handle)
        write(temporary)
        os.fsync(handle)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


def _is_stream(path: Path) -> bool:
    """Whether a path is that of a device, a pipe or an open file of a process, which a new file must not replace."""
    named = Path(os.path.normpath(Path.cwd() / path))  # links are not followed: /dev/stdout may be one to a file
    of_process = str(named) in STREAMS or any(named.is_relative_to(place) for place in ("/dev/fd", "/proc"))
    return of_process or (path.exists() and not path.is_file())


def check_output_file(path: Path, option: str) -> None:
    """Make sure, before anything is computed, that a file can be written; makes no folder.

    Args:
        path: The file.
        option: The setting that names it, for the message.

    Raises:
        InputError: It is a folder, or cannot be written.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it", option=option)
    if _is_stream(path):
        if not os.access(path, os.W_OK):
            raise InputError(f"cannot write to {path}", option=option)
        return
    _check_writable(path.parent, option)


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file or folder, or see that somebody else has done so; True where there are no such locks."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on disk, where the system can: renamed files are then there even after a power cut."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def reserve(descriptor: int, size: int) -> None:
    """Give an empty file its size on the disk, before it is mapped into memory: so the disk cannot be full later.

    A page that finds no room when it is written ends the process, without a word.

    Raises:
        OSError: There is no room.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)


def check_output(folder: Path, written: tuple[str, ...], overwrite: bool) -> None:
    """Make sure, before anything is computed, that a run may write its files into `folder`; makes no folder.

    Raises:
        InputError: It is not a writable folder, or already holds such files and `overwrite` is off.
    """
    taken = sorted(file.name for pattern in written for file in folder.glob(pattern))
    if taken and not overwrite:
        raise InputError(
            f"{folder} already holds another run ({', '.join(taken)}); choose another folder, or "
            "replace it with `overwrite`",
            option="out",
        )
    _check_writable(folder, "out")


def _check_writable(folder: Path, option: str) -> None:
    """Make sure that files can be put into a folder, or that it can be made.

    Raises:
        InputError: They cannot.
    """
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise InputError(f"{nearest} is a file, not a folder", option=option)
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise InputError(f"cannot write into {nearest}: {error.strerror}", option=option) from error


def cache_folder() -> Path:
    """Where files are kept that can be computed again: `$LABELAUDIT_CACHE`, or else in the user's cache folder."""
    return Path(os.environ.get("LABELAUDIT_CACHE") or user_cache_path("labelaudit", appauthor=False))


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
