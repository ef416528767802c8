"""`labelaudit check`: the gate for dataset updates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer import Argument, Option

from labelaudit.cli.console import Console
from labelaudit.cli.ending import ending_in_exit_codes

if TYPE_CHECKING:
    from labelaudit.checking.result import CheckResult

FormatName = Literal["text", "github", "junit", "sarif", "markdown", "json"]
FINDINGS = 1  # the exit code


def check(
    source: Annotated[str, Argument(metavar="SOURCE", help="The dataset as it is now.")],
    baseline: Annotated[Path, Option(help="Folder that `labelaudit baseline` wrote.")] = Path("labelaudit-baseline"),
    format: Annotated[FormatName, Option(help="Form of the result.")] = "text",
    out: Annotated[Path | None, Option(help="File for the result.", show_default="stdout")] = None,
    max_new_suspects: Annotated[
        int | None, Option(min=0, help="Most new suspects to let pass.", show_default="0, or any with --max-new-share")
    ] = None,
    max_new_share: Annotated[
        float | None, Option(min=0, max=1, help="Largest share of suspects in the new rows.", show_default="any")
    ] = None,
    fail_on_relabelled: Annotated[
        bool, Option("--fail-on-relabelled", help="Fail if rows have another label than before, unless accepted.")
    ] = False,
    accepted: Annotated[
        Path | None, Option(help="Text file with ids of rows that are right as they are.", show_default="none")
    ] = None,
    test: Annotated[
        str | None, Option(help="Trusted data, if it has moved.", show_default="where the baseline had it")
    ] = None,
    refresh: Annotated[
        bool, Option("--refresh", help="If the check passes, make what is there now the baseline.")
    ] = False,
    device: Annotated[str, Option(help="auto, cpu, cuda, cuda:1, ….")] = "auto",
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress and no notes.")] = False,
) -> None:
    """Audit what is new in a dataset since its baseline, and fail on new suspects only.

    Exit codes: 0 the check passes; 1 it does not; 2 it could not be made; 3 it failed midway.
    """
    console = Console(quiet=quiet, as_json=False)
    with ending_in_exit_codes(console):
        from labelaudit.checking.place import baseline_folder
        from labelaudit.data.sources import check_source

        check_source(source)
        baseline_folder(baseline)
        from labelaudit.checking.check import check as run_check  # torch takes seconds to import
        from labelaudit.checking.formats import render
        from labelaudit.checking.formats.github import write_step_summary
        from labelaudit.checking.verdict import Limits
        from labelaudit.files import write_atomically

        any_number = max_new_share is not None and max_new_suspects is None
        limits = Limits(None if any_number else max_new_suspects or 0, max_new_share, not fail_on_relabelled)
        result = run_check(source, baseline, limits, accepted, test, refresh, device, console)
        text = render(result, format)
        if out is None:
            console.raw(text)
        else:
            out.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(out, lambda file: file.write_text(text, encoding="utf-8"))
            console.note(verdict(result))
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if format == "github" and summary:
            write_step_summary(result, Path(summary))
    raise typer.Exit(FINDINGS if result.failures else 0)


def verdict(result: CheckResult) -> str:
    """The outcome in one line."""
    return f"the check fails: {'; '.join(result.failures)}" if result.failures else "the check passes"
