"""Where a baseline is; apart from the rest, so that a wrong name is told without waiting for torch."""

from __future__ import annotations

import shlex
from pathlib import Path

from labelaudit.errors import InputError
from labelaudit.runtime.commits import current

NETWORKS, REPORT = "networks.safetensors", "report.parquet"
DEFAULT = Path("labelaudit-baseline")
MOST_FOLDERS = 1000  # of a folder that are looked into


def baseline_folder(path: Path) -> Path:
    """The folder of a baseline, given that or the report in it.

    Raises:
        InputError: There is none, or a report without networks.
    """
    folder = path if path.is_dir() else path.parent
    if path.exists() and _holds_baseline(folder):
        return folder
    make = "labelaudit baseline SOURCE"
    if not path.exists():
        problem, out = f"{path} does not exist", path.parent if path.suffix == ".parquet" else path
    elif current(folder / REPORT).exists():
        problem, out = f"{folder} holds the report of a scan, and no baseline", DEFAULT
        make += f" --like {shlex.quote(str(folder))}"
    else:
        problem, out = f"{folder} holds no baseline", DEFAULT if any(folder.iterdir()) else folder
    if (near := _baseline_near(path)) is not None:
        raise InputError(f"{problem}; there is one in {near}", option="baseline")
    raise InputError(f"{problem}; make one with: {make} --out {shlex.quote(str(out))}", option="baseline")


def _holds_baseline(folder: Path) -> bool:
    return current(folder / NETWORKS).exists()


def _baseline_near(path: Path) -> Path | None:
    """A baseline where one may have been meant: in the folder, around it, or where baselines are written to."""
    folder = path if path.is_dir() else path.parent
    inside, beside = (
        sorted(each for each in around.iterdir() if each.is_dir()) if around.is_dir() else []
        for around in (folder, folder.parent)
    )
    candidates = [folder, *inside[:MOST_FOLDERS], folder.parent, *beside[:MOST_FOLDERS], DEFAULT]
    return next((each for each in candidates if _holds_baseline(each)), None)
