"""The command line."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from labelaudit.cli.apply import APPLY_EXAMPLES, apply
from labelaudit.cli.auditing import (
    MOST_USED,
    CheckpointEvery,
    Known,
    Overwrite,
    Resume,
    Reviewed,
    Source,
    Test,
    begin_output,
    show_report,
)
from labelaudit.cli.baseline import BASELINE_EXAMPLES, BASELINE_SHORT, baseline
from labelaudit.cli.check import CHECK_EXAMPLES, check
from labelaudit.cli.console import Console
from labelaudit.cli.help import Program, command_class
from labelaudit.cli.options import auditing_command, with_choices
from labelaudit.cli.refine import REFINE_EXAMPLES, refine
from labelaudit.cli.report import REPORT_EXAMPLES, report
from labelaudit.cli.reproduce import REPRODUCE_EXAMPLES, reproduce
from labelaudit.config import DATA, REPORT, RUN, AuditConfig
from labelaudit.runtime.commits import appearing_together
from labelaudit.runtime.launch import is_leader, launched
from labelaudit.types import Noise

if TYPE_CHECKING:
    from labelaudit.report.report import Report

DISTRIBUTED = ("scan", "baseline", "flip-test")  # what several processes can do together

app = typer.Typer(
    cls=Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

NoiseOption = Annotated[
    Noise,
    Option(
        metavar="CHOICE",
        help=with_choices(
            "Which wrong label a flipped row gets.",
            {
                "symmetric": "any other class, with equal chance",
                "pair": "the next class",
                "confusion": "where a network wavers, the class it wavers to, as people do (takes one more audit)",
            },
        ),
        rich_help_panel=DATA,
    ),
]


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


@app.command(
    cls=command_class(
        {
            "labelaudit scan photos": "a folder with one folder of images per class",
            "labelaudit scan tickets.csv --label-column queue --budget 200": "a table, of texts or numbers",
            "labelaudit scan photos --model resnet18 --pretrained --train head": "photographs, quickly",
        },
        short=(*MOST_USED, "dry_run"),
    )
)
@auditing_command
def scan(
    source: Source,
    config: AuditConfig,
    console: Console,
    test: Test = None,
    known: Known = None,
    reviewed: Reviewed = None,
    out: Annotated[
        Path, Option(metavar="FOLDER", help="Folder for report.parquet and report.html.", rich_help_panel=REPORT)
    ] = Path("labelaudit-report"),
    overwrite: Overwrite = False,
    resume: Resume = False,
    checkpoint_every: CheckpointEvery = 60,
    dry_run: Annotated[
        bool,
        Option("--dry-run", help="Say what time and memory it will take, and write nothing.", rich_help_panel=REPORT),
    ] = False,
    save_probabilities: Annotated[
        bool,
        Option(
            "--save-probabilities",
            help="Write OUT/probabilities.parquet: each row's class probabilities, by networks not trained on it.",
            rich_help_panel=REPORT,
        ),
    ] = False,
) -> None:
    """Rank the labels of a dataset by how suspect they are.

    Without --test every half of the rows is audited against the other. The report is OUT/report.parquet, for programs,
    and OUT/report.html, to look through the suspects and decide.
    """
    if dry_run:
        from labelaudit.commands.dry_run import plan_scan

        plan = plan_scan(source, test, config, out, console)
        if is_leader():
            console.json(plan.to_json()) if console.as_json else console.plan(plan)
        return
    written = ("report.parquet", "report.html", "probabilities.parquet")
    run_folder = begin_output(source, out, written, overwrite, resume, checkpoint_every)
    from labelaudit.commands.scan import scan as run_scan
    from labelaudit.report.html import FILE_NAME as PAGE
    from labelaudit.report.report import FILE_NAME

    report = run_scan(
        source,
        test=test,
        known=known,
        config=config,
        progress=console,
        run_folder=run_folder,
        reviewed=reviewed,
        save_probabilities=save_probabilities,
    )
    if is_leader():
        with appearing_together(out, stale=("probabilities.parquet",)) as staged:
            report.save(staged / FILE_NAME)
            report.to_html(staged / PAGE)
            if report.probabilities is not None:
                report.probabilities.to_parquet(staged / "probabilities.parquet", index=False)
        run_folder.remove()
        show_report(report, out, console)


app.command(cls=command_class(BASELINE_EXAMPLES, short=BASELINE_SHORT))(auditing_command(baseline))
app.command(cls=command_class(CHECK_EXAMPLES))(check)


@app.command(
    cls=command_class(
        {
            "labelaudit flip-test photos --rate 0.1": "flip a tenth of the labels, and see how many are found",
            "labelaudit flip-test photos --known truth.csv": "measure on wrong labels that are known",
        },
        short=("rate", "known", "noise", "seeds", "test", "label_column", "model", "epochs", "learning_rate", "out"),
    )
)
@auditing_command
def flip_test(
    source: Source,
    config: AuditConfig,
    console: Console,
    rate: Annotated[
        float | None,
        Option(
            metavar="X",
            help="Share of labels to flip [above 0 and at most 0.5]",
            show_default="none, see --known",
            rich_help_panel=DATA,
        ),
    ] = None,
    noise: NoiseOption = "symmetric",
    seeds: Annotated[
        int, Option(min=1, metavar="N", help="Number of runs, with seeds SEED, SEED + 1, ….", rich_help_panel=RUN)
    ] = 3,
    test: Test = None,
    known: Known = None,
    out: Annotated[
        Path,
        Option(metavar="FOLDER", help="Folder for metrics.json and a report of each seed.", rich_help_panel=REPORT),
    ] = Path("labelaudit-flip-test"),
    overwrite: Overwrite = False,
    resume: Resume = False,
    checkpoint_every: CheckpointEvery = 60,
) -> None:
    """Measure how well wrong labels are found, beside the usual baselines.

    Plants flips (--rate), or takes labels known to be wrong (--known). The first seed's report is
    OUT/report.parquet, the others' OUT/report-seed-N.parquet; all figures are in OUT/metrics.json.
    """
    from labelaudit.data.flips import check_flips

    check_flips(rate, known)
    written = ("report*.parquet", "metrics.json")
    run_folder = begin_output(source, out, written, overwrite, resume, checkpoint_every)
    from labelaudit.commands.flip_test import flip_test as run_flip_test
    from labelaudit.report.report import FILE_NAME

    reports: list[Path] = []

    def save(number: int, report: Report) -> None:
        if is_leader():  # what is done is kept with the unfinished run, and the earlier one's results until all is
            name = FILE_NAME if number == 0 else f"report-seed-{report.metadata['seed']}.parquet"
            report.save(run_folder.folder / name)
            reports.append(run_folder.folder / name)

    result = run_flip_test(
        source,
        rate=rate,
        noise=noise,
        seeds=seeds,
        test=test,
        known=known,
        config=config,
        progress=console,
        finished=save,
        run_folder=run_folder,
    )
    if not is_leader():
        return
    figures = result.to_json()
    with appearing_together(out, stale=("report*.parquet", "report*.html")) as staged:
        for file in reports:
            shutil.copyfile(file, staged / file.name)
        (staged / "metrics.json").write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    run_folder.remove()
    if console.as_json:
        console.json(figures)
    else:
        console.metrics(figures)
        console.written(f"Metrics: {out / 'metrics.json'}")


app.command(cls=command_class(REPORT_EXAMPLES))(report)
app.command(cls=command_class(REFINE_EXAMPLES))(refine)
app.command(cls=command_class(APPLY_EXAMPLES))(apply)
app.command(cls=command_class(REPRODUCE_EXAMPLES))(reproduce)
