"""The command line in a process of its own that can be killed at a chosen moment."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from labelaudit.cli.app import app

LOGS = Path(tempfile.mkdtemp(prefix="labelaudit-faults-"))
"""Where what a command prints goes; not on the disks that are made full."""
EVENTS = ("fsync", "replace", "rename", "unlink", "mkdir", "rmdir", "symlink", "link", "open")
"""Calls of `os` before each of which a process may be killed: all that changes what is on the disk."""


def run(
    arguments: list[str],
    folder: Path,
    *,
    die_at: int | None = None,
    die_after: float | None = None,
    largest_file: int | None = None,
) -> tuple[int, int]:
    """Run `labelaudit` in a forked process, which has all imports done.

    Args:
        arguments: Of the command.
        folder: The working folder.
        die_at: The process kills itself before so many events.
        die_after: It is killed after so many seconds.
        largest_file: No file can grow larger, in bytes, as on a disk with a quota.

    Returns:
        The exit code, negative for a signal; and how many events there were.
    """
    counter = LOGS / "events"
    counter.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = _child(arguments, folder, counter, die_at, largest_file)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    if die_after is not None:
        time.sleep(die_after)
        if os.waitpid(child, os.WNOHANG)[0] == 0:
            os.kill(child, signal.SIGKILL)
        else:
            return 0, 0
    status = os.waitpid(child, 0)[1]
    events = int(counter.read_text()) if counter.exists() else 0
    return os.waitstatus_to_exitcode(status), events


def _child(arguments: list[str], folder: Path, counter: Path, die_at: int | None, largest_file: int | None) -> int:
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(LOGS / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    os.chdir(folder)
    torch.set_num_threads(1)
    count = 0

    def watched(call: Callable[..., object]) -> Callable[..., object]:
        def counted(*values: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*values, **options)

        return counted

    for name in EVENTS:
        setattr(os, name, watched(getattr(os, name)))
    if largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))
    code = 0
    try:
        app(arguments, prog_name="labelaudit")
    except SystemExit as ended:
        code = int(ended.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    if largest_file is None:
        counter.write_text(str(count))
    return code


def said() -> str:
    """What the last command wrote to stderr."""
    return (LOGS / "stderr").read_text(encoding="utf-8")
