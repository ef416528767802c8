"""How the process ends: at once, but with all that is owed to the caller and to the system."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.devices import FULL, needs_full_device

MAIN = "from labelaudit.__main__ import main; main()"


def ended(code: str, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run([sys.executable, "-c", code, *arguments], text=True, check=False, **streams)


def test_what_waits_for_the_end_of_the_process_is_run_and_what_is_printed_is_flushed():
    found = ended(f"import atexit; atexit.register(print, 'goodbye', end=''); {MAIN}", "--version")
    assert found.returncode == 0
    assert found.stdout.startswith("labelaudit ")
    assert found.stdout.endswith("\ngoodbye")


@pytest.mark.parametrize(("arguments", "code"), [(("--version",), 0), (("scan",), 2), (("report", "nowhere"), 2)])
def test_the_exit_code_is_that_of_the_command(arguments, code):
    assert ended(MAIN, *arguments).returncode == code


@needs_full_device
@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_a_full_disk_behind_stdout_is_said_and_a_closed_one_is_none(argument):
    with FULL.open("w") as full:
        found = ended(MAIN, argument, stdout=full)
    assert (found.returncode, found.stderr) == (3, "error: cannot write to stdout: No space left on device\n")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as nobody:
        found = ended(MAIN, argument, stdout=nobody)
    assert (found.returncode, found.stderr) == (0, "")
    found = ended(f"import sys; sys.stdout = None; {MAIN}", argument)
    assert (found.returncode, found.stderr) == (0, "")


def test_ctrl_c_before_there_is_a_command_is_no_traceback():
    """The signal comes when the command line is imported."""
    code = (
        "import os, signal, sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'labelaudit.cli.app': os.kill(os.getpid(), signal.SIGINT)\n"
        f"sys.meta_path.insert(0, Interrupted())\n{MAIN}"
    )
    found = ended(code, "--version")
    assert (found.returncode, found.stdout, found.stderr) == (130, "", "")
