"""Opening only regular files: a FIFO would be waited for, a device never ends, a socket cannot be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from labelaudit.errors import InputError

NOT_REGULAR = "not a regular file (a FIFO, device or socket)"


class OutsideError(OSError):
    """A path, or a link on it, leads outside the folders that may be read."""


def require_regular(path: Path, option: str | None = None) -> None:
    """Make sure, without opening it, that a path names a regular file.

    Args:
        path: The file.
        option: The setting that names it, for the message.

    Raises:
        InputError: There is none, it is something else, or it cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist", option=option) from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}", option=option) from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path} is a folder, not a file", option=option)
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is {NOT_REGULAR}", option=option)


def read_regular(path: Path, inside: Sequence[Path] | None = None, *, limit: int | None = None) -> bytes:
    """The content of a regular file.

    Args:
        path: The file.
        inside: Real paths of folders, one of which it must lie in once all links are followed; None for anywhere.
        limit: How many bytes to read at most.

    Raises:
        OutsideError: It lies elsewhere.
        OSError: It is no regular file, or cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # before it is opened, which of some devices does something
            raise OSError(NOT_REGULAR)
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except ValueError as error:  # a null byte in the name
        raise OSError(str(error)) from error
    with open(descriptor, "rb") as file:  # noqa: PTH123  # it has no path but this descriptor
        opened = os.fstat(descriptor)
        if not stat.S_ISREG(opened.st_mode):
            raise OSError(NOT_REGULAR)
        if inside is not None:
            real = path.resolve()
            if not any(real.is_relative_to(folder) for folder in inside):
                raise OutsideError(f"leads outside {inside[0]}")
            if not os.path.samestat(opened, real.stat()):  # a link was changed while we looked
                raise OSError("it was replaced while it was opened")
        return file.read(limit)
