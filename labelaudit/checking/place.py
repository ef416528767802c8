"""Where a baseline is; apart from the rest, so that a wrong name is told without waiting for torch."""

from __future__ import annotations

from pathlib import Path

from labelaudit.errors import InputError

NETWORKS = "networks.safetensors"


def baseline_folder(path: Path) -> Path:
    """The folder of a baseline, given that or the report in it.

    Raises:
        InputError: There is none, or a report without networks.
    """
    folder = path if path.is_dir() else path.parent
    if not path.exists():
        raise InputError(f"--baseline: {path} does not exist; make it with: labelaudit baseline SOURCE --out {folder}")
    if not (folder / NETWORKS).is_file():
        raise InputError(f"--baseline: {folder} holds no {NETWORKS}; make it with: labelaudit baseline")
    return folder
