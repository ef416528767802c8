"""`labelaudit check`: the gate for dataset updates."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from typer import Argument, Option

from labelaudit.cli.auditing import Reviewed
from labelaudit.cli.console import Console
from labelaudit.cli.exit_codes import ending_in_exit_codes, until_the_end
from labelaudit.cli.options import Quiet, with_choices
from labelaudit.cli.spelling import spell_options
from labelaudit.errors import InputError
from labelaudit.runtime.commits import finish
from labelaudit.runtime.files import check_output_file
from labelaudit.runtime.locks import locked
from labelaudit.types import FAIL_ON, FailOn, Format

if TYPE_CHECKING:
    from labelaudit.checking.result import CheckResult

CHECK_EXAMPLES = {
    "labelaudit check photos --accepted labels-reviewed.txt": "fail on new suspects, but for those reviewed",
    "labelaudit check photos --format sarif --out labels.sarif": "in CI",
    "labelaudit check photos --max-new-share 0.01 --refresh": "let a few pass, and go on from there",
}
FormatOption = Annotated[
    Format,
    Option(
        metavar="CHOICE",
        help=with_choices(
            "Form of the result.",
            {
                "text": "for people",
                "github": "workflow commands of GitHub Actions",
                "junit": "JUnit XML, for Jenkins and others",
                "sarif": "SARIF 2.1.0, for code scanning",
                "markdown": "for a comment on a pull request",
                "json": "everything, for scripts",
            },
        ),
    ),
]
MaxNewSuspects = Annotated[
    int | None,
    Option(
        min=0,
        metavar="N",
        help="Largest number of new suspects that passes.",
        show_default="0, or any with --max-new-share",
    ),
]
MaxNewShare = Annotated[
    float | None,
    Option(min=0, max=1, metavar="X", help="Largest share of suspects in new rows [0 to 1].", show_default="any"),
]
FailOnRelabelled = Annotated[
    bool, Option("--fail-on-relabelled", help="Fail on rows with a new label, unless accepted.")
]
FailOnOption = Annotated[
    str,
    Option(metavar="A,B", help="What to fail on; there is cannot-tell, too."),
]
USUALLY = ",".join(FAIL_ON)
FINDINGS = 1  # the exit code


def check(
    source: Annotated[str, Argument(metavar="SOURCE", help="The dataset as it is now.")],
    baseline: Annotated[Path, Option(metavar="FOLDER", help="Folder that `labelaudit baseline` wrote.")] = Path(
        "labelaudit-baseline"
    ),
    format: FormatOption = "text",
    out: Annotated[Path | None, Option(metavar="FILE", help="File for the result.", show_default="stdout")] = None,
    report: Annotated[
        Path | None,
        Option(metavar="FILE", help="HTML page to look through the new rows.", show_default="none"),
    ] = None,
    max_new_suspects: MaxNewSuspects = None,
    max_new_share: MaxNewShare = None,
    fail_on_relabelled: FailOnRelabelled = False,
    fail_on: FailOnOption = USUALLY,
    accepted: Annotated[
        Path | None,
        Option(metavar="FILE", help="Text file with ids of right rows.", show_default="none"),
    ] = None,
    reviewed: Reviewed = None,
    test: Annotated[
        str | None,
        Option(metavar="SOURCE", help="Trusted data, if it has moved.", show_default="where the baseline had it"),
    ] = None,
    refresh: Annotated[bool, Option("--refresh", help="If the check passes, renew the baseline.")] = False,
    device: Annotated[
        str,
        Option(
            metavar="NAME",
            help="Device to compute on: cpu, cuda, cuda:1, …",
            show_default="the first GPU, or else the CPU",
        ),
    ] = "auto",
    model: Annotated[
        str | None,
        Option(metavar="NAME", help="Your own factory behind the baseline.", show_default="none"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Audit what is new since a baseline, and fail on what is wrong with that only.

    Exit codes: 0 passed, 1 failed, 2 unusable input, 3 the run failed.
    """
    console = Console(quiet=quiet, as_json=False)
    with ending_in_exit_codes(console):
        from labelaudit.checking.baseline_folder import baseline_folder
        from labelaudit.data.sources import check_source

        check_source(source)
        for option, file in (("out", out), ("report", report)):
            if file is not None:
                check_output_file(file, option)
        folder = baseline_folder(baseline)
        until_the_end(locked(folder, option="baseline", shared=not refresh))
        if refresh:
            finish(folder)  # what a run that was killed had written whole
        from labelaudit.checking.verdict import Limits
        from labelaudit.commands.check import check as run_check  # torch takes seconds to import

        any_number = max_new_share is not None and max_new_suspects is None
        limits = Limits(
            suspects=None if any_number else max_new_suspects or 0,
            share=max_new_share,
            relabelled=not fail_on_relabelled,
            fail_on=kinds_in(fail_on),
        )
        result = run_check(source, baseline, limits, accepted, test, refresh, device, console, model, reviewed)
        failures, notes, warnings = (
            tuple(map(spell_options, texts)) for texts in (result.failures, result.notes, result.warnings)
        )
        deliver(replace(result, failures=failures, notes=notes, warnings=warnings), format, out, console)
        if report is not None:
            write_page(result, report, console)
    raise typer.Exit(FINDINGS if result.failures else 0)


def kinds_in(fail_on: str) -> frozenset[FailOn]:
    """What is to make a check fail.

    Raises:
        InputError: It names something else, or nothing.
    """
    known: tuple[FailOn, ...] = get_args(FailOn)
    named = [name.strip() for name in fail_on.split(",")]
    for name in named:
        if name not in known:
            raise InputError(f"{name!r} is not one of {', '.join(known)}", option="fail_on")
    return frozenset(kind for kind in known if kind in named)


def deliver(result: CheckResult, format: Format, out: Path | None, console: Console) -> None:
    """Print the result, or write it to a file, and add it to the step's summary on GitHub."""
    from labelaudit.checking.formats import render
    from labelaudit.checking.formats.github import write_step_summary
    from labelaudit.runtime.files import write_atomically

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


def write_page(result: CheckResult, page: Path, console: Console) -> None:
    """Write the page with the new rows, where there are any."""
    if result.report is None:
        console.note(f"no row is new: {page} is not written")
        return
    result.report.to_html(page)
    console.note(f"the new rows to look through: {page}")


def verdict(result: CheckResult) -> str:
    """The outcome in one line."""
    return f"the check fails: {'; '.join(result.failures)}" if result.failures else "the check passes"
