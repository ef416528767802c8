"""Settings in messages, as the command line spells them: `` `learning_rate` `` becomes `--learning-rate`."""

from __future__ import annotations

import functools
import re

import typer
from typer.main import get_command

_program: typer.Typer | None = None  # the one that runs


def spell_as(program: typer.Typer) -> None:
    """Spell settings as the options of this program's commands."""
    global _program
    _program = program
    _options.cache_clear()


def spell_options(text: str) -> str:
    """Replace each name in backticks that is an option of a command by that option; other names stay."""
    return re.sub(r"`([a-z_]+)`", lambda match: _options().get(match[1], match[0]), text)


@functools.cache
def _options() -> dict[str, str]:
    """The option of each parameter's name, of all commands."""
    spelled: dict[str, str] = {}
    if _program is None:
        return spelled
    for command in get_command(_program).commands.values():  # type: ignore[attr-defined]  # it is a group
        for parameter in command.params:
            if parameter.param_type_name == "option":
                spelled[parameter.name] = max(parameter.opts, key=len)
    return spelled
