"""Whatever the user names → a `Dataset`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from labelaudit.config import SourceConfig
from labelaudit.data.class_names import class_name_twins, twins_note
from labelaudit.data.content import Cells
from labelaudit.data.dataset import HUB, Dataset
from labelaudit.data.folder import is_image_folder, open_folder
from labelaudit.data.splits_by_name import TEST, TRAIN
from labelaudit.data.table import dataset_of, open_table, vectors_of
from labelaudit.data.table_columns import BareTableError
from labelaudit.data.table_files import read_folder, table_endings, table_suffix, tables_in
from labelaudit.data.walking import roots_of
from labelaudit.errors import InputError
from labelaudit.runtime.regular_files import require_regular
from labelaudit.types import checked

UNREAD = {
    (".zip", ".7z", ".rar"): "an archive, which is not read: unpack it, and name the folder",
    (
        ".tar",
        ".tar.gz",
        ".tgz",
        ".tar.zst",
        ".tar.bz2",
    ): "an archive, perhaps a WebDataset, which is not read: unpack it, "
    "sort its images into a folder for each class or name their labels in a table, and name that",
    (".xls", ".ods"): "a spreadsheet that is not read: save it as .xlsx or CSV",
    (
        ".pkl",
        ".pickle",
        ".pt",
        ".pth",
        ".joblib",
    ): "a file that would have to run code to be read: save the rows as Parquet or "
    "CSV, or give them to `labelaudit.scan` in Python",
    (".npy", ".npz"): "an array without labels: give it with a table of labels, as `vectors`, or both to "
    "`labelaudit.scan` in Python",
    (
        ".h5",
        ".hdf5",
        ".tfrecord",
        ".lmdb",
        ".db",
        ".sqlite",
    ): "a file of a kind that is not read: save the rows as Parquet or CSV",
}
"""What is refused, by its ending, and what to do."""


@checked
def load_dataset(source: object, config: SourceConfig | None = None, splits: tuple[str, ...] = TRAIN) -> Dataset:
    """Open a dataset.

    Args:
        source: An image folder; a table (CSV, TSV, JSON, Parquet, or a folder of them) of images, texts, cells
            or vectors; a folder written by Hugging Face's `save_to_disk`, or `hf:owner/name` of its hub; in Python also
            a data frame or table (pandas, Polars, Arrow, DuckDB), a `datasets.Dataset`, a torch dataset, or a pair
            (inputs, labels) of arrays.
        config: Column names and the like; guessed where None.
        splits: Which part of a dataset with several to take unless `config` says so, the preferred first.

    Returns:
        The rows, with their labels as names, in the source's order.

    Raises:
        InputError: There is nothing usable there; the message says what is wrong and what to do.

    Example:
        >>> dataset = load_dataset("sample_data/train")
        >>> dataset.kind, len(dataset), dataset.classes[:3]
        ('image folder', 600, ('0', '1', '2'))
    """
    config = config or SourceConfig()
    try:
        dataset = _open(source, config, splits)
    except BareTableError:
        if config.vectors is None:
            raise
        dataset = _open(source, config.model_copy(update={"feature_columns": (), "kind": "table"}), splits)
    if config.group_column is not None and not dataset.groups:
        raise InputError(f"{dataset.source} is no table, and has no columns", option="group_column")
    if (note := twins_note(class_name_twins(dataset.labels))) is not None:
        dataset = replace(dataset, notes=(*dataset.notes, note))
    return dataset if config.vectors is None else _with_vectors(dataset, config.vectors)


def load_test_set(source: object, audited: Dataset, config: SourceConfig) -> Dataset:
    """Open the trusted test set of a dataset.

    Of a saved dataset with several parts it takes `test` (or `validation`), whatever part is audited; tables have the
    columns of the audited one.

    Raises:
        InputError: There is nothing usable there, or it is the part that is audited.
    """
    columns = audited.settings.feature_columns if isinstance(audited.content, Cells) else config.feature_columns
    update = {"split": None, "feature_columns": columns, "group_column": None}
    test = load_dataset(source, config.model_copy(update=update), TEST)
    same = test.source == audited.source and isinstance(source, (str, Path))
    if same and test.settings.split == audited.settings.split:
        raise InputError(
            f"{source} is what is audited; name other data, or leave it out for the cross-audit", option="test"
        )
    return test


def load_other_splits(source: object, audited: Dataset, test: Dataset | None) -> list[Dataset]:
    """The other parts of a dataset with several, to see whether audited rows are in them, too.

    Those that cannot be read like the audited one are left out: nothing else depends on them.

    Args:
        source: Where the audited part is from.
        audited: That part.
        test: The test set, which is none of them; None without one.
    """
    columns = audited.settings.feature_columns if isinstance(audited.content, Cells) else None
    found = []
    for split in audited.other_splits:
        if test is not None and (test.source, test.settings.split) == (audited.source, split):
            continue
        update = {"split": split, "feature_columns": columns, "group_column": None, "vectors": None}
        try:
            part = load_dataset(source, audited.settings.model_copy(update=update))
        except InputError:
            continue
        if type(part.content) is type(audited.content):
            found.append(part)
    return found


def with_labels(inputs: object, labels: object) -> tuple[object, object]:
    """A dataset of inputs in memory and their labels.

    Raises:
        InputError: One of them is a path, the name of a column, or has no length.
    """
    if isinstance(inputs, (str, Path)):
        raise InputError(
            f"{inputs} is a dataset of its own: name the column of its labels with `label_column`; trusted data is "
            "`test`",
            option="labels",
        )
    if isinstance(labels, (str, Path)):
        raise InputError(
            f"give one label for each row, not {str(labels)!r}: a column is named with `label_column`, trusted data "
            "with `test`",
            option="labels",
        )
    if not hasattr(labels, "__len__") and not hasattr(labels, "shape"):
        raise InputError(f"give one label for each row, not {type(labels).__name__}", option="labels")
    return inputs, labels


def _open(source: object, config: SourceConfig, splits: tuple[str, ...]) -> Dataset:
    if not isinstance(source, (str, Path)):
        from labelaudit.data.memory import dataset_in_memory

        return dataset_in_memory(source, config, splits)
    check_source(source)
    if str(source).startswith(HUB):
        from labelaudit.data.hugging_face import open_hub  # not needed for other data

        return open_hub(str(source), config, splits)
    path = Path(source)
    if not path.is_dir():
        return open_table(path, config)
    if is_saved(path):
        from labelaudit.data.hugging_face import open_saved

        return open_saved(path, config, splits)
    inside = roots_of(path, config.image_root)
    if not is_image_folder(path, inside) and (files := tables_in(path, inside)):
        found = read_folder(path, files, config, splits)
        dataset = dataset_of(found.table, str(path), (config.image_root or path,), config, found.notes)
        settings = dataset.settings.model_copy(update={"split": found.split})
        return replace(dataset, settings=settings, other_splits=found.other_splits)
    return open_folder(path, config)


def is_saved(folder: Path) -> bool:
    """Whether Hugging Face's `save_to_disk` wrote this folder."""
    saved_dataset = (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    return saved_dataset or (folder / "dataset_dict.json").is_file()


def check_source(source: str | Path) -> None:
    """Make sure that there is something that may be a dataset, without looking into it.

    Raises:
        InputError: There is not.
    """
    path = Path(source)
    if not str(source).strip():
        raise InputError("the name of the dataset is empty: give a path; `.` is the working folder")
    if str(source).startswith(HUB):
        return
    if not _exists(path):
        raise InputError(f"{path} does not exist (for a dataset of the Hugging Face hub, write hf:{path.as_posix()})")
    if path.is_dir():
        return
    if table_suffix(path) is None:
        advice = next((text for endings, text in UNREAD.items() if path.name.lower().endswith(endings)), None)
        if advice is not None:
            raise InputError(f"{path} is {advice}")
        raise InputError(f"{path} is neither a folder of images nor a table ({table_endings()})")
    require_regular(path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError) as error:  # a name that is too long, links in a circle, a null byte
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _with_vectors(dataset: Dataset, path: Path) -> Dataset:
    """The rows of a dataset with vectors of another file in place of what they consist of."""
    require_regular(path, "vectors")
    try:
        values = np.load(path, allow_pickle=False)
    # A damaged header makes numpy raise whatever the parser of its Python literal raises, or ask for any memory.
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"cannot read {path}: {reason}", option="vectors") from error
    real = isinstance(values, np.ndarray) and np.issubdtype(values.dtype, np.number) and values.dtype.kind != "c"
    if not real or values.ndim != 2 or values.shape[1] == 0:
        raise InputError(f"{path} is not an array of numbers with two axes, rows and numbers", option="vectors")
    if len(values) != len(dataset):
        raise InputError(f"{path} has {len(values)} rows, {dataset.source} has {len(dataset)}", option="vectors")
    content, problems = vectors_of(values.astype(np.float32))
    return replace(dataset, content=content, problems=problems, kind=f"vectors of {dataset.kind}")
