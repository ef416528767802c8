"""Where the benchmarks and the tests find real data: LABELAUDIT_DATA and LABELAUDIT_WEIGHTS (docs/datasets.md)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("LABELAUDIT_DATA") or ROOT.parent / "shared" / "data").expanduser()
WEIGHTS = Path(os.environ.get("LABELAUDIT_WEIGHTS") or ROOT.parent / "shared" / "weights").expanduser()

DataFolder = Annotated[
    Path,
    typer.Option(help="Folder of the datasets, or $LABELAUDIT_DATA (docs/datasets.md).", exists=True, file_okay=False),
]
WeightsFolder = Annotated[
    Path,
    typer.Option(
        help="Folder of the pretrained weights, or $LABELAUDIT_WEIGHTS (docs/datasets.md).",
        exists=True,
        file_okay=False,
    ),
]
