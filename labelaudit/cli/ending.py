"""How a command ends: its exit code, and one line that says why if it ends early."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import typer

from labelaudit.cli.console import Console
from labelaudit.errors import InputError, LostError, RunError
from labelaudit.launch import launched, leads, speaker


@contextmanager
def ending_in_exit_codes(console: Console) -> Iterator[None]:
    """Say in one line why a command ends early, and end it with the exit code that means it."""
    warnings.filterwarnings("ignore", message="`torch.jit")  # timm's affair, nothing the user could mend
    try:
        yield
    except InputError as error:
        if leads():  # of several processes all have found the same
            console.error(str(error))
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        if leads():
            console.error("interrupted; what was finished before is kept")
        raise typer.Exit(130) from None
    except RunError as error:
        if error.speaks if isinstance(error, LostError) else leads():
            console.error(str(error))
        raise typer.Exit(3) from None
    except (MemoryError, OSError) as error:
        console.error(f"{speaker()}the run failed: {error}")
        raise typer.Exit(3) from None
    except Exception as error:
        if reason := device_failure(error):
            console.error(f"{speaker()}{reason}")
        else:
            console.traceback()
        raise typer.Exit(3) from None


def device_failure(error: Exception) -> str | None:
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


@contextmanager
def working_together() -> Iterator[None]:
    """Join the other processes, if torchrun started several."""
    if not launched():
        yield
        return
    from labelaudit.distributed import joined  # brings in torch, for which all else need not wait

    with joined():
        yield


def together() -> AbstractContextManager[None]:
    """Within, an error of any of several processes ends all of them, with one message."""
    if not launched():
        return nullcontext()
    from labelaudit.distributed import team

    return team().together()
