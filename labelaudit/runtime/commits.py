"""Several files of a folder that appear together, or not at all.

They are written into a folder of their own beside the old ones. Renaming that folder is the moment they count. Then
they are moved to where they belong. If a process is killed meanwhile, the next one does that; until then readers look
into the folder first.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelaudit.runtime.files import sync_folder

READY = ".labelaudit.ready"
_STALE = "stale.json"
_NAMES = re.compile(r"report[\w-]*\.(parquet|html)|metrics\.json|probabilities\.parquet|networks\.safetensors")
"""All that a run puts into its folder; nothing else is moved or removed, whatever the folder says."""


@contextmanager
def appearing_together(folder: Path, stale: tuple[str, ...] = ()) -> Iterator[Path]:
    """Give a folder to write files into, which then replace those of `folder` at once.

    Args:
        folder: Where they belong. It must be locked.
        stale: Patterns of files there which go when the new ones come.

    Raises:
        OSError: They cannot be written; what was there is intact.
    """
    finish(folder)
    staged = Path(tempfile.mkdtemp(dir=folder, prefix=".labelaudit.", suffix=".part"))
    try:
        yield staged
        coming = {file.name for file in staged.iterdir()}
        going = sorted({file.name for pattern in stale for file in folder.glob(pattern)} - coming)
        (staged / _STALE).write_text(json.dumps(going), encoding="utf-8")
        for file in staged.iterdir():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        sync_folder(staged)
        staged.rename(folder / READY)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    sync_folder(folder)
    finish(folder)


def finish(folder: Path) -> None:
    """Move to its place what was written whole, but not moved by a process that died; `folder` must be locked."""
    ready = folder / READY
    if ready.is_symlink() or not ready.is_dir():
        return
    listed = ready / _STALE
    if listed.is_file():  # it goes last, so that all is done anew after another kill
        try:
            names = json.loads(listed.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            names = []
        for name in names if isinstance(names, list) else []:
            if isinstance(name, str) and _NAMES.fullmatch(name):
                (folder / name).unlink(missing_ok=True)
    for file in sorted(ready.iterdir()):
        if _NAMES.fullmatch(file.name):
            file.replace(folder / file.name)
    sync_folder(folder)
    shutil.rmtree(ready)


def current(file: Path) -> Path:
    """Where the newest version of a file is: where it belongs, unless it was written whole and not yet moved."""
    waiting = file.parent / READY / file.name
    return waiting if _NAMES.fullmatch(file.name) and waiting.is_file() else file
