"""Killed at any moment, a command leaves the old output intact or the new one whole; done again, it ends the same.

`LABELAUDIT_KILLS` is the number of kills of each command; 200 in all is a long run (`LABELAUDIT_KILLS=34`).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from labelaudit.runtime.files import PART_PATTERN
from tests.faults.commands import COMMANDS, Command
from tests.faults.processes import run, said

KILLS = int(os.environ.get("LABELAUDIT_KILLS", "4"))
pytestmark = pytest.mark.faults


def again(command: Command, place: Path) -> list[str]:
    """What a user does after a kill: go on with what is unfinished, or else the same again."""
    unfinished = (place / command.output / "unfinished-run" / "run.json").exists()
    arguments = [argument for argument in command.arguments if not (unfinished and argument == "--overwrite")]
    return [*arguments, "--resume"] if unfinished else arguments


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_random_moments(made, tmp_path, name):
    command, generator = COMMANDS[name], random.Random(name)
    old = command.state(made / command.output)
    shutil.copytree(made, tmp_path / "whole" / "work")
    started = time.monotonic()
    code, events = run(command.arguments, tmp_path / "whole" / "work")
    seconds = time.monotonic() - started
    assert code == 0, said()
    assert events > 5
    new = command.state(tmp_path / "whole" / "work" / command.output)
    assert new != old
    source = None if name != "apply" else COMMANDS["apply"].state(made / "data")
    outcomes = {"old": 0, "new": 0}
    for number in range(KILLS):
        place = tmp_path / str(number) / "work"
        shutil.copytree(made, place)
        if number % 4 == 3:
            code, _ = run(command.arguments, place, die_after=generator.uniform(0, seconds))
        else:  # three in four while something is written, half of them in the last moments
            first = 1 if number % 2 else max(1, events - 20)
            code, _ = run(command.arguments, place, die_at=generator.randint(first, events))
        assert code in (0, -signal.SIGKILL)
        state = command.state(place / command.output)
        assert state in (old, new), (name, number)
        outcomes["old" if state == old else "new"] += 1
        code, _ = run(again(command, place), place)
        assert code == 0, said()
        assert command.state(place / command.output) == new, (name, number)
        assert {path.name for path in (place / command.output).iterdir()} == command.left
        assert not list(place.rglob(PART_PATTERN))
        assert not [path for path in place.iterdir() if path.name.startswith(".")]
        if source is not None:
            assert COMMANDS["apply"].state(place / "data") == source
            changes = (place / "fixed.changes.csv").read_text(encoding="utf-8")
            assert changes == (tmp_path / "whole" / "work" / "fixed.changes.csv").read_text(encoding="utf-8")
        shutil.rmtree(tmp_path / str(number))
    assert sum(outcomes.values()) == KILLS
    if log := os.environ.get("LABELAUDIT_KILLS_LOG"):
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(f"{name}: {KILLS} kills of {events} events, afterwards {outcomes}\n")
