"""`labelaudit baseline`: an audit to which `check` compares later versions of the data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from labelaudit.cli.auditing import (
    MOST_USED,
    CheckpointEvery,
    Overwrite,
    Resume,
    Reviewed,
    Source,
    Test,
    begin_output,
    show_report,
)
from labelaudit.cli.console import Console
from labelaudit.config import DATA, REPORT, AuditConfig
from labelaudit.correction.side_files import decisions_of
from labelaudit.errors import InputError
from labelaudit.runtime.launch import is_leader

if TYPE_CHECKING:
    from labelaudit.report.report import Report

BASELINE_EXAMPLES = {
    "labelaudit baseline photos": "once, and whenever the data has been reviewed",
    "labelaudit baseline corrected --like labelaudit-report": "after a review: as the scan was, and with its decisions",
    "labelaudit check photos": "then, for every update",
}
BASELINE_SHORT = (*MOST_USED, "like", "reviewed")
Like = Annotated[
    Path | None,
    Option(
        metavar="REPORT",
        help="Report whose settings and reviewed rows carry over.",
        show_default="none",
        rich_help_panel=DATA,
    ),
]


def baseline(
    source: Source,
    config: AuditConfig,
    console: Console,
    test: Test = None,
    like: Like = None,
    reviewed: Reviewed = None,
    out: Annotated[Path, Option(metavar="FOLDER", help="Folder for the baseline.", rich_help_panel=REPORT)] = Path(
        "labelaudit-baseline"
    ),
    overwrite: Overwrite = False,
    resume: Resume = False,
    checkpoint_every: CheckpointEvery = 60,
) -> None:
    """Scan a dataset, and keep what `labelaudit check` needs to audit only what is new in its next version.

    Besides the report, OUT holds the fine-tuned networks.
    """
    from labelaudit.checking.baseline_folder import NETWORKS

    written = ("report.parquet", "report.html", NETWORKS)
    run_folder = begin_output(source, out, written, overwrite, resume, checkpoint_every)
    from labelaudit.checking.baseline import save_baseline
    from labelaudit.commands.scan import scan_and_keep
    from labelaudit.report.report import Report

    earlier = None if like is None else Report.load(like)
    if earlier is not None:
        check_named_again(earlier, test)
        console.note(f"settings and reviewed rows are those of {like}, but for what is given here")
        reviewed = reviewed or decisions_beside(Path(source), console)
    report, audit = scan_and_keep(
        source, test, config=config, progress=console, run_folder=run_folder, reviewed=reviewed, like=earlier
    )
    if audit.findings.doubt is not None:
        raise InputError(f"no baseline is written, for nothing could be told from it: {audit.findings.doubt}")
    if is_leader():
        save_baseline(out, report, audit)
        run_folder.remove()
        show_report(report, out, console)


def check_named_again(report: Report, test: str | None) -> None:
    """Refuse to open test data because a stored file says so.

    Raises:
        InputError: The report's scan had test data, and none is given.
    """
    named = report.metadata["test_source"]
    if named is not None and test is None:
        raise InputError(
            f"the scan had test data, {named}. What a report names is never opened: name it again", option="test"
        )


def decisions_beside(source: Path, console: Console) -> list[Path]:
    """The decisions that `apply` put beside a corrected copy, if it is one."""
    found = decisions_of(source, folder=source.is_dir())
    if not found.is_file():
        return []
    console.note(f"the decisions beside the data count as `reviewed`: {found}")
    return [found]
