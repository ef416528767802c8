"""Whatever the user names → a `Dataset`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from labelaudit.config import SourceConfig
from labelaudit.data.dataset import HUB, Dataset
from labelaudit.data.folder import open_folder
from labelaudit.data.table import open_table, vectors_of
from labelaudit.data.table_files import TABLE_SUFFIXES
from labelaudit.errors import InputError


def load_dataset(source: object, config: SourceConfig | None = None) -> Dataset:
    """Open a dataset.

    Args:
        source: An image folder; a table (CSV, TSV, JSON lines, Parquet) of images, texts, cells or vectors; a folder
            written by Hugging Face's `save_to_disk`, or `hf:owner/name` of its hub; in Python also a DataFrame, a
            `datasets.Dataset`, a torch dataset, or a pair (inputs, labels) of arrays.
        config: Column names and the like; guessed where None.

    Raises:
        InputError: There is nothing usable there; the message says what is wrong and what to do.

    Example:
        >>> dataset = load_dataset("sample_data/train")
        >>> dataset.kind, len(dataset), dataset.classes[:3]
        ('image folder', 600, ('0', '1', '2'))
    """
    config = config or SourceConfig()
    dataset = _open(source, config)
    return dataset if config.vectors is None else _with_vectors(dataset, config.vectors)


def _open(source: object, config: SourceConfig) -> Dataset:
    if not isinstance(source, (str, Path)):
        from labelaudit.data.memory import dataset_in_memory

        return dataset_in_memory(source, config)
    check_source(source)
    from labelaudit.data import hugging_face  # takes a second to import, and a wrong name need not wait for it

    if str(source).startswith(HUB):
        return hugging_face.open_hub(str(source), config)
    path = Path(source)
    if path.is_dir():
        return hugging_face.open_saved(path, config) if hugging_face.is_saved(path) else open_folder(path)
    return open_table(path, config)


def check_source(source: str | Path) -> None:
    """Make sure that there is something that may be a dataset, without looking into it.

    Raises:
        InputError: There is not.
    """
    path = Path(source)
    if str(source).startswith(HUB) or path.is_dir():
        return
    if not path.exists():
        raise InputError(f"{path} does not exist (for a dataset of the Hugging Face hub, write hf:{path.as_posix()})")
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise InputError(f"{path} is neither a folder of images nor a table ({', '.join(sorted(TABLE_SUFFIXES))})")


def _with_vectors(dataset: Dataset, path: Path) -> Dataset:
    """The rows of a dataset with vectors of another file in place of what they consist of."""
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"--vectors: cannot read {path}: {error}") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or not np.issubdtype(values.dtype, np.number):
        raise InputError(f"--vectors: {path} is not an array of numbers with two axes, rows and numbers")
    if len(values) != len(dataset):
        raise InputError(f"--vectors: {path} has {len(values)} rows, {dataset.source} has {len(dataset)}")
    content, problems = vectors_of(values.astype(np.float32))
    return replace(dataset, content=content, problems=problems, kind=f"vectors of {dataset.kind}")
