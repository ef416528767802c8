"""The program `labelaudit`, and `python -m labelaudit`."""

from __future__ import annotations

import atexit
import os
import sys

INTERRUPTED, FAILED = 130, 3  # exit codes; see docs/scan.md


def main() -> None:
    """Run the command line, and end the process without taking apart what the libraries have built.

    That would take as long as many a command. What waits for the end of a process (`atexit`) is run.
    """
    code: object = 0
    try:
        from labelaudit.cli.app import app  # takes a moment, in which the user may press Ctrl-C

        app(prog_name="labelaudit")
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # it is None where the caller has closed it
                stream.flush()
        except BrokenPipeError:
            pass
        except OSError:
            code = code or FAILED
    os._exit(code if isinstance(code, int) else 0 if code is None else FAILED)


if __name__ == "__main__":
    main()
