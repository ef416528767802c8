"""Known true labels, where there are some."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from labelaudit.data.table_files import read_table
from labelaudit.errors import InputError
from labelaudit.runtime.regular_files import require_regular

ID_COLUMNS = ("path", "id")
LABEL_COLUMNS = ("true_label", "label")
DECISION = "decision"  # a column of decisions.csv, which says what is true by a decision, the label then and a new one


def read_truth(path: Path, ids: tuple[str, ...], classes: tuple[str, ...]) -> tuple[str | None, ...]:
    """The true label of each id, None where the file does not know it.

    Args:
        path: A table with a column `path` (or `id`) and a column `true_label` (or `label`); or decisions.csv, as
            report.html exports it.
        ids: The dataset's ids, in its order.
        classes: The dataset's class names.

    Raises:
        InputError: A column is missing, an id is given twice, a label is no class of the dataset, or no id of the
            dataset is in the file.
    """
    require_regular(path, "known")
    table = read_table(path).table
    keys = _column(table, ID_COLUMNS, path)
    labels = _decided(table, path) if DECISION in table.column_names else _column(table, LABEL_COLUMNS, path)
    known: dict[str | None, str | None] = {}
    for row, (key, label) in enumerate(zip(keys, labels, strict=True)):
        if key in known:
            raise InputError(f"{path}, row {row}: id {key!r} is given twice")
        if label not in classes and not (label is None and DECISION in table.column_names):
            raise InputError(f"{path}, row {row}: {label!r} is no class of the dataset ({', '.join(classes[:20])})")
        known[key] = label
    truth = tuple(known.get(row_id) for row_id in ids)
    if not any(label is not None for label in truth):
        raise InputError(
            f"{path} names none of the dataset's ids; it has for example {next(iter(known), None)!r}, the "
            f"dataset {ids[0]!r}"
        )
    return truth


def _column(table: pa.Table, names: tuple[str, ...], path: Path) -> list[str | None]:
    column = next((name for name in names if name in table.column_names), None)
    if column is None:
        raise InputError(
            f"{path} has no column {' or '.join(map(repr, names))}; it has: " + ", ".join(table.column_names)
        )
    return [None if value is None else str(value) for value in table[column].to_pylist()]


def _decided(table: pa.Table, path: Path) -> list[str | None]:
    """The true label by each decision, None where it says none: unsure, or that the row is of no class."""
    decisions, then, new = (_column(table, (name,), path) for name in (DECISION, "label", "new_label"))
    found: list[str | None] = []
    for row, (word, label, new_label) in enumerate(zip(decisions, then, new, strict=True)):
        decision = (word or "").strip().lower()
        if decision not in ("keep", "accept", "relabel", "unsure", "drop"):
            raise InputError(
                f"{path}, row {row}: the decision {word!r} is none of accept, keep, unsure, relabel, drop",
                option="known",
            )
        if decision in ("accept", "relabel") and not new_label:
            raise InputError(f"{path}, row {row}: {decision} without a new_label", option="known")
        found.append({"keep": label, "accept": new_label, "relabel": new_label}.get(decision))
    return found
