"""`--help`: the most used options and some examples on one screen; `--help-all`: every option, in groups."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, cast

import typer
from typer import Option
from typer.core import TyperCommand, TyperGroup

from labelaudit.config import DATA, INFLUENCE, MODEL, REPORT, RUN, TRAINING

PANELS = (DATA, MODEL, TRAINING, INFLUENCE, REPORT, RUN)
LONGEST_LINE = 100
NAMES = 24  # columns for the name and value of an option; a longer one has its help in the next line

Examples = dict[str, str]
"""Commands to type, and what each does."""


class _Command(TyperCommand):
    """A command with such help.

    Attributes:
        examples: Shown last.
        short: The parameters that `--help` shows; all of them if empty.
    """

    examples: Examples
    short: tuple[str, ...]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page of `--help`."""
        formatter.write(self.page(ctx, every=False))

    def page(self, ctx: Any, every: bool) -> str:
        """The help, with every option or the short list."""
        parameters = [parameter for parameter in self.get_params(ctx) if not getattr(parameter, "hidden", False)]
        arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
        options = [parameter for parameter in parameters if parameter.param_type_name == "option"]
        blocks = [
            " ".join(["Usage:", ctx.command_path, *(_name(argument) for argument in arguments), "[OPTIONS]"]),
            _paragraphs(self.help or ""),
            _columns(map(_entry, arguments)),
        ]
        if not self.short:
            blocks.append(_section("Options", options))
        elif every:
            grouped = {panel: [o for o in options if getattr(o, "rich_help_panel", None) == panel] for panel in PANELS}
            rest = [option for option in options if not any(option in group for group in grouped.values())]
            grouped["Help"] = rest
            blocks += [_section(title, group) for title, group in grouped.items() if group]
        else:
            by_name = {option.name: option for option in options}
            chosen = [by_name[name] for name in self.short]
            blocks.append(_section("Options", [*chosen, by_name["help_all"]]))
        blocks.append(_examples(self.examples))
        return "\n\n".join(blocks) + "\n"


class Program(TyperGroup):
    """The program, whose help lists the commands, and which refuses a wrong command line in one line."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the program, and end the process unless it is not to stand alone; see typer."""
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except OSError as error:  # of --help and --version: commands end in exit codes themselves
            if not standalone_mode:
                raise
            typer.echo(f"error: cannot write to stdout: {error.strerror}", err=True)
            sys.exit(3)
        except Exception as error:
            if not standalone_mode or not hasattr(error, "format_message"):  # it is no error of click's
                raise
            typer.echo(usage_error(error), err=True)
            sys.exit(2)
        if not standalone_mode:
            return code
        sys.exit(code if isinstance(code, int) else 0)

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Read the command line."""
        with _a_reader_may_go():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _a_reader_may_go():
            return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page of `--help`."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        examples = {
            "labelaudit scan photos": "find the wrong labels in a folder with a folder for each class",
            "labelaudit apply labelaudit-report --decisions decisions.csv --out corrected": "write a corrected copy",
            "labelaudit check photos": "fail if an update of the data brings new suspects",
        }
        blocks = [
            f"Usage: {ctx.command_path} COMMAND [OPTIONS]",
            _paragraphs(self.help or ""),
            "Commands\n"
            + _columns((name, (command.get_short_help_str(200),)) for name, command in commands if command),
            _section("Options", self.get_params(ctx)),
            _examples(examples),
            f"{ctx.command_path} COMMAND --help explains a command.",
        ]
        formatter.write("\n\n".join(blocks) + "\n")


@contextmanager
def _a_reader_may_go() -> Iterator[None]:
    """A reader of the help that has read enough (`| head`) is no error."""
    try:
        yield
    except BrokenPipeError:
        raise typer.Exit from None


def usage_error(error: Any) -> str:
    """What is wrong with the command line, in one line; or the help of a program that was given nothing.

    Args:
        error: One of click's, of which typer brings its own copy.
    """
    message, context = error.format_message(), getattr(error, "ctx", None)
    if "\n" in message:
        return str(message)
    said = re.sub(r"^Invalid value for '?([^']*?)'?: (Value error, )?", r"\1: ", message).removesuffix(".")
    said = said.replace(": Input should", ": input should").partition(", unable to parse")[0]
    said = said[:1].lower() + said[1:] if said[1:2].islower() else said
    return f"error: {said}" + (f"; see {context.command_path} --help" if context is not None else "")


def command_class(examples: Examples, short: tuple[str, ...] = ()) -> type[TyperCommand]:
    """The class of a command with this help; see `_Command`."""
    return type("Command", (_Command,), {"examples": examples, "short": short})


def _show_all(ctx: typer.Context, value: bool) -> None:
    if value:
        typer.echo(cast(_Command, ctx.command).page(ctx, every=True), nl=False)
        raise typer.Exit


HelpAll = Annotated[bool, Option("--help-all", is_eager=True, callback=_show_all, help="Show all options and exit.")]


def _section(title: str, parameters: Iterable[Any]) -> str:
    return f"{title}\n" + _columns(map(_entry, parameters))


def _name(parameter: Any) -> str:
    """An argument's or option's name and value."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    names = ", ".join(sorted(parameter.opts, key=len))
    return names if parameter.is_flag else f"{names} {parameter.metavar or 'VALUE'}"


def _entry(parameter: Any) -> tuple[str, tuple[str, ...]]:
    """A parameter's name and the lines of its help: a sentence, then a line for each choice."""
    sentence, *choices = (parameter.help or "").split("\n")
    shown, default = getattr(parameter, "show_default", True), parameter.default
    explained = [choice.partition(": ")[0] for choice in choices]
    if isinstance(shown, str):
        sentence += f" [default: {shown}]"
    elif parameter.required and parameter.param_type_name == "option":
        sentence += " [required]"
    elif default in explained:
        choices[explained.index(default)] += " [default]"
    elif shown and default is not None and not getattr(parameter, "is_flag", False):
        sentence += f" [default: {default}]"
    return _name(parameter), (sentence, *choices)


def _columns(entries: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    """Names on the left, explanations on the right, choices below them; no word is broken."""
    lines = []
    for name, (sentence, *choices) in entries:
        explained = _filled(sentence, NAMES)
        longest = max((len(choice.partition(": ")[0]) for choice in choices), default=0)
        for choice in choices:
            word, _, meaning = choice.partition(": ")
            explained += _filled(f"{word:<{longest}}  {meaning}", NAMES + 2, NAMES + 4 + longest)
        if len(name) > NAMES - 3:
            lines.append(f"  {name}")
        else:
            explained[0] = f"  {name}".ljust(NAMES) + explained[0].lstrip()
        lines += explained
    return "\n".join(lines)


def _examples(examples: Examples) -> str:
    lines = [f"  {command}\n{' ' * 6}{meaning}" for command, meaning in examples.items()]
    return "Examples\n" + "\n".join(lines)


def _paragraphs(text: str) -> str:
    return "\n\n".join("\n".join(_filled(" ".join(part.split()), 0)) for part in text.split("\n\n"))


def _filled(text: str, indent: int, hanging: int | None = None) -> list[str]:
    """Lines of at most the terminal's width; `hanging` is the indent of all but the first."""
    width = min(shutil.get_terminal_size().columns, LONGEST_LINE)
    rest = " " * (indent if hanging is None else hanging)
    wrapped = textwrap.wrap(
        text, width, initial_indent=" " * indent, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    return wrapped or [""]
