"""An image folder: one sub-folder for each class, images anywhere below it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from labelaudit.config import SourceConfig
from labelaudit.data.column_names import LABEL_NAMES, PATH_NAMES, find, first_of
from labelaudit.data.content import EncodedImages
from labelaudit.data.dataset import Dataset
from labelaudit.data.image_files import IMAGE_SUFFIXES, endings, is_image_file
from labelaudit.data.splits_by_name import are_splits, split_of
from labelaudit.data.table import dataset_of
from labelaudit.data.table_files import read_table
from labelaudit.data.walking import roots_of, walk
from labelaudit.errors import InputError
from labelaudit.runtime.regular_files import read_regular
from labelaudit.units import format_count, listed

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")  # as Hugging Face's image folders have it


def open_folder(folder: Path, config: SourceConfig | None = None) -> Dataset:
    """List the images of a folder, sorted by path; the first folder below it is an image's class.

    Images that lie in no class folder are kept, unlabelled. Hidden files and folders are left out. Each real folder is
    read once; links are followed while they stay inside, or lead into `config.image_root`. A metadata.csv with labels,
    as Hugging Face's image folders have it, is used.

    Raises:
        InputError: There are no class folders with images in them, they look like splits, or a link to a folder leads
            outside.
    """
    config = config or SourceConfig()
    if (metadata := metadata_file(folder)) is not None and (dataset := _with_metadata(folder, metadata, config)):
        return dataset
    inside = roots_of(folder, config.image_root)
    found = walk(folder, inside, hidden=False)
    files, others = _sorted_out(folder, found.files, inside)
    parts = [file.relative_to(folder).parts for file in files]
    folders = [_utf8(part[0]) if len(part) > 1 else None for part in parts]
    classes = {label for label in folders if label is not None}
    if not files:
        raise InputError(
            f"no images in {folder}: expected one folder for each class with "
            f"{', '.join(sorted(IMAGE_SUFFIXES))} files in it" + _others_in(others)
        )
    if not classes:
        raise InputError(f"no class folders in {folder}: its {len(files)} images lie side by side, so none has a label")
    if are_splits(classes):
        first = min(classes, key=lambda name: (split_of(name) != "train", name))
        raise InputError(
            f"the folders in {folder} look like splits, not classes ({', '.join(sorted(classes))}): name one of them, "
            f"for example {folder / first}, and a test set with `test`"
        )
    below = {part[1] for part in parts if len(part) > 2}
    if len(classes) == 1 and len(below) > 1:
        first = next(iter(classes))
        raise InputError(
            f"all images in {folder} are below one folder, {first!r}, which has folders for classes "
            f"({listed(sorted(below), 5)}): name {folder / first}"
        )
    if unknown := sorted(classes - set(config.classes or classes)):
        raise InputError(f"{folder}: the class folder {unknown[0]!r} is none of `classes`")
    notes = [f"{format_count(len(others), 'other file')} left out ({endings(others)})"] if others else []
    notes += (
        [f"{format_count(folders.count(None), 'image')} in no class folder: kept as unlabelled"]
        if None in folders
        else []
    )
    if found.repeated:
        link, place = next(iter(found.repeated.items()))
        many = format_count(len(found.repeated), "link")
        notes.append(f"{many} to folders left out, as {link}: it leads to {place}, whose files are there already")
    return Dataset(
        source=str(folder),
        kind="image folder",
        ids=tuple(_utf8("/".join(part)) for part in parts),
        labels=tuple(folders),
        problems=(None,) * len(files),
        content=EncodedImages(lambda row: read_regular(files[row], inside)),
        notes=tuple(notes),
        settings=config,
    )


def is_image_folder(folder: Path, inside: Sequence[Path]) -> bool:
    """Whether a folder holds images anywhere, by the files' endings; see `walk`."""
    return any(file.suffix.lower() in IMAGE_SUFFIXES for file in walk(folder, inside, hidden=False).files)


def metadata_file(folder: Path) -> Path | None:
    """The table beside the images of a folder that says more about them."""
    places = (folder / name for name in METADATA)
    return next((place for place in places if place.is_file() and not place.is_symlink()), None)


def _with_metadata(folder: Path, metadata: Path, config: SourceConfig) -> Dataset | None:
    """The images with the labels of the table beside them; None if it has no labels or names no images."""
    found = read_table(metadata, config)
    names = found.table.column_names
    label = config.label_column or first_of(names, LABEL_NAMES)
    if label is None or find(names, label) is None or first_of(names, PATH_NAMES) is None:
        return None
    dataset = dataset_of(
        found.table,
        str(folder),
        (config.image_root or folder,),
        config,
        (*found.notes, f"labels are those of {metadata.name}"),
    )
    images = [
        str(file)
        for file in walk(folder, roots_of(folder, config.image_root), hidden=False).files
        if file.suffix.lower() in IMAGE_SUFFIXES
    ]
    unnamed = sorted({*images} - {str(Path(name)) for name in dataset.ids})
    if unnamed and config.image_root is None and dataset.settings.id_column == dataset.settings.image_column:
        many = format_count(len(unnamed), "image that", "images that")
        note = f"{many} {metadata.name} does not name: left out ({listed(unnamed, 3)})"
        dataset = replace(dataset, notes=(*dataset.notes, note))
    return replace(dataset, kind="image folder with metadata")


def _sorted_out(folder: Path, found: Sequence[Path], inside: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The images among some files, sorted by path, and the others."""
    files: list[Path] = []
    others: list[Path] = []
    for file in found:
        (files if is_image_file(folder / file, inside) else others).append(folder / file)
    files.sort(key=lambda file: file.relative_to(folder).parts)
    return files, others


def _others_in(others: list[Path]) -> str:
    return f" (it holds {format_count(len(others), 'file')} of other kinds: {endings(others)})" if others else ""


def _utf8(name: str) -> str:
    """A file name as valid text; bytes that are not UTF-8 become backslash escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
