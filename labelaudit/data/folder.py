"""An image folder: one sub-folder for each class, images anywhere below it."""

from __future__ import annotations

import os
from pathlib import Path

from labelaudit.data.content import EncodedImages
from labelaudit.data.dataset import Dataset
from labelaudit.errors import InputError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
SPLIT_NAMES = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev"})


def open_folder(folder: Path) -> Dataset:
    """List the images of a folder, sorted by path; the first folder below it is an image's class.

    Images that lie in no class folder are kept, unlabelled. Hidden files and folders are left out.

    Raises:
        InputError: There are no class folders with images in them, or they look like splits.
    """
    files: list[Path] = []
    others = 0
    for directory, folders, names in os.walk(folder, onerror=_cannot_list, followlinks=True):
        folders[:] = sorted(name for name in folders if not _hidden(name) and not _is_loop(Path(directory) / name))
        for name in names:
            if Path(name).suffix.lower() in IMAGE_SUFFIXES and not _hidden(name):
                files.append(Path(directory) / name)
            else:
                others += not _hidden(name)
    files.sort(key=lambda file: file.relative_to(folder).parts)
    parts = [file.relative_to(folder).parts for file in files]
    labels = tuple(_utf8(part[0]) if len(part) > 1 else None for part in parts)
    classes = {label for label in labels if label is not None}
    if not files:
        raise InputError(
            f"no images in {folder}: expected one folder for each class with "
            f"{', '.join(sorted(IMAGE_SUFFIXES))} files in it"
            + (f" (it holds {others} files of other kinds)" if others else "")
        )
    if not classes:
        raise InputError(f"no class folders in {folder}: its {len(files)} images lie side by side, so none has a label")
    if classes <= {name for name in classes if name.lower() in SPLIT_NAMES}:
        first = min(classes, key=lambda name: "train" not in name.lower())
        raise InputError(
            f"the folders in {folder} look like splits, not classes ({', '.join(sorted(classes))}): name one of them, "
            f"for example {folder / first}, and a test set with --test"
        )
    unlabelled = labels.count(None)
    notes = [f"{others} other files left out"] * bool(others)
    notes += [f"{unlabelled} images in no class folder: kept as unlabelled"] * bool(unlabelled)
    return Dataset(
        source=str(folder),
        kind="image folder",
        ids=tuple(_utf8("/".join(part)) for part in parts),
        labels=labels,
        problems=(None,) * len(files),
        content=EncodedImages(lambda row: files[row].read_bytes()),
        notes=tuple(notes),
    )


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_loop(folder: Path) -> bool:
    """Whether a link leads back to a folder above it, where walking on would never end."""
    return folder.is_symlink() and folder.resolve() in [parent.resolve() for parent in folder.parents]


def _cannot_list(error: OSError) -> None:
    raise InputError(f"cannot list {error.filename}: {error.strerror}")


def _utf8(name: str) -> str:
    """A file name as valid text; bytes that are not UTF-8 become backslash escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
