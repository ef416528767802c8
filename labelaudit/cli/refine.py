"""`labelaudit refine`: what reviewers decided makes a report of the rest."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from labelaudit.cli.console import Console
from labelaudit.cli.exit_codes import ending_in_exit_codes, until_the_end
from labelaudit.cli.options import AsJson, Quiet
from labelaudit.errors import InputError
from labelaudit.report.wording import drawn_in_words, interval_in_words, range_in_words
from labelaudit.runtime.commits import appearing_together, finish
from labelaudit.runtime.files import check_output
from labelaudit.runtime.locks import locked
from labelaudit.units import format_count

if TYPE_CHECKING:
    from labelaudit.commands.refine import Refinement, SpotCheck

REFINE_EXAMPLES = {
    "labelaudit refine labelaudit-report --decisions decisions.csv": "a report of the rest, in labelaudit-refined",
    "labelaudit refine r --decisions monday.csv --decisions tuesday.csv --out r2": "by all decisions made so far",
}


def refine(
    report: Annotated[Path, Argument(metavar="REPORT", help="report.parquet of a scan, or the folder it is in.")],
    decisions: Annotated[
        list[Path],
        Option(
            metavar="FILE",
            help="CSV with id and decision (keep, accept, relabel, drop, unsure), as report.html exports it; "
            "several times for several files.",
        ),
    ],
    out: Annotated[Path, Option(metavar="FOLDER", help="Folder for report.parquet and report.html.")] = Path(
        "labelaudit-refined"
    ),
    source: Annotated[
        str | None,
        Option(metavar="SOURCE", help="Where the audited data is now.", show_default="where it was audited"),
    ] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace an earlier refined report in --out.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Learn from what reviewers decided, without training.

    The share of wrong labels, the scores, the ranking and the suspects among the rows not decided on are estimated
    anew, and what changed is said. Rows decided on are ranked last. REPORT stays as it is.
    """
    console = Console(quiet=quiet, as_json=as_json)
    with ending_in_exit_codes(console):
        from labelaudit.report.html import FILE_NAME as PAGE
        from labelaudit.report.report import FILE_NAME, Report

        loaded = Report.load(report)
        if out.resolve() == (report if report.is_dir() else report.parent).resolve():
            raise InputError(f"{out} holds the scan's report, which later decisions need: name another", option="out")
        written = (FILE_NAME, PAGE)
        check_output(out, written, overwrite)
        from labelaudit.commands.refine import refine as run_refine

        refined = run_refine(loaded, decisions)
        dataset = loaded.reopen(source)
        until_the_end(locked(out, option="out"))
        finish(out)  # what a run that was killed had written whole
        check_output(out, written, overwrite)
        from labelaudit.report.html import write_html

        with appearing_together(out) as staged:
            refined.report.save(staged / FILE_NAME)
            write_html(refined.report, dataset, staged / PAGE)
        for note in refined.notes:
            console.note(note)
        if console.as_json:
            console.json(refined.to_json() | {"report": str(out / FILE_NAME), "page": str(out / PAGE)})
            return
        for line in what_changed(refined):
            console.written(line)
        console.written(f"Report: {out / PAGE}")


def what_changed(refined: Refinement) -> list[str]:
    """The outcome in lines: the decisions, and each figure before and after them."""
    before, after = refined.before, refined.after
    used = format_count(refined.wrong + refined.right, "decision")
    unused = f"; {refined.unused} not used, as unsure or not scored" if refined.unused else ""
    decided_on = f"{refined.decided_suspects:,} of them decided on"
    lines = [
        f"{used} used: {refined.wrong} wrong, {refined.right} right{unused}",
        f"Wrong labels: {range_in_words(before)} → {range_in_words(after)}",
        f"Suspects: {before['suspects']:,} ({decided_on}) → {after['suspects']:,} left",
        f"Expected to be wrong of them: {_precision(before)} → {_precision(after)}",
    ]
    return lines if refined.spot_check is None else [*lines, f"Spot check: {_spot(refined.spot_check)}"]


def _precision(figures: dict[str, Any]) -> str:
    expected = figures["expected_precision"]
    if expected is None:
        return "–"
    mean = f"{expected['mean']:.0%}"
    return mean if expected["low"] is None else f"{mean} ({interval_in_words(expected)})"


def _spot(spot: SpotCheck) -> str:
    """The words of the page."""
    said = [] if spot.checked == 0 else [_of_list(spot)]
    if spot.share is not None and spot.low is not None and spot.high is not None:
        said.append(f"by all {spot.rows} rows drawn, {drawn_in_words(spot.share, spot.low, spot.high)}")
    return "; ".join(said)


def _of_list(spot: SpotCheck) -> str:
    said = f"{spot.wrong} of {format_count(spot.checked, 'suspect')} {'was' if spot.wrong == 1 else 'were'} wrong"
    if spot.unsure:
        said += f", {spot.unsure} unsure, which count as right"
    if spot.checked == spot.suspects:
        return f"{said}: the whole list"
    return f"{said}: at least {math.floor(100 * spot.at_least)}% of the list of {spot.suspects:,} (95%)"
