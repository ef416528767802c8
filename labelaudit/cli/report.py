"""`labelaudit report`: the visual report of an audit that was made before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from labelaudit.cli.console import Console
from labelaudit.cli.exit_codes import ending_in_exit_codes, until_the_end
from labelaudit.cli.options import Quiet
from labelaudit.runtime.files import check_output_file
from labelaudit.runtime.locks import locked, remove_leftovers

REPORT_EXAMPLES = {
    "labelaudit report labelaudit-report": "write labelaudit-report/report.html anew",
    "labelaudit report labelaudit-report --shown 2000 --out all.html": "with more rows, elsewhere",
    "labelaudit report labelaudit-report --spot-check 100": "more rows to be looked at, and a narrower range",
}


def report(
    file: Annotated[Path, Argument(metavar="REPORT", help="report.parquet, or the folder it is in.")],
    out: Annotated[
        Path | None,
        Option(metavar="FILE", help="The HTML file to write.", show_default="report.html beside REPORT"),
    ] = None,
    source: Annotated[
        str | None,
        Option(metavar="SOURCE", help="Where the audited data is now.", show_default="where it was audited"),
    ] = None,
    shown: Annotated[
        int,
        Option(
            min=1,
            max=5000,
            metavar="N",
            help="Rows to embed at most, the most suspect first (4 to 20 kB each, at most 5000).",
        ),
    ] = 500,
    spot_check: Annotated[
        int,
        Option(min=2, max=300, metavar="N", help="Rows of the spot check: 100 say the share some 7 to 12 points wide."),
    ] = 30,
    quiet: Quiet = False,
) -> None:
    """Write the visual report anew: one HTML file to look through the suspects, decide, and pass on.

    An existing file is replaced. Decisions made in it are kept by the browser, and belong to REPORT.
    """
    console = Console(quiet=quiet, as_json=False)
    with ending_in_exit_codes(console):
        from labelaudit.report.report import Report

        if out is not None:
            check_output_file(out, "out")
        loaded = Report.load(file)
        dataset = loaded.reopen(source)
        from labelaudit.report.html import FILE_NAME, write_html

        folder = file if file.is_dir() else file.parent
        path = out or folder / FILE_NAME
        if out is None:
            until_the_end(locked(folder, option="out"))
        else:
            remove_leftovers(path.parent)
        write_html(loaded, dataset, path, shown, spot_check)
        rows = loaded.table.num_rows
        console.note(f"{path.stat().st_size / 1e6:.1f} MB, {rows:,} rows audited")
        console.written(f"Report: {path}")
