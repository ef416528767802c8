"""Known true labels, where there are some."""

from __future__ import annotations

from pathlib import Path

from labelaudit.data.table_files import read_table
from labelaudit.errors import InputError

ID_COLUMNS = ("path", "id")
LABEL_COLUMNS = ("true_label", "label")


def read_truth(path: Path, ids: tuple[str, ...], classes: tuple[str, ...]) -> tuple[str | None, ...]:
    """The true label of each id, None where the file does not know it.

    Args:
        path: A table with a column `path` (or `id`) and a column `true_label` (or `label`).
        ids: The dataset's ids, in its order.
        classes: The dataset's class names.

    Raises:
        InputError: A column is missing, an id is given twice, a label is no class of the dataset, or no id of the
            dataset is in the file.
    """
    if not path.is_file():
        raise InputError(f"--known: {path} does not exist")
    table = read_table(path)
    columns = []
    for names in (ID_COLUMNS, LABEL_COLUMNS):
        column = next((name for name in names if name in table.column_names), None)
        if column is None:
            raise InputError(f"{path} has no column {' or '.join(map(repr, names))}; it has: "
                             + ", ".join(table.column_names))  # fmt: skip
        columns.append([None if value is None else str(value) for value in table[column].to_pylist()])
    known: dict[str | None, str | None] = {}
    for row, (key, label) in enumerate(zip(*columns, strict=True)):
        if key in known:
            raise InputError(f"{path}, row {row}: id {key!r} is given twice")
        if label not in classes:
            raise InputError(f"{path}, row {row}: {label!r} is no class of the dataset ({', '.join(classes[:20])})")
        known[key] = label
    truth = tuple(known.get(row_id) for row_id in ids)
    if not any(label is not None for label in truth):
        raise InputError(f"{path} names none of the dataset's ids; it has for example {next(iter(known), None)!r}, the "
                         f"dataset {ids[0]!r}")  # fmt: skip
    return truth
