"""A copy of an image folder with some files in other class folders, or a table that says so of the files in place."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from labelaudit.data.folder import open_folder
from labelaudit.errors import InputError

Mode = Literal["copy", "hardlink", "symlink"]
_LONGEST_NAME = 255  # bytes, on nearly every file system


def check_folder_label(label: str) -> None:
    """Make sure that a new class can be a folder, and one that will be found again.

    Raises:
        InputError: It leads elsewhere, would be hidden, or is no name of a folder.
    """
    bad = (
        label in ("", "__MACOSX")
        or label.startswith(".")
        or label != label.strip()
        or any(character in "/\\" or not character.isprintable() for character in label)
        or len(os.fsencode(label)) > _LONGEST_NAME
    )
    if bad:
        raise InputError(f"{label!r} cannot be the name of a class folder: a name has no slash, no control character, "
                         f"no dot or blank before it, and at most {_LONGEST_NAME} bytes")  # fmt: skip


def write_corrected_folder(source: Path, out: Path, labels: Mapping[str, str], mode: Mode) -> dict[str, str]:
    """Copy a folder, with some images in another class folder.

    An image whose name is taken where it goes gets a number: `new/a.png` becomes `new/a-1.png`.

    Args:
        source: The image folder; everything in it is copied, and nothing changed. Links to folders become folders.
        out: A folder that does not exist; its parent does.
        labels: Id of an image → the class folder it goes into.
        mode: Whether files are copied, or are links to the originals.

    Returns:
        Id of each moved image → its id in the copy.

    Raises:
        InputError: An id is not there, or is not one file alone; a label cannot be a folder's name; or links cannot be
            made from there to here.
    """
    folders, files = _walk(source)
    known = {_text(folder): folder for folder in folders if len(folder.parts) == 1}
    for label in labels.values():
        if label not in known or label.startswith((".", "__MACOSX")):
            check_folder_label(label)
    moved: dict[str, Path] = {}
    for file in files:
        if _text(file) in labels:
            if _text(file) in moved:
                raise InputError(f"{source} has two files that are {_text(file)!r}: rename one of them")
            moved[_text(file)] = file
    missing = [name for name in labels if name not in moved]
    if missing:
        raise InputError(f"{source} has no file {missing[0]!r}: the dataset has changed since the report")
    moving = set(moved.values())
    taken = {_folded(file) for file in files if file not in moving}
    targets = {file: file for file in files}
    for name, file in moved.items():
        within = Path(*file.parts[1:]) if len(file.parts) > 1 else file
        target = _free(known.get(labels[name], Path(labels[name])) / within, taken)
        taken.add(_folded(target))
        targets[file] = target
    out.mkdir()
    for folder in folders:
        (out / folder).mkdir(parents=True, exist_ok=True)
    try:
        for file, target in targets.items():
            (out / target.parent).mkdir(parents=True, exist_ok=True)
            _put(source / file, out / target, mode)
    except FileExistsError as error:
        raise InputError(f"a class folder cannot be made: {error.filename} is a file's name in {source}") from error
    return {name: _text(targets[file]) for name, file in moved.items()}


def write_manifest(source: Path, out: Path, labels: Mapping[str, str], home: Path) -> str | None:
    """Write a CSV with `path` and `label` of every image, that points to the files where they are.

    Args:
        source: The image folder.
        out: The CSV, while it is written.
        labels: Id of an image → its corrected class.
        home: The folder the CSV will be in.

    Returns:
        What the reader of the CSV must know, if anything.

    Raises:
        InputError: The folder cannot be read, or a file's name is not UTF-8.
    """
    for label in labels.values():
        check_folder_label(label)
    dataset = open_folder(source)
    inside = source.resolve().is_relative_to(home.resolve())
    prefix = source.resolve().relative_to(home.resolve()) if inside else Path()
    with out.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label"))
        for name, given in zip(dataset.ids, dataset.labels, strict=True):
            if not (source / name).is_file() and not (source / name).is_symlink():
                raise InputError(f"{source}: the name of {name!r} is not UTF-8 and cannot be in a CSV: rename it, or "
                                 "make a corrected copy with --out")  # fmt: skip
            writer.writerow(((prefix / name).as_posix(), labels.get(name, given) or ""))
    return None if inside else f"paths in the manifest are relative to {source}: read it with --image-root {source}"


def _walk(source: Path) -> tuple[list[Path], list[Path]]:
    """All folders and files below the source, relative to it, in order."""
    folders: list[Path] = []
    files: list[Path] = []
    above: dict[Path, tuple[Path, ...]] = {source: (source.resolve(), *source.resolve().parents)}
    for directory, below, names in os.walk(source, onerror=_cannot_list, followlinks=True):
        here = Path(directory)
        below.sort()
        for name in list(below):
            real = (here / name).resolve()
            if real in above[here]:  # a link to a folder above it, where walking on would never end
                below.remove(name)
                continue
            above[here / name] = (*above[here], real)
            folders.append((here / name).relative_to(source))
        files += [(here / name).relative_to(source) for name in sorted(names)]
    return folders, files


def _cannot_list(error: OSError) -> None:
    raise InputError(f"cannot list {error.filename}: {error.strerror}")


def _text(path: Path) -> str:
    """A path as ids have it."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _folded(path: Path) -> str:
    """The same for two names that are one on some file system."""
    return unicodedata.normalize("NFC", _text(path)).casefold()


def _free(path: Path, taken: set[str]) -> Path:
    """The path, or the next one like it that is free."""
    candidate, number = path, 0
    while _folded(candidate) in taken:
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def _put(file: Path, target: Path, mode: Mode) -> None:
    if target.is_symlink() or target.exists():
        raise FileExistsError(errno.EEXIST, "exists", str(target))
    if not file.exists():  # a link to nothing: an unreadable row, which the copy has, too
        target.symlink_to(file.readlink())
    elif not file.is_file():
        raise InputError(f"{file} is neither a file nor a folder: leave it out of the dataset")
    elif mode == "copy":
        shutil.copy2(file, target)
    elif mode == "symlink":
        target.symlink_to(file.absolute())
    else:
        try:
            target.hardlink_to(file.resolve())
        except OSError as error:
            raise InputError(f"--mode hardlink: no link can be made from {file} to {target.parent}: "
                             f"{error.strerror}; use --mode copy")  from error  # fmt: skip
