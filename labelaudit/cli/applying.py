"""`labelaudit apply`: decisions about suspects become a corrected copy of the dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from labelaudit.cli.console import Console
from labelaudit.cli.ending import ending_in_exit_codes
from labelaudit.errors import InputError
from labelaudit.units import counted

ModeChoice = Literal["copy", "hardlink", "symlink"]


def apply(
    report: Annotated[Path, Argument(metavar="REPORT", help="report.parquet, or the folder it is in.")],
    decisions: Annotated[
        Path,
        Option(help="CSV with id, decision (accept, keep, unsure, relabel) and new_label, as report.html has it."),
    ],
    out: Annotated[
        Path | None,
        Option(
            help="Where the corrected copy goes: a folder for an image folder, a file of the same format for a table.",
            show_default="none: see --manifest",
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        Option(
            help="For an image folder, write this CSV (path, label) instead, which points to the files where they are.",
            show_default="none: see --out",
        ),
    ] = None,
    mode: Annotated[
        ModeChoice,
        Option(help="For an image folder, copy the files, or make links: a hard link is the original file itself."),
    ] = "copy",
    source: Annotated[
        Path | None, Option(help="The dataset, if it is elsewhere by now.", show_default="the report's")
    ] = None,
    new_classes: Annotated[
        bool, Option("--new-classes", help="Allow new labels that are no class of the report.")
    ] = False,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace an earlier corrected copy.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No notes.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print the changes as JSON.")] = False,
) -> None:
    """Write a copy of the dataset with the labels that were decided on.

    The dataset itself stays as it is. Beside the copy lies a list of the changes, NAME.changes.csv. The copy is written
    even if no label changes.
    """
    console = Console(quiet=quiet, as_json=as_json)
    with ending_in_exit_codes(console):
        if (out is None) == (manifest is None):
            raise InputError("give --out for a corrected copy, or --manifest for a CSV that points to the originals")
        from labelaudit.report.report import Report

        loaded, target = Report.load(report), out or manifest
        assert target is not None
        from labelaudit.applying import apply_decisions

        applied = apply_decisions(
            loaded, decisions, target, source=source, mode=mode, manifest=manifest is not None,
            new_classes=new_classes, overwrite=overwrite,
        )  # fmt: skip
        if console.as_json:
            console.json(applied.to_json())
            return
        for note in applied.notes:
            console.note(note)
        counts = ", ".join(f"{count} {decision}" for decision, count in sorted(applied.decisions.items()))
        console.written(f"Decisions: {sum(applied.decisions.values())}" + f" ({counts})" * bool(counts))
        count = len(applied.changes)
        changed = f"{counted(count, 'label')} changed" if count else "nothing to change, a copy as it was"
        console.written(f"Corrected: {applied.out} ({changed}, {applied.rows} rows)")
        console.written(f"Changes:   {applied.changelog}")
