"""The command line."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer
from typer import Option

from labelaudit.cli.apply import APPLY_EXAMPLES, apply
from labelaudit.cli.baseline import BASELINE_EXAMPLES, BASELINE_SHORT, baseline
from labelaudit.cli.cache import CACHE_EXAMPLES, cache
from labelaudit.cli.check import CHECK_EXAMPLES, check
from labelaudit.cli.flip_test import FLIP_TEST_EXAMPLES, FLIP_TEST_SHORT, flip_test
from labelaudit.cli.help import Program, command_class
from labelaudit.cli.options import auditing_command
from labelaudit.cli.refine import REFINE_EXAMPLES, refine
from labelaudit.cli.report import REPORT_EXAMPLES, report
from labelaudit.cli.reproduce import REPRODUCE_EXAMPLES, reproduce
from labelaudit.cli.scan import SCAN_EXAMPLES, SCAN_SHORT, scan
from labelaudit.cli.spelling import spell_as
from labelaudit.runtime.launch import is_leader, launched

DISTRIBUTED = ("scan", "baseline", "flip-test")  # what several processes can do together

app = typer.Typer(
    cls=Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    show_version: Annotated[bool, Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Find mislabelled training examples by the Dynamic Influence Tracker."""
    if show_version:
        typer.echo(f"labelaudit {version('labelaudit')}")
        raise typer.Exit
    if launched() and context.invoked_subcommand not in DISTRIBUTED:
        if is_leader():
            typer.echo(f"error: torchrun is for {', '.join(DISTRIBUTED)}; start this command without it", err=True)
        raise typer.Exit(2)


app.command(cls=command_class(SCAN_EXAMPLES, short=SCAN_SHORT))(auditing_command(scan))
app.command(cls=command_class(BASELINE_EXAMPLES, short=BASELINE_SHORT))(auditing_command(baseline))
app.command(cls=command_class(CHECK_EXAMPLES))(check)
app.command(cls=command_class(FLIP_TEST_EXAMPLES, short=FLIP_TEST_SHORT))(auditing_command(flip_test))
app.command(cls=command_class(REPORT_EXAMPLES))(report)
app.command(cls=command_class(REFINE_EXAMPLES))(refine)
app.command(cls=command_class(APPLY_EXAMPLES))(apply)
app.command(cls=command_class(CACHE_EXAMPLES))(cache)
app.command(cls=command_class(REPRODUCE_EXAMPLES))(reproduce)
spell_as(app)
