"""A copy of an image folder with some files in other class folders, or a table that says so of the files in place."""

from __future__ import annotations

import csv
import errno
import math
import os
import shutil
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from labelaudit.config import SourceConfig
from labelaudit.correction.decisions import FORMULA_STARTS, escape_formula
from labelaudit.data.folder import open_folder
from labelaudit.data.walking import roots_of, walk
from labelaudit.errors import InputError
from labelaudit.runtime.regular_files import read_regular
from labelaudit.types import Mode

_NO_FILE = "is neither a file nor a folder: leave it out of the dataset"
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
        raise InputError(
            f"{label!r} cannot be the name of a class folder: a name has no slash, no control character, "
            f"no dot or blank before it, and at most {_LONGEST_NAME} bytes"
        )


def write_corrected_folder(
    source: Path, out: Path, labels: Mapping[str, str | None], mode: Mode, image_root: Path | None = None
) -> dict[str, str]:
    """Copy a folder, with some images in another class folder.

    An image whose name is taken where it goes gets a number: `new/a.png` becomes `new/a-1.png`.

    Args:
        source: The image folder; everything in it is copied, and nothing changed. Links to files and folders become
            what they lead to; further links to the same folder, and links to nothing, stay links.
        out: A folder that does not exist; its parent does.
        labels: Id of an image → the class folder it goes into, None if it is left out.
        mode: Whether files are copied, or are links to the originals.
        image_root: Another folder that links may lead into.

    Returns:
        Id of each moved image → its id in the copy.

    Raises:
        InputError: An id is not there, or is not one file alone; a label cannot be a folder's name; a link leads
            outside the source; or links cannot be made from there to here.
    """
    roots = roots_of(source, image_root)
    found = walk(source, roots, hidden=True)
    files = found.files
    for file in files:
        if (source / file).is_symlink() and not any((source / file).resolve().is_relative_to(root) for root in roots):
            raise InputError(
                f"{source / file} is a link that leads outside {source}: remove it, or name the folder it "
                "leads to with `image_root` and audit again"
            )
    known = {_text(folder): folder for folder in found.folders if len(folder.parts) == 1}
    targets = _targets(source, files, known, labels)
    out.mkdir()
    for folder in found.folders:
        (out / folder).mkdir(parents=True, exist_ok=True)
    dangling = {targets[file] for file in targets if not (source / file).exists()}
    try:
        for file, target in targets.items():
            (out / target.parent).mkdir(parents=True, exist_ok=True)
            if target not in dangling:
                _put(source / file, out / target, mode, roots)
        # Links come last: nothing can be written through them.
        for file, target in targets.items():
            if target in dangling:
                _link(out / target, (source / file).resolve(), roots[0], out)
        for link, place in found.repeated.items():
            _link(out / link, roots[0] / place, roots[0], out)
    except FileExistsError as error:
        raise InputError(f"a class folder cannot be made: {error.filename} is a file's name in {source}") from error
    return {name: _text(targets[file]) for file in targets if (name := _text(file)) in labels}


def _targets(
    source: Path, files: list[Path], known: Mapping[str, Path], labels: Mapping[str, str | None]
) -> dict[Path, Path]:
    """Where each file goes in the copy."""
    for label in (each for each in labels.values() if each is not None):
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
    dropped = {moved.pop(name) for name, label in labels.items() if label is None}
    moving = set(moved.values()) | dropped
    taken = {_folded(file) for file in files if file not in moving}
    targets = {file: file for file in files if file not in dropped}
    for name, file in moved.items():
        within = Path(*file.parts[1:]) if len(file.parts) > 1 else file
        folder = labels[name]
        assert folder is not None  # those are dropped
        target = _free(known.get(folder, Path(folder)) / within, taken)
        taken.add(_folded(target))
        targets[file] = target
    return targets


def write_manifest(
    source: Path, out: Path, labels: Mapping[str, str | None], home: Path, image_root: Path | None = None
) -> list[str]:
    """Write a CSV with `path` and `label` of every image, that points to the files where they are.

    Args:
        source: The image folder.
        out: The CSV, while it is written.
        labels: Id of an image → its corrected class, None if it is left out.
        home: The folder the CSV will be in.
        image_root: Another folder that links may lead into.

    Returns:
        What the reader of the CSV must know.

    Raises:
        InputError: The folder cannot be read, or a file's name is not UTF-8.
    """
    for label in (each for each in labels.values() if each is not None):
        check_folder_label(label)
    dataset = open_folder(source, SourceConfig(image_root=image_root))
    inside = source.resolve().is_relative_to(home.resolve())
    prefix = source.resolve().relative_to(home.resolve()) if inside else Path()
    renamed: set[str] = set()
    with out.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label"))
        for name, given in zip(dataset.ids, dataset.labels, strict=True):
            if not (source / name).is_file() and not (source / name).is_symlink():
                raise InputError(
                    f"{source}: the name of {name!r} is not UTF-8 and cannot be in a CSV: rename it, or "
                    "make a corrected copy with `out`"
                )
            path, written = (prefix / name).as_posix(), labels.get(name, given or "")
            if written is None:
                continue
            guarded = written if _is_number(written) else escape_formula(written)
            if guarded != written:
                renamed.add(written)
            writer.writerow((f"./{path}" if path.startswith(FORMULA_STARTS) else path, guarded))
    notes = [] if inside else [f"paths in the manifest are relative to {source}: read it with `image_root` {source}"]
    if renamed:
        named = ", ".join(sorted(renamed)[:3])
        notes.append(f"classes that a spreadsheet would run as formulas have an apostrophe before them: {named}")
    return notes


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


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


def _put(file: Path, target: Path, mode: Mode, roots: tuple[Path, ...]) -> None:
    if mode == "copy":
        _copy(file, target, roots)
    elif not file.is_file():
        raise InputError(f"{file} {_NO_FILE}")
    elif target.is_symlink() or target.exists():
        raise FileExistsError(errno.EEXIST, "exists", str(target))
    elif mode == "symlink":
        target.symlink_to(file.absolute())
    else:
        try:
            target.hardlink_to(file.resolve())
        except OSError as error:
            raise InputError(
                f"`mode` hardlink: no link can be made from {file} to {target.parent}: "
                f"{error.strerror}; use `mode` copy"
            ) from error


def _copy(file: Path, target: Path, roots: tuple[Path, ...]) -> None:
    """Copy a regular file, with times and mode, to one that is made here: no link on either side is followed out."""
    try:
        content = read_regular(file, roots)
    except OSError as error:
        what = _NO_FILE if not file.is_file() else f"cannot be read: {error.strerror or error}"
        raise InputError(f"{file} {what}") from error
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)), "wb") as made:  # noqa: PTH123  # with flags
        made.write(content)
    shutil.copystat(file, target)


def _link(link: Path, leads_to: Path, source: Path, out: Path) -> None:
    """Make a link in the copy to where the copy has what a link of the source leads to."""
    if not leads_to.is_relative_to(source):
        raise InputError(f"{link.name} is a link that leads outside {source}: remove it")
    if link.is_symlink() or link.exists():
        raise FileExistsError(errno.EEXIST, "exists", str(link))
    link.symlink_to(os.path.relpath(out / leads_to.relative_to(source), link.parent))
