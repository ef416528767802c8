"""`apply`: decisions about a report's rows → a corrected copy of the dataset."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labelaudit.config import SourceConfig
from labelaudit.correction.decisions import Decided, escape_formula, read_decisions, write_decisions
from labelaudit.correction.folders import write_corrected_folder, write_manifest
from labelaudit.correction.replacing import COPY, put_in_place, staging_of
from labelaudit.correction.side_files import changes_of, decisions_of
from labelaudit.correction.tables import write_corrected_table
from labelaudit.data.dataset import HUB, Dataset, content_hash
from labelaudit.data.hashing import content_bytes
from labelaudit.data.sources import is_saved, load_dataset
from labelaudit.data.table_files import table_endings, table_suffix
from labelaudit.data.text_files import compression_of
from labelaudit.errors import InputError
from labelaudit.report.report import Report
from labelaudit.types import Mode
from labelaudit.units import format_count, listed

CHANGED_SINCE = "the dataset has changed since the report: audit it again"


@dataclass(frozen=True)
class LabelChange:
    """A label that is another one in the copy.

    Attributes:
        id: The row's id in the report.
        row: Its number there.
        old_label: Its label there; None if it had none.
        new_label: Its label in the copy; None if it is not there.
        decision: `accept`, `relabel`, `drop`, `drop-copies` or `drop-near-copies`.
        score: The report's probability that the old label is wrong; None if the row was not scored.
        new_id: Its id in the copy: another one if its file was moved, none if it is not there.
    """

    id: str
    row: int
    old_label: str | None
    new_label: str | None
    decision: str
    score: float | None
    new_id: str | None


@dataclass(frozen=True)
class AppliedChanges:
    """What was done.

    Attributes:
        source: The dataset, which is as it was.
        out: The corrected copy.
        changelog: A CSV with the changes, beside it.
        reviewed: A CSV with all decisions, beside it, for later audits of the copy.
        rows: How many rows the copy has.
        changes: The changes, in the dataset's order.
        decisions: How many decisions there are of each kind.
        notes: What the user should know.
    """

    source: Path
    out: Path
    changelog: Path
    reviewed: Path
    rows: int
    changes: tuple[LabelChange, ...]
    decisions: dict[str, int]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        paths = {
            "source": str(self.source),
            "out": str(self.out),
            "changelog": str(self.changelog),
            "reviewed": str(self.reviewed),
        }
        return asdict(self) | paths | {"changes": [asdict(change) for change in self.changes]}


Labels = dict[int, str | None]
"""New labels by row; None for a row that is left out."""
# writes the corrected copy of a dataset to a path; returns ids that are new in it, and notes
_Write = Callable[[Dataset, Path, Labels], tuple[dict[str, str], list[str]]]


def apply_decisions(
    report: Report,
    decisions: Path,
    out: Path,
    source: Path | None = None,
    mode: Mode = "copy",
    manifest: bool = False,
    new_classes: bool = False,
    overwrite: bool = False,
) -> AppliedChanges:
    """Write a copy of a dataset with the labels that were decided on, and a list of the changes beside it.

    The dataset itself is only read. Nothing appears at `out` before it is whole. Where no decision changes a label, the
    copy is written nevertheless, so that whatever comes next finds it.

    Args:
        report: The audit.
        decisions: A CSV with columns `id` and `decision` (accept, keep, unsure, relabel, drop, and those on all
            copies of a row, see `docs/review.md`) and others, see
            `read_decisions`. Rows that are dropped are not in the copy.
        out: Where the copy goes: a folder for an image folder, a file of the same format for a table.
        source: Where the dataset is, if it is no longer where the report says.
        mode: For image folders, whether files are copied, hard links or symbolic links.
        manifest: For image folders, write a CSV (path, label) to `out` that points to the original files instead.
        new_classes: Allow labels that are no class of the report.
        overwrite: Replace an earlier copy at `out`.

    Raises:
        InputError: The decisions do not go with the report or the dataset, the dataset is not as it was, or `out` is
            taken or in the way.
    """
    decided = read_decisions(decisions, report, new_classes, drops=True)
    config = SourceConfig.model_validate(report.metadata["config"]["source"])
    path = _find_source(report, source)
    folder = path.is_dir() and not manifest
    changelog, reviewed = changes_of(out, folder=folder), decisions_of(out, folder=folder)
    beside = (changelog, reviewed)
    if decisions.resolve() == reviewed.resolve():
        raise InputError(f"{decisions} is where the decisions beside the copy go: give it another name")
    write = _writer(path, out, config, mode, manifest)
    _check_out(path, out, beside, overwrite)
    dataset = load_dataset(path, config)
    _check_unchanged(report, dataset, decided)

    changing = [row for row in decided if row.says_wrong or row.drops]
    labels: Labels = {row.row: row.new_label for row in changing}
    dropped = sum(label is None for label in labels.values())
    if dropped == len(dataset):
        raise InputError("every row is dropped: nothing would be left", option="decisions")
    with staging_of(out, beside) as staging:
        _check_out(path, out, beside, overwrite)  # again: a killed process's copy may have been put in place
        new_ids, notes = write(dataset, staging / COPY / out.name, labels)
        changes = tuple(
            LabelChange(
                row.id,
                row.row,
                row.label,
                row.new_label,
                row.decision,
                row.score,
                new_ids.get(row.id, row.id) if row.new_label is not None else None,
            )
            for row in changing
        )
        _write_changelog(staging / changelog.name, changes)
        write_decisions(staging / reviewed.name, decided, new_ids)
        put_in_place(staging, out, beside)
    unchanged = sum(row.drops or row.decision in ("accept", "relabel") for row in decided) - len(changing)
    if unchanged:
        notes.append(f"{format_count(unchanged, 'decision')} for the label that the row has already")
    counts = Counter(row.decision for row in decided)
    rows = len(dataset) - dropped
    return AppliedChanges(path, out, changelog, reviewed, rows, changes, dict(counts), tuple(notes))


def _find_source(report: Report, source: Path | None) -> Path:
    named = str(report.metadata["source"]["path"])
    if source is None and named.startswith(HUB):
        raise InputError(
            f"{named} is on the Hugging Face hub and cannot be corrected: save it with save_to_disk and "
            "audit that folder"
        )
    path = Path(named) if source is None else source
    if not path.exists():
        if source is not None:
            raise InputError(f"{path} does not exist", option="source")
        raise InputError(f"{path}, which the report is about, does not exist: name it with `source`")
    return path


def _writer(path: Path, out: Path, config: SourceConfig, mode: Mode, manifest: bool) -> _Write:
    """How a copy of this kind of dataset is written."""
    if path.is_dir() and not is_saved(path):
        if config.label_column is not None:  # the labels are not the folders' names
            raise InputError(
                f"{path} cannot be corrected: its labels are in a table in it; audit that table by its own name, for "
                "example metadata.csv or one of the Parquet files"
            )
        return _manifest_writer(path, out, config) if manifest else _folder_writer(path, mode, config)
    if manifest or mode != "copy":
        option = "manifest" if manifest else "mode"
        raise InputError(f"`{option}` is for image folders, and {path} is none: use `out` alone")
    if table_suffix(path) is not None and path.is_file():
        return _table_writer(path, out, config)
    if path.is_dir():
        return _saved_writer(path, config)
    raise InputError(
        f"{path} cannot be corrected: only image folders, saved Hugging Face datasets and tables "
        f"({table_endings()}) can"
    )


def _folder_writer(path: Path, mode: Mode, config: SourceConfig) -> _Write:
    def write(dataset: Dataset, staged: Path, labels: Labels) -> tuple[dict[str, str], list[str]]:
        new_ids = write_corrected_folder(path, staged, _by_id(dataset, labels), mode, config.image_root)
        renamed = [name for name, new in new_ids.items() if Path(name).name != Path(new).name]
        notes = []
        if renamed:
            notes.append(f"renamed, as the new folder has such a file already: {listed(renamed, 3)}")
        if mode == "symlink":
            notes.append(f"its files are links to those of {path}: read it with `image_root` {path}")
        return new_ids, notes

    return write


def _manifest_writer(path: Path, out: Path, config: SourceConfig) -> _Write:
    if out.suffix.lower() != ".csv":
        raise InputError(f"{out} is to be a .csv", option="manifest")

    def write(dataset: Dataset, staged: Path, labels: Labels) -> tuple[dict[str, str], list[str]]:
        return {}, write_manifest(path, staged, _by_id(dataset, labels), out.parent, config.image_root)

    return write


def _by_id(dataset: Dataset, labels: Labels) -> dict[str, str | None]:
    return {dataset.ids[row]: label for row, label in labels.items()}


def _table_writer(path: Path, out: Path, config: SourceConfig) -> _Write:
    column = config.label_column
    assert column is not None  # a report's configuration has nothing left to guess
    ending = "".join(path.suffixes[-1 - bool(compression_of(path)) :])
    if not out.name.lower().endswith(ending.lower()):
        raise InputError(f"{out} is to have the format of {path.name}, so a name that ends in {ending}", option="out")

    def write(dataset: Dataset, staged: Path, labels: Labels) -> tuple[dict[str, str], list[str]]:
        write_corrected_table(path, staged, column, labels, config)
        by_path = dataset.kind == "manifest" and config.image_root is None
        moved = by_path and out.parent.resolve() != path.parent.resolve()
        note = f"image paths in it are relative to {path.parent}: read it with `image_root` {path.parent}"
        return {}, [note] if moved else []

    return write


def _saved_writer(path: Path, config: SourceConfig) -> _Write:
    column = config.label_column
    assert column is not None  # a report's configuration has nothing left to guess
    from labelaudit.correction.hugging_face import write_corrected_saved  # not needed for other data

    def write(dataset: Dataset, staged: Path, labels: Labels) -> tuple[dict[str, str], list[str]]:
        write_corrected_saved(path, staged, config.split, column, labels)
        return {}, []

    return write


def _check_out(source: Path, out: Path, beside: Sequence[Path], overwrite: bool) -> None:
    """Make sure that writing there destroys nothing."""
    here, there = source.resolve(), out.resolve()
    if here == there or (out.exists() and out.samefile(source)):
        raise InputError(f"{out} is the dataset itself, which stays as it is", option="out")
    if there.is_relative_to(here) or here.is_relative_to(there):
        raise InputError(f"{out} and the dataset {source} must not lie in each other", option="out")
    changelog = beside[0]
    if changelog.resolve().is_relative_to(here):
        raise InputError(f"{changelog} would lie in the dataset {source}", option="out")
    if not out.parent.is_dir():
        raise InputError(f"the folder {out.parent} does not exist", option="out")
    taken = [path for path in (out, *beside) if path.exists() or path.is_symlink()]
    if taken and not overwrite:
        raise InputError(f"{taken[0]} exists; choose another name, or replace it with `overwrite`", option="out")
    ours = out.is_file() or (out.is_dir() and changelog.is_file())
    if out.is_symlink() or (out.exists() and not ours):
        raise InputError(
            f"{out} was not written by labelaudit apply ({changelog.name} is not beside it): remove it yourself",
            option="overwrite",
        )


def _check_unchanged(report: Report, dataset: Dataset, decided: tuple[Decided, ...]) -> None:
    """Make sure that the dataset is the report's, and that the rows decided on are as they were."""
    ids = report.table["id"].to_pylist()
    if list(dataset.ids) != ids:
        before, now = set(ids), set(dataset.ids)
        gone = next((f"{name!r} is gone" for name in ids if name not in now), None)
        new = next((f"{name!r} is new" for name in dataset.ids if name not in before), None)
        what = gone or new or "its rows are in another order"
        raise InputError(f"{dataset.source}: {what}; {CHANGED_SINCE}")
    for row in decided:
        where = f"{dataset.source}: {row.id!r} (row {row.row})"
        if dataset.labels[row.row] != row.label:
            raise InputError(
                f"{where} is labelled {dataset.labels[row.row]!r}, in the report {row.label!r}; " + CHANGED_SINCE
            )
        if row.content_hash is not None and _hash(dataset, row.row) != row.content_hash:
            raise InputError(f"{where} has other content than in the report; {CHANGED_SINCE}")


def _hash(dataset: Dataset, row: int) -> str | None:
    try:
        return None if dataset.problems[row] is not None else content_hash(content_bytes(dataset.content, row))
    except OSError:
        return None


def _write_changelog(path: Path, changes: tuple[LabelChange, ...]) -> None:
    names = list(LabelChange.__dataclass_fields__)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for change in changes:
            values = [getattr(change, name) for name in names]
            writer.writerow(escape_formula("" if value is None else str(value)) for value in values)
