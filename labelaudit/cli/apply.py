"""`labelaudit apply`: decisions about suspects become a corrected copy of the dataset."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from labelaudit.cli.console import Console
from labelaudit.cli.exit_codes import ending_in_exit_codes
from labelaudit.cli.options import AsJson, Quiet, with_choices
from labelaudit.errors import InputError
from labelaudit.types import Mode
from labelaudit.units import format_count

if TYPE_CHECKING:
    from labelaudit.commands.apply import AppliedChanges

APPLY_EXAMPLES = {
    "labelaudit apply labelaudit-report --decisions decisions.csv --out corrected": "a corrected copy of the dataset",
    "labelaudit apply labelaudit-report --decisions decisions.csv --manifest m.csv": "only a list of labels",
}


def apply(
    report: Annotated[Path, Argument(metavar="REPORT", help="report.parquet, or the folder it is in.")],
    decisions: Annotated[
        Path,
        Option(
            metavar="FILE",
            help="CSV with id, decision (accept, keep, unsure, relabel, drop) and new_label, as report.html exports "
            "it.",
        ),
    ],
    out: Annotated[
        Path | None,
        Option(
            metavar="PATH",
            help="Where the corrected copy goes: a folder for an image folder, a file of the same format for a table.",
            show_default="none, see --manifest",
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="For an image folder, write this CSV (path, label) instead, which points to the files where they are.",
            show_default="none, see --out",
        ),
    ] = None,
    mode: Annotated[
        Mode,
        Option(
            metavar="CHOICE",
            help=with_choices(
                "How the files of an image folder get into the copy.",
                {
                    "copy": "as copies",
                    "hardlink": "as hard links, which are the original files themselves",
                    "symlink": "as symbolic links to the originals",
                },
            ),
        ),
    ] = "copy",
    source: Annotated[
        Path | None,
        Option(metavar="PATH", help="The dataset, if it is elsewhere by now.", show_default="where the report has it"),
    ] = None,
    new_classes: Annotated[
        bool, Option("--new-classes", help="Allow new labels that are no class of the report.")
    ] = False,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace an earlier corrected copy.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write a copy of the dataset with the labels that were decided on.

    The dataset itself stays as it is. Beside the copy lie a list of the changes, NAME.changes.csv, and the decisions
    for later audits of it, NAME.decisions.csv. The copy is written even if no label changes.
    """
    console = Console(quiet=quiet, as_json=as_json)
    with ending_in_exit_codes(console):
        if (out is None) == (manifest is None):
            raise InputError("give `out` for a corrected copy, or `manifest` for a CSV that points to the originals")
        from labelaudit.report.report import Report

        loaded, target = Report.load(report), out or manifest
        assert target is not None
        from labelaudit.commands.apply import apply_decisions

        applied = apply_decisions(
            loaded,
            decisions,
            target,
            source=source,
            mode=mode,
            manifest=manifest is not None,
            new_classes=new_classes,
            overwrite=overwrite,
        )
        show_applied(applied, report, console)


def show_applied(applied: AppliedChanges, report: Path, console: Console) -> None:
    """Print what was done."""
    if console.as_json:
        console.json(applied.to_json())
        return
    for note in applied.notes:
        console.note(note)
    counts = ", ".join(f"{count} {decision}" for decision, count in sorted(applied.decisions.items()))
    console.written(f"Decisions: {sum(applied.decisions.values())}" + (f" ({counts})" if counts else ""))
    dropped = sum(change.new_label is None for change in applied.changes)
    relabelled = len(applied.changes) - dropped
    said = [f"{format_count(relabelled, 'label')} changed"] if relabelled else []
    said += [f"{format_count(dropped, 'row')} dropped"] if dropped else []
    changed = ", ".join(said) or "nothing to change, a copy as it was"
    console.written(f"Corrected: {applied.out} ({changed}, {format_count(applied.rows, 'row')})")
    console.written(f"Changes:   {applied.changelog}")
    console.note(
        f"next: labelaudit baseline {shlex.quote(str(applied.out))} --like {shlex.quote(str(report))}, which keeps "
        f"what was reviewed ({applied.reviewed})"
    )
