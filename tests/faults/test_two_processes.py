"""Two processes with one output or one baseline: the second says who holds it."""

from __future__ import annotations

import os
import signal
import time

import pytest

from labelaudit.correction.replacing import staging_of
from labelaudit.runtime.locks import locked
from tests.faults.commands import COMMANDS
from tests.faults.processes import run, said

pytestmark = pytest.mark.faults


def holding(context) -> int:
    """A process that stays within a context until it is killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with context:
                os.write(writer, b".")
                time.sleep(600)
        finally:
            os._exit(1)
    os.read(reader, 1)
    os.close(reader)
    os.close(writer)
    return child


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("apply", "report")])
def test_the_second_is_told_who_holds_it(place, name):
    command = COMMANDS[name]
    output = place / command.output
    before = command.state(output)
    child = holding(locked(output, option="out"))
    try:
        code, _ = run(command.arguments, place)
        assert code == 2
        assert f"{command.output} is in use by process {child} (" in said()
        assert command.state(output) == before
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert run(command.arguments, place)[0] == 0  # the lock of a dead process is none


def test_two_corrections_of_one_copy(place):
    command = COMMANDS["apply"]
    child = holding(staging_of(place / "fixed", place / "fixed.changes.csv"))
    try:
        code, _ = run(command.arguments, place)
        assert (code, f"fixed is being written by process {child} (" in said()) == (2, True)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert run(command.arguments, place)[0] == 0
    assert not [path for path in place.iterdir() if path.name.startswith(".")]


def test_two_checks_may_read_one_baseline(place):
    child = holding(locked(place / "baseline", option="baseline", shared=True))
    try:
        assert run(["check", "data", "--baseline", "baseline"], place)[0] == 0
        code, _ = run(COMMANDS["check"].arguments, place)
        assert (code, f"is in use by process {child}" in said()) == (2, True)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
