"""What all commands that audit have in common: their options, the check of their output, and what they print."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from labelaudit.cli.console import Console
from labelaudit.cli.exit_codes import raise_together, until_the_end
from labelaudit.config import DATA, REPORT
from labelaudit.errors import InputError
from labelaudit.runtime.commits import finish
from labelaudit.runtime.files import UNFINISHED, check_output
from labelaudit.runtime.launch import is_leader
from labelaudit.runtime.locks import locked
from labelaudit.units import format_count

if TYPE_CHECKING:
    from labelaudit.report.report import Report
    from labelaudit.runtime.checkpoints import RunFolder

Source = Annotated[
    str,
    Argument(
        metavar="SOURCE",
        help="Image folder, table (CSV, TSV, JSON lines, Parquet), saved Hugging Face dataset, or hf:owner/name.",
    ),
]
Test = Annotated[
    str | None,
    Option(
        metavar="SOURCE",
        help="Trusted data to be the query, in any form SOURCE can have.",
        show_default="cross-audit",
        rich_help_panel=DATA,
    ),
]
Known = Annotated[
    Path | None,
    Option(
        metavar="FILE",
        help="Table of true labels (path, true_label), where they are known.",
        show_default="none",
        rich_help_panel=DATA,
    ),
]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace an earlier run in --out.", rich_help_panel=REPORT)]
Resume = Annotated[
    bool, Option("--resume", help="Go on with the unfinished run in --out, after a kill.", rich_help_panel=REPORT)
]
CheckpointEvery = Annotated[
    float,
    Option(min=0, metavar="X", help="Seconds between saving what --resume goes on from.", rich_help_panel=REPORT),
]
Reviewed = Annotated[
    list[Path] | None,
    Option(
        metavar="FILE",
        help="decisions.csv of reviews, or several.",
        show_default="none",
        rich_help_panel=DATA,
    ),
]
MOST_USED = ("test", "label_column", "model", "pretrained", "epochs", "learning_rate", "precision", "budget", "out")


def begin_output(
    source: str, out: Path, written: tuple[str, ...], overwrite: bool, resume: bool, checkpoint_every: float
) -> RunFolder:
    """Check, before anything is computed or long imported, that there is a source, and `out` may be written into.

    It is this process's until the command ends.
    """
    from labelaudit.data.sources import check_source

    if overwrite and resume:
        raise InputError("--overwrite starts anew and --resume goes on: give one of them")
    with raise_together():
        check_source(source)
        if is_leader():
            check_output(out, written, overwrite or resume)
            until_the_end(locked(out, option="out"))
            finish(out)  # what a run that was killed had written whole
            check_output(out, written, overwrite or resume)
        from labelaudit.runtime.checkpoints import (
            RunFolder,  # torch takes seconds to import; what was refused need not wait
        )

        run_folder = RunFolder(out / UNFINISHED, resume, checkpoint_every, overwrite)
        if is_leader():
            run_folder.check()
    return run_folder


def show_report(report: Report, out: Path, console: Console) -> None:
    """Print the summary of a report that is written."""
    from labelaudit.report.html import FILE_NAME
    from labelaudit.report.summary import summarise_report

    page = out / FILE_NAME
    summary = summarise_report(report)
    if console.as_json:
        console.json(summary | {"report": str(out / "report.parquet"), "page": str(page)})
    else:
        console.summary(summary, report.metadata)
        seconds = report.metadata["seconds"]
        console.written(f"Report: {page}" + (f" ({sum(seconds.values()):.1f} s)" if seconds else ""))
        console.note(f"next: {_next_step(report, page, out)}")


def _next_step(report: Report, page: Path, out: Path) -> str:
    """What to do with a report."""
    to_check = sum(stratum["first"] for stratum in report.metadata["spot_check"])
    if report.metadata["noise"]["verdict"] != "measured" and to_check:
        rows = format_count(to_check, "row")
        return f"open {page}; its spot check of {rows} tells how many labels are wrong, whatever the network knows"
    return (
        f"open {page}, decide, and export decisions.csv; then labelaudit apply {shlex.quote(str(out))} "
        "--decisions decisions.csv --out corrected"
    )
