"""Manifests whose images are named without their ending or folder: found if one folder has them all."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from labelaudit.data.cells import is_text
from labelaudit.data.column_names import PATH_NAMES, key_of
from labelaudit.data.image_files import IMAGE_SUFFIXES
from labelaudit.data.unfit_features import is_id_name
from labelaudit.errors import InputError

PATH_COLUMN = "image_path"
MOST_COLUMNS = 3  # of a table that is nothing but a manifest


def with_image_paths(table: pa.Table, root: Path, where: str) -> tuple[pa.Table, str]:
    """The table with a column of image paths, if the ids of its rows are names of images without their ending.

    Args:
        table: The rows; a table of more than an id, a label and one more column is left as it is.
        root: The folder that images lie in, or in folders of which.
        where: What to call the table.

    Returns:
        The table, and what was found, in words; nothing where its ids name no images.

    Raises:
        InputError: The ids name images in several folders, or in one that lacks some.
    """
    if table.num_columns > MOST_COLUMNS or PATH_COLUMN in table.column_names:
        return table, ""
    columns = {column: values for column in table.column_names if (values := _names(table, column))}
    images = _stems(root) if columns else {}
    for column, values in columns.items():
        found = {place: values & stems for place, stems in images.items() if values & stems}
        whole = [place for place, names in found.items() if len(names) == len(values)]
        if len(whole) == 1:
            folder, suffix = whole[0]
            shown = (folder / f"*{suffix}").relative_to(root).as_posix()
            beside = folder.relative_to(root)
            paths = [
                None if name is None else (beside / f"{name}{suffix}").as_posix() for name in _cells(table, column)
            ]
            named = table.append_column(PATH_COLUMN, pa.array(paths, pa.string()))
            return named, f"the names in column {column!r} are those of images, {shown}"
        if len(whole) > 1:
            places = " and ".join(str(folder / f"*{suffix}") for folder, suffix in whole[:3])
            raise InputError(f"{where}: the names in column {column!r} are those of {places}; name one as `image_root`")
        if found and 2 * len(max(found.values(), key=len)) > len(values):
            (folder, suffix), names = max(found.items(), key=lambda one: len(one[1]))
            missing = sorted(values - names)
            raise InputError(
                f"{where}: column {column!r} names {len(names):,} images {folder / f'*{suffix}'}, but "
                f"{len(missing):,} are not there, such as {missing[0]!r}; correct them or name another `image_root`"
            )
    return table, ""


def _names(table: pa.Table, column: str) -> set[str]:
    """The values of a column, if its name says that they may be ids or files; without those that are empty."""
    if key_of(column) not in PATH_NAMES and not is_id_name(column):
        return set()
    return {name for name in _cells(table, column) if name is not None}


def _cells(table: pa.Table, column: str) -> list[str | None]:
    kind = table.field(column).type
    if not (is_text(kind) or pa.types.is_integer(kind)):
        return []
    cells = (None if cell is None else str(cell).strip() for cell in table[column].to_pylist())
    return [cell or None for cell in cells]


def _stems(root: Path) -> dict[tuple[Path, str], set[str]]:
    """Names of the images in a folder and in those directly in it, by folder and ending."""
    found: dict[tuple[Path, str], set[str]] = {}
    for folder in (root, *sorted(path for path in _inside(root) if path.is_dir() and not path.is_symlink())):
        for file in _inside(folder):
            if file.suffix.lower() in IMAGE_SUFFIXES:
                found.setdefault((folder, file.suffix), set()).add(file.stem)
    return found


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # a folder that may not be looked into has no images to us
        return []
