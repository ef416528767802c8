"""`labelaudit flip-test`: how well wrong labels are found in one's own data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from labelaudit.cli.auditing import CheckpointEvery, Known, Overwrite, Resume, Source, Test, begin_output
from labelaudit.cli.console import Console
from labelaudit.cli.options import with_choices
from labelaudit.config import DATA, REPORT, RUN, AuditConfig
from labelaudit.runtime.commits import appearing_together
from labelaudit.runtime.launch import is_leader
from labelaudit.types import Noise

if TYPE_CHECKING:
    from labelaudit.report.report import Report

FLIP_TEST_EXAMPLES = {
    "labelaudit flip-test photos --rate 0.1": "flip a tenth of the labels, and see how many are found",
    "labelaudit flip-test photos --known truth.csv": "measure on wrong labels that are known",
}
FLIP_TEST_SHORT = ("rate", "known", "noise", "seeds", "test", "label_column", "model", "epochs", "learning_rate", "out")
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
