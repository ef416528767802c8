"""stdout and stderr, whoever reads them: a reader that has gone is no error, a full disk behind stdout is one.

Behind stderr it is none: notes and progress are no reason to lose what is computed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console as RichConsole

from labelaudit.errors import RunError


class Stream(RichConsole):
    """Rich's console, which goes on without output once nobody reads it any more (`| head`)."""

    def on_broken_pipe(self) -> None:
        """Send what is still to come to nowhere."""
        self.quiet = True
        _silence(self)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, as rich does.

        Raises:
            RunError: It cannot be written.
        """
        with _told(self):
            super().print(*objects, **options)

    def send(self, text: str) -> None:
        """Write a text as it is.

        Raises:
            RunError: It cannot be written.
        """
        with _told(self):
            self.file.write(text)
            self.file.flush()


@contextmanager
def _told(stream: Stream) -> Iterator[None]:
    """Turn what a stream raises into silence, if its reader has gone, or into an error of the run."""
    try:
        yield
    except OSError as error:
        _silence(stream)  # or Python tries again when it ends, and fails again
        stream.quiet = True
        if not stream.stderr and not isinstance(error, BrokenPipeError):
            raise RunError(
                f"cannot write to stdout: {error.strerror or error}. What was written to files is whole"
            ) from error


def _silence(stream: Stream) -> None:
    with suppress(OSError, ValueError):  # it is no file of the system's, as in tests
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.file.fileno())
        os.close(nowhere)
