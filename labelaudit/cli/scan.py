"""`labelaudit scan`: the labels of a dataset, by how suspect they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

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
from labelaudit.cli.console import Console
from labelaudit.config import MODEL, REPORT, AuditConfig
from labelaudit.errors import InputError
from labelaudit.runtime.commits import appearing_together
from labelaudit.runtime.launch import is_leader

SCAN_EXAMPLES = {
    "labelaudit scan photos": "a folder with one folder of images per class",
    "labelaudit scan tickets.csv --label-column queue --budget 200": "a table, of texts or numbers",
    "labelaudit scan photos --model resnet18 --pretrained --train head": "photographs, quickly",
}
SCAN_SHORT = (*MOST_USED, "dry_run")


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
    pred_probs: Annotated[
        list[Path] | None,
        Option(
            metavar="FILE",
            help="Table (a column for each class) or .npy of your own network's probabilities, out of fold: nothing is "
            "trained. May be repeated.",
            show_default="none",
            rich_help_panel=MODEL,
        ),
    ] = None,
) -> None:
    """Rank the labels of a dataset by how suspect they are.

    Without --test the rows audit each other, part by part. The report is OUT/report.parquet, for programs,
    and OUT/report.html, to look through the suspects and decide.
    """
    if pred_probs and dry_run:
        raise InputError("with `pred_probs` nothing is trained, and there is nothing to plan: leave `dry_run` out")
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
        pred_probs=pred_probs or None,
    )
    if is_leader():
        with appearing_together(out, stale=("probabilities.parquet",)) as staged:
            report.save(staged / FILE_NAME)
            report.to_html(staged / PAGE)
            if report.probabilities is not None:
                report.probabilities.to_parquet(staged / "probabilities.parquet", index=False)
        run_folder.remove()
        show_report(report, out, console)
