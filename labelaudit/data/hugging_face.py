"""Hugging Face datasets: on disk (`save_to_disk`), from the hub, or in memory."""

from __future__ import annotations

from pathlib import Path

import datasets

from labelaudit.config import SourceConfig
from labelaudit.data.dataset import HUB, Dataset
from labelaudit.data.table import dataset_of
from labelaudit.errors import InputError

SAVED_DATASET, SAVED_DICT = "state.json", "dataset_dict.json"


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote this folder."""
    return (folder / SAVED_DICT).is_file() or (
        (folder / SAVED_DATASET).is_file() and (folder / "dataset_info.json").is_file()
    )


def open_saved(folder: Path, config: SourceConfig) -> Dataset:
    """Open what `save_to_disk` wrote.

    Raises:
        InputError: It is damaged, has no such split, or is no dataset of labelled rows.
    """
    try:
        loaded = datasets.load_from_disk(str(folder))
    # The library raises whatever the damaged files lead it to.
    except Exception as error:
        raise InputError(f"cannot read {folder} as a saved Hugging Face dataset: {_first_line(error)}") from error
    return dataset_of_hugging_face(loaded, str(folder), config)


def open_hub(name: str, config: SourceConfig) -> Dataset:
    """Download a dataset of the hub, `hf:owner/name` or `hf:owner/name:configuration`, or take it from the cache.

    Raises:
        InputError: It cannot be had, has no such split, or is no dataset of labelled rows.
    """
    path, _, configuration = name.removeprefix(HUB).partition(":")
    try:
        loaded = datasets.load_dataset(path, configuration or None, split=config.split)
    # The library raises whatever the network and the files lead it to.
    except Exception as error:
        raise InputError(f"cannot have {name} from the Hugging Face hub: {_first_line(error)}") from error
    return dataset_of_hugging_face(loaded, name, config.model_copy(update={"split": None}), config.split)


def dataset_of_hugging_face(loaded: object, source: str, config: SourceConfig, split: str | None = None) -> Dataset:
    """Make a dataset of one that the library has loaded.

    Args:
        loaded: A `datasets.Dataset`, or a `DatasetDict` of which `config.split` names a part.
        source: What to call it.
        config: Names of columns, and the split.
        split: The part that was loaded, where that was decided before.

    Raises:
        InputError: It streams, has no such split, or is no dataset of labelled rows.
    """
    note = None
    if isinstance(loaded, (datasets.IterableDataset, datasets.IterableDatasetDict)):
        raise InputError(
            f"{source} is a stream: an audit goes over its rows many times; load it without streaming=True"
        )
    if isinstance(loaded, datasets.DatasetDict):
        parts = ", ".join(f"{name} ({part.num_rows} rows)" for name, part in loaded.items())
        split = config.split or ("train" if "train" in loaded else next(iter(loaded), None))
        if split is None or split not in loaded:
            raise InputError(f"{source} has no split {split!r}; it has: {parts or 'none'} (--split)")
        note = None if config.split or len(loaded) == 1 else f"took split {split!r} of {parts} (--split)"
        loaded = loaded[split]
    elif config.split is not None:
        raise InputError(f"{source} has no splits, so none can be chosen with --split {config.split}")
    assert isinstance(loaded, datasets.Dataset)
    table = loaded.with_format("arrow")[:].replace_schema_metadata(loaded.features.arrow_schema.metadata)
    dataset = dataset_of(table, source, Path(), config)
    return Dataset(
        source=source,
        kind=f"Hugging Face dataset, {dataset.kind}".replace("Parquet with images", "images"),
        ids=dataset.ids,
        labels=dataset.labels,
        problems=dataset.problems,
        content=dataset.content,
        notes=(*dataset.notes, note) if note else dataset.notes,
        settings=dataset.settings.model_copy(update={"split": split}),
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
