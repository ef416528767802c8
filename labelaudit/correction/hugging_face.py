"""A corrected copy of what Hugging Face's `save_to_disk` wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets

from labelaudit.errors import InputError


def write_corrected_saved(
    source: Path, out: Path, split: str | None, column: str, labels: Mapping[int, str | None]
) -> None:
    """Save the dataset again, with other labels in some rows; other splits and columns stay as they are.

    Args:
        source: The folder it is in.
        out: The folder to write.
        split: The part the rows are of, None if there are no parts.
        column: Of the labels.
        labels: The new class name of a row, by its number; None if it is left out.

    Raises:
        InputError: A new class is not among the names the column's ClassLabel knows, or no number as the others are.
    """
    loaded = datasets.load_from_disk(str(source))
    if split is None:
        corrected = _corrected(loaded, column, labels, source)
    else:
        changed = _corrected(loaded[split], column, labels, source)
        corrected = datasets.DatasetDict(dict(loaded.items()) | {split: changed})
    with _no_bars():
        corrected.save_to_disk(str(out))


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep the library from drawing progress bars of its own."""
    disabled = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not disabled:
            datasets.enable_progress_bars()


def _corrected(part: Any, column: str, labels: Mapping[int, str | None], source: Path) -> Any:
    feature = part.features[column]
    values = list(part.with_format(None)[column])
    for row, label in labels.items():
        values[row] = values[row] if label is None else _value(feature, label, column, source)
    changed = part.remove_columns([column]).add_column(column, values, feature=feature)
    changed = changed.select_columns(part.column_names)
    kept = [row for row in range(len(values)) if labels.get(row, "") is not None]
    return changed if len(kept) == len(values) else changed.select(kept)


def _value(feature: Any, label: str, column: str, source: Path) -> Any:
    if isinstance(feature, datasets.ClassLabel):
        if label not in feature.names:
            raise InputError(
                f"{source}: its column {column!r} knows the classes {', '.join(feature.names[:20])}, not {label!r}"
            )
        return feature.names.index(label)
    if str(feature.dtype).endswith("string"):
        return label
    try:
        return {"True": True, "False": False}[label] if feature.dtype == "bool" else int(label)
    except (KeyError, ValueError) as error:
        raise InputError(f"{source}: its column {column!r} holds {feature.dtype}, which {label!r} is not") from error
