"""The command line."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from labelaudit.cli.applying import apply
from labelaudit.cli.checking import check
from labelaudit.cli.console import Console
from labelaudit.cli.ending import together
from labelaudit.cli.options import DATA, REPORT, auditing_command
from labelaudit.cli.reporting import report
from labelaudit.cli.reproducing import reproduce
from labelaudit.config import AuditConfig, Noise
from labelaudit.errors import InputError
from labelaudit.files import check_output
from labelaudit.launch import launched, leads

if TYPE_CHECKING:
    from labelaudit.checkpoints import RunFolder
    from labelaudit.report.report import Report

DISTRIBUTED = ("scan", "baseline", "flip-test")  # what several processes can do together

app = typer.Typer(
    help="Find mislabelled training examples.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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
        help="Trusted data to be the query, in any form SOURCE can have.",
        show_default="two-fold cross-audit",
        rich_help_panel=DATA,
    ),
]
Known = Annotated[
    Path | None, Option(help="Table of true labels (path, true_label), where they are known.", rich_help_panel=DATA)
]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace an earlier run in --out.", rich_help_panel=REPORT)]

Resume = Annotated[
    bool, Option("--resume", help="Go on with the unfinished run in --out, after a kill.", rich_help_panel=REPORT)
]
CheckpointEvery = Annotated[
    float, Option(min=0, help="Seconds between saving what --resume goes on from.", rich_help_panel=REPORT)
]


def begin_output(
    source: str, out: Path, written: tuple[str, ...], overwrite: bool, resume: bool, checkpoint_every: float
) -> RunFolder:
    """Check, before anything is computed or long imported, that there is a source, and `out` may be written into."""
    from labelaudit.data.sources import check_source

    if overwrite and resume:
        raise InputError("--overwrite starts anew and --resume goes on: give one of them")
    with together():
        check_source(source)
        if leads():
            check_output(out, written, overwrite or resume)
        from labelaudit.checkpoints import RunFolder  # torch takes seconds to import; what was refused need not wait

        run_folder = RunFolder(out / "unfinished-run", resume, checkpoint_every, overwrite)
        if leads():
            run_folder.check()
    return run_folder


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
        if leads():
            typer.echo(f"error: torchrun is for {', '.join(DISTRIBUTED)}; start this command without it", err=True)
        raise typer.Exit(2)


@app.command()
@auditing_command
def scan(
    source: Source,
    config: AuditConfig,
    console: Console,
    test: Test = None,
    known: Known = None,
    out: Annotated[Path, Option(help="Folder for report.parquet and report.html.", rich_help_panel=REPORT)] = Path(
        "labelaudit-report"
    ),
    overwrite: Overwrite = False,
    resume: Resume = False,
    checkpoint_every: CheckpointEvery = 60,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Say what it will take, and write nothing.", rich_help_panel=REPORT)
    ] = False,
) -> None:
    """Rank the labels of a dataset by how suspect they are.

    Without --test every half of the rows is audited against the other. The report is OUT/report.parquet, for programs,
    and OUT/report.html, to look through the suspects and decide.
    """
    if dry_run:
        from labelaudit.planning import plan_scan

        plan = plan_scan(source, test, config, out, console)
        if leads():
            console.json(plan.to_json()) if console.as_json else console.plan(plan)
        return
    written = ("report.parquet", "report.html")
    run_folder = begin_output(source, out, written, overwrite, resume, checkpoint_every)
    from labelaudit.report.report import FILE_NAME
    from labelaudit.scanning import scan as run_scan

    report = run_scan(source, test=test, known=known, config=config, progress=console, run_folder=run_folder)
    if leads():
        report.save(out / FILE_NAME)
        show_report(report, out, console)
        run_folder.remove()


@app.command()
@auditing_command
def baseline(
    source: Source,
    config: AuditConfig,
    console: Console,
    test: Test = None,
    out: Annotated[Path, Option(help="Folder for the baseline.", rich_help_panel=REPORT)] = Path("labelaudit-baseline"),
    overwrite: Overwrite = False,
    resume: Resume = False,
    checkpoint_every: CheckpointEvery = 60,
) -> None:
    """Scan a dataset, and keep what `labelaudit check` needs to audit only what is new in its next version.

    Besides the report, OUT holds the fine-tuned networks.
    """
    from labelaudit.checking.place import NETWORKS

    written = ("report.parquet", "report.html", NETWORKS)
    run_folder = begin_output(source, out, written, overwrite, resume, checkpoint_every)
    from labelaudit.checking.baseline import save_baseline
    from labelaudit.scanning import scan_and_keep

    report, audit = scan_and_keep(source, test=test, config=config, progress=console, run_folder=run_folder)
    if audit.findings.doubt is not None:
        raise InputError(f"no baseline is written, for nothing could be told from it: {audit.findings.doubt}")
    if leads():
        save_baseline(out, report, audit)
        show_report(report, out, console)
        run_folder.remove()


def show_report(report: Report, out: Path, console: Console) -> None:
    """Write the report to look at, and print the summary."""
    from labelaudit.report.html import FILE_NAME, write_html
    from labelaudit.report.summary import summarise_report

    assert report.dataset is not None
    page = out / FILE_NAME
    write_html(report, report.dataset, page)
    summary = summarise_report(report)
    if console.as_json:
        console.json(summary | {"report": str(out / "report.parquet"), "page": str(page)})
    else:
        console.summary(summary, report.metadata)
        console.written(f"Report: {page} ({sum(report.metadata['seconds'].values()):.1f} s)")


@app.command()
@auditing_command
def flip_test(
    source: Source,
    config: AuditConfig,
    console: Console,
    rate: Annotated[
        float | None, Option(help="Share of labels to flip, above 0 and up to 0.5.", show_default="none: see --known")
    ] = None,
    noise: Annotated[
        Noise, Option(help="symmetric: to any other class; pair: each class to the next one.")
    ] = "symmetric",
    seeds: Annotated[int, Option(min=1, help="Number of runs, with seeds SEED, SEED+1, ….")] = 3,
    test: Test = None,
    known: Known = None,
    out: Annotated[
        Path, Option(help="Folder for metrics.json and a report of each seed.", rich_help_panel=REPORT)
    ] = Path("labelaudit-flip-test"),
    overwrite: Overwrite = False,
    resume: Resume = False,
    checkpoint_every: CheckpointEvery = 60,
) -> None:
    """Measure how well wrong labels are found, beside the usual baselines.

    Plants flips (--rate), or takes labels known to be wrong (--known). The first seed's report is
    OUT/report.parquet, the others' OUT/report-seed-N.parquet; all figures are in OUT/metrics.json.
    """
    from labelaudit.data.noise import check_flips

    check_flips(rate, known)
    written = ("report*.parquet", "metrics.json")
    run_folder = begin_output(source, out, written, overwrite, resume, checkpoint_every)
    import json

    from labelaudit.files import write_atomically
    from labelaudit.flip_testing import flip_test as run_flip_test
    from labelaudit.report.report import FILE_NAME

    def save(number: int, report: Report) -> None:
        if not leads():
            return
        if number == 0:
            for stale in (*out.glob("report-seed-*.parquet"), *out.glob("metrics.json")):
                stale.unlink()
        report.save(out / (FILE_NAME if number == 0 else f"report-seed-{report.metadata['seed']}.parquet"))

    result = run_flip_test(
        source, rate=rate, noise=noise, seeds=seeds, test=test, known=known, config=config, progress=console,
        finished=save, run_folder=run_folder,
    )  # fmt: skip
    if not leads():
        return
    figures = result.to_json()
    path = out / "metrics.json"
    write_atomically(path, lambda file: file.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n"))
    run_folder.remove()
    if console.as_json:
        console.json(figures)
    else:
        console.metrics(figures)
        console.written(f"Metrics: {path}")


app.command()(check)
app.command()(report)
app.command()(apply)
app.command()(reproduce)
