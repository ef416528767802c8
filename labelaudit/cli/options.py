"""Options on the command line: those of the configuration's fields, and those that several commands share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from typer import Context, Option

from labelaudit.cli.console import Console
from labelaudit.cli.exit_codes import ending_in_exit_codes, joined_processes
from labelaudit.cli.help import HelpAll
from labelaudit.config import REPORT, AuditConfig
from labelaudit.runtime.launch import is_leader
from labelaudit.settings import Setting, audit_config, settings

LARGE = 100_000  # an upper limit from which on it guards against nonsense, and is not worth a word of help
METAVARS = {int: "N", float: "X", str: "NAME", Path: "PATH"}  # a flag has none

Quiet = Annotated[bool, Option("--quiet", "-q", help="Print no progress and no notes.", rich_help_panel=REPORT)]
AsJson = Annotated[bool, Option("--json", help="Print the result as JSON.", rich_help_panel=REPORT)]


def with_choices(text: str, choices: dict[str, str]) -> str:
    """Help that explains each choice in a line of its own, which `labelaudit.cli.help` aligns."""
    return "\n".join([text, *(f"{choice}: {meaning}" for choice, meaning in choices.items())])


def auditing_command(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for every setting of an audit, `-q` and `--json`, and turn errors into exit codes.

    The command's parameters `config` and `console` are filled from them.
    """
    hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name not in ("config", "console")
    ]
    of_settings = [_parameter(setting) for setting in settings()]
    flags = [_flag("quiet", Quiet), _flag("as_json", AsJson), _flag("help_all", HelpAll)]

    @functools.wraps(command)
    def run(context: Context, quiet: bool, as_json: bool, help_all: bool, **values: Any) -> None:
        console = Console(quiet=quiet or not is_leader(), as_json=as_json)
        saved = {"out": values["out"], "seconds": values["checkpoint_every"]}
        with ending_in_exit_codes(console, **saved), joined_processes():
            chosen = {parameter.name: values.pop(parameter.name) for parameter in of_settings}
            if (like := values.get("like")) is None:
                config = audit_config(**chosen)
            else:
                given = {name for name in chosen if _is_given(context, name)}
                config = _config_like(like, {name: chosen[name] for name in given})
            command(config=config, console=console, **values)

    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=Context)
    parameters = [context, *own, *of_settings, *flags]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect reads it, Callable has none
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del run.__wrapped__  # or inspect would look through to the command
    return run


def _is_given(context: Context, name: str) -> bool:
    """Whether an option is on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _config_like(like: Path, given: dict[str, Any]) -> AuditConfig:
    """The settings of an earlier report, but for those that are given on the command line."""
    from labelaudit.commands.like import config_like
    from labelaudit.report.report import Report

    return config_like(Report.load(like), given)


def _flag(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)


def _parameter(setting: Setting) -> inspect.Parameter:
    """A setting as a parameter from which typer makes an option. Its value is checked by the configuration alone."""
    kind, optional = _type_of(setting)
    option = Option(
        *((f"--{setting.name.replace('_', '-')}",) if kind is bool else ()),  # no --no-… beside a flag
        help=with_choices(f"{setting.info.description}{_range(setting)}", setting.choices),
        show_default=setting.shown or True,
        metavar="CHOICE" if setting.choices else METAVARS.get(kind),
        rich_help_panel=setting.panel,
    )
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=setting.info.default,
        annotation=Annotated[kind | None if optional else kind, option],
    )


def _type_of(setting: Setting) -> tuple[Any, bool]:
    """The type of one value on the command line, and whether it may be left out."""
    annotation = setting.info.annotation
    optional = False
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (kind for kind in get_args(annotation) if kind is not NoneType)
        optional = True
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is tuple:
        return str, optional  # A,B,C
    return annotation, optional


def _range(setting: Setting) -> str:
    """The constraints on a number in words."""
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    limits = {name: getattr(each, name) for each in setting.info.metadata for name in words if hasattr(each, name)}
    limits = {name: limit for name, limit in limits.items() if limit < LARGE}
    if limits.keys() == {"ge", "le"}:
        return f" [{limits['ge']:g} to {limits['le']:g}]"
    said = [f"{words[name]} {limit:g}" for name, limit in limits.items()]
    return f" [{' and '.join(said)}]" if said else ""
