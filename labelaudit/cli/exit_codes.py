"""How a command ends: its exit code, and one line that says why if it ends early."""

from __future__ import annotations

import errno
import sysconfig
import traceback
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

import typer

import labelaudit
from labelaudit.cli.console import Console
from labelaudit.errors import InputError, LostError, RunError
from labelaudit.runtime.files import RUN_FILE, UNFINISHED
from labelaudit.runtime.launch import is_leader, launched, message_prefix
from labelaudit.runtime.memory import LEAST_TO_START, require_address_space

# Of a path the user named; other errors, such as a full disk, are the machine's.
INPUT_ERRORS = frozenset(
    getattr(errno, name)
    for name in (
        [
            "EACCES",
            "EPERM",
            "ENOENT",
            "ENOTDIR",
            "EISDIR",
            "EROFS",
            "ENAMETOOLONG",
            "ELOOP",
            "EINVAL",
            "ENXIO",
            "ENODEV",
        ]
    )
)

Held = TypeVar("Held")
_held: ContextVar[ExitStack] = ContextVar("held")


def until_the_end(context: AbstractContextManager[Held]) -> Held:
    """Enter a context that is left when the command ends; only within `ending_in_exit_codes`."""
    return _held.get().enter_context(context)


@contextmanager
def ending_in_exit_codes(console: Console, out: Path | None = None, seconds: float = 0) -> Iterator[None]:
    """Say in one line why a command ends early, and end it with the exit code that means it.

    Args:
        console: Where to say it.
        out: The folder in which a run is saved every so many seconds, to be resumed; None for a command that has none.
        seconds: How many.
    """
    warnings.filterwarnings("ignore", message="`torch.jit")  # timm's affair, nothing the user could mend
    try:
        with ExitStack() as stack:
            require_address_space(LEAST_TO_START)
            before = _held.set(stack)
            try:
                yield
            finally:
                _held.reset(before)
    except InputError as error:
        if is_leader():  # of several processes all have found the same
            console.error(str(error))
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        if is_leader():
            console.error(f"interrupted; {what_is_kept(out, seconds)}")
        raise typer.Exit(130) from None
    except RunError as error:
        if error.speaks if isinstance(error, LostError) else is_leader():
            console.error(str(error))
        raise typer.Exit(3) from None
    except OSError as error:
        if reason := memory_failure(error):
            console.error(f"{message_prefix()}{reason}")
            raise typer.Exit(3) from None
        if error.filename is not None and error.errno in INPUT_ERRORS:
            console.error(f"{message_prefix()}cannot use {error.filename}: {error.strerror}")
            raise typer.Exit(2) from None
        console.error(f"{message_prefix()}the run failed: {str(error) or type(error).__name__}")
        raise typer.Exit(3) from None
    except typer.Exit:
        raise
    except (Exception, SystemExit) as error:
        if reason := device_failure(error) or memory_failure(error):
            console.error(f"{message_prefix()}{reason}")
        elif place := place_in_users_code(error):
            console.error(f"{message_prefix()}your own code failed: {type(error).__name__}: {error} ({place})")
            raise typer.Exit(2) from None
        else:
            console.traceback()
        raise typer.Exit(3) from None


def what_is_kept(out: Path | None, seconds: float) -> str:
    """What to do after Ctrl-C: go on with what was saved in `out` every so many seconds, if anything was."""
    if out is None:
        return "what was finished before is kept"
    if (out / UNFINISHED / RUN_FILE).exists():
        return f"go on with the same command and --resume: at most the last {seconds:g} s of work are lost"
    return f"nothing was saved yet, which happens every {seconds:g} s (--checkpoint-every): start anew"


def memory_failure(error: BaseException) -> str | None:
    """What to tell the user if main memory is exhausted, None if it is not; few libraries say so in one way."""
    first = str(error).strip().partition("\n")[0]
    hints = ("Cannot allocate memory", "can't start new thread", "failed to map segment", "unable to mmap", "bad_alloc")
    exhausted = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    if not exhausted and not any(hint in first for hint in hints):
        return None
    if "failed to map segment" in first:
        return f"the libraries do not fit into the memory that this process may take ({first}): see `ulimit -v`"
    return (
        f"the machine ran out of memory ({first or type(error).__name__}). If something else took it, go on with "
        "--resume once it is free; else try a smaller --batch-size or --model, or --image-cache disk"
    )


def device_failure(error: BaseException) -> str | None:
    """What to tell the user of an error that is the machine's, None if it is not."""
    first = str(error).strip().partition("\n")[0]
    kinds = {kind.__name__ for kind in type(error).__mro__}  # torch's own errors, without importing torch
    if "OutOfMemoryError" in kinds or "can't allocate memory" in first:
        return (
            f"the device ran out of memory ({first}). If something else took it, go on with --resume once it is free; "
            "else start anew with a smaller --batch-size, --train last:4 or a smaller --model"
        )
    if "AcceleratorError" in kinds or "CUDA error" in first:
        return f"the device failed ({first}). What was saved is intact: go on with --resume once it is back"
    return None


def place_in_users_code(error: BaseException) -> str | None:
    """File and line of the innermost call in code that is neither ours nor a library's, None if there is none."""
    others = (Path(labelaudit.__file__).parent.resolve(), Path(sysconfig.get_paths()["stdlib"]).resolve())
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename).resolve()
        library = {"site-packages", "dist-packages"} & set(file.parts) or any(map(file.is_relative_to, others))
        if file.is_file() and not library:
            return f"{file.name}, line {frame.lineno}"
    return None


@contextmanager
def joined_processes() -> Iterator[None]:
    """Join the other processes, if torchrun started several."""
    if not launched():
        yield
        return
    from labelaudit.runtime.distributed import joined  # brings in torch, for which all else need not wait

    with joined():
        yield


def raise_together() -> AbstractContextManager[None]:
    """Within, an error of any of several processes ends all of them, with one message."""
    if not launched():
        return nullcontext()
    from labelaudit.runtime.distributed import process_group

    return process_group().raise_together()
