"""The reference of the commands, from the command line itself: `python tools/commands_page.py > docs/commands.md`."""

from __future__ import annotations

import inspect
import sys
from collections import defaultdict
from typing import Any

import typer

from labelaudit.cli.app import app

PROGRAM = "labelaudit"
OTHER = "Other"  # the panel of options that name none


def page(group: Any) -> str:
    """The whole page, in Markdown, for typer's command group."""
    lines = ["# Commands", "", f"`{PROGRAM} COMMAND --help` prints the same on the terminal.", ""]
    for name, command in group.commands.items():
        lines += section(name, command)
    return "\n".join(lines) + "\n"


def section(name: str, command: Any) -> list[str]:
    """One command: its help, its usage, and a table for its arguments and for each panel of options."""
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    panels: dict[str, list[Any]] = defaultdict(list)
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            panels[getattr(parameter, "rich_help_panel", None) or OTHER].append(parameter)
    words = " ".join(shown(argument) for argument in arguments)
    lines = [f"## {PROGRAM} {name}", "", cell(inspect.cleandoc(command.help or ""), "\n"), ""]
    lines += ["```console", f"$ {PROGRAM} {name} {words} [OPTIONS]", "```", ""]
    if arguments:
        lines += ["| argument | |", "|---|---|"]
        lines += [f"| `{shown(argument)}` | {cell(argument.help)} |" for argument in arguments]
        lines.append("")
    for panel, options in sorted(panels.items(), key=lambda item: item[0] == OTHER):
        lines += [f"**{panel}**", "", "| option | | default |", "|---|---|---|"]
        lines += [f"| {names(option)} | {cell(option.help)} | {default(option)} |" for option in options]
        lines.append("")
    return lines


def shown(argument: Any) -> str:
    """What an argument is called in the usage."""
    return str(argument.metavar or argument.name.upper())


def names(option: Any) -> str:
    """The ways to spell an option."""
    return ", ".join(f"`{name}`" for name in option.opts)


def default(option: Any) -> str:
    """The default in words, as its value, or nothing for flags and options that have none."""
    if isinstance(option.show_default, str):
        return cell(option.show_default)
    if option.is_flag or option.default is None or callable(option.default):
        return ""
    return f"`{option.default}`"


def cell(text: str | None, newline: str = "<br>") -> str:
    """Text of the program as Markdown in a table: no markup but its own code, a line break for each line."""
    escaped = (text or "").replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*")
    return escaped.strip().replace("\n", newline)


if __name__ == "__main__":
    sys.stdout.write(page(typer.main.get_command(app)))
