"""All files below a folder: each real folder is walked once, whatever links lead to it, and no link leads outside."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labelaudit.errors import InputError


@dataclass
class Walk:
    """What is below a folder; all paths are relative to it.

    Attributes:
        folders: The folders, those behind links under the link's name.
        files: Everything else, links to files included.
        repeated: Links to folders that are walked elsewhere, with the path under which they are.
    """

    folders: list[Path] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    repeated: dict[Path, Path] = field(default_factory=dict)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is not part of a dataset."""
    return name.startswith(".") or name == "__MACOSX"


def roots_of(folder: Path, image_root: Path | None = None) -> tuple[Path, ...]:
    """The real folders that links of a dataset may lead into: its own, and the one the user names."""
    return (folder.resolve(), *(() if image_root is None else (image_root.resolve(),)))


def walk(folder: Path, inside: Sequence[Path], *, hidden: bool) -> Walk:
    """List a folder. Real folders come before links to them; hidden ones last, and only if `hidden`.

    Args:
        folder: Where to begin.
        inside: What links to folders may lead into (`roots_of`).
        hidden: Whether hidden files and folders are listed, too.

    Raises:
        InputError: A folder cannot be listed, or a link leads outside.
    """
    found, seen = Walk(), dict[tuple[int, int], Path]()
    links: list[Path] = []
    later: list[Path] = []

    def descend(start: Path) -> None:
        for directory, below, names in os.walk(start, onerror=_cannot_list):
            here = Path(directory)
            state = here.stat()
            relative = here.relative_to(folder)
            if (state.st_dev, state.st_ino) in seen:  # it was reached by a link before
                below.clear()
                continue
            seen[state.st_dev, state.st_ino] = relative
            if relative.parts:
                found.folders.append(relative)
            links.extend(here / name for name in sorted(below) if (here / name).is_symlink())
            later.extend(here / name for name in sorted(below) if is_hidden(name))
            below[:] = sorted(name for name in below if not (here / name).is_symlink() and not is_hidden(name))
            found.files += [relative / name for name in sorted(names) if hidden or not is_hidden(name)]

    descend(folder)
    while links or (hidden and later):
        start = links.pop(0) if links else later.pop(0)
        if start.is_symlink():
            if is_hidden(start.name) and not hidden:
                continue
            state, relative = start.stat(), start.relative_to(folder)
            if (state.st_dev, state.st_ino) in seen:
                found.repeated[relative] = seen[state.st_dev, state.st_ino]
                continue
            if not any(start.resolve().is_relative_to(root) for root in inside):
                raise InputError(
                    f"{start} is a link that leads outside {folder}: if what is there belongs to the dataset, name it "
                    "with `image_root`, else remove the link"
                )
        descend(start)
    return found


def _cannot_list(error: OSError) -> None:
    raise InputError(f"cannot list {error.filename}: {error.strerror}")
