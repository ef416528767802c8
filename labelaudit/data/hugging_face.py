"""Hugging Face datasets: on disk (`save_to_disk`), from the hub, or in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import datasets
from huggingface_hub.constants import HF_HUB_CACHE

from labelaudit.config import SourceConfig
from labelaudit.data.dataset import HUB, Dataset
from labelaudit.data.splits_by_name import TRAIN, choose_split
from labelaudit.data.table import dataset_of
from labelaudit.data.table_files import with_unique_names
from labelaudit.data.table_images import Roots
from labelaudit.errors import InputError
from labelaudit.runtime.hub import is_reachable, without_retries


def open_saved(folder: Path, config: SourceConfig, splits: tuple[str, ...] = TRAIN) -> Dataset:
    """Open what `save_to_disk` wrote.

    Raises:
        InputError: It is damaged, has no such split, or is no dataset of labelled rows.
    """
    try:
        loaded = datasets.load_from_disk(str(folder))
    # The library raises whatever the damaged files lead it to.
    except Exception as error:
        raise InputError(f"cannot read {folder} as a saved Hugging Face dataset: {_first_line(error)}") from error
    return dataset_of_hugging_face(loaded, str(folder), config, splits, roots=(config.image_root or folder,))


def open_hub(name: str, config: SourceConfig, splits: tuple[str, ...] = TRAIN) -> Dataset:
    """Download a dataset of the hub, `hf:owner/name` or `hf:owner/name:configuration`, or take it from the cache.

    Raises:
        InputError: It cannot be had, has no such split, or is no dataset of labelled rows.
    """
    path, _, configuration = name.removeprefix(HUB).partition(":")
    try:
        with without_retries(offline=not is_reachable()):
            loaded = datasets.load_dataset(path, configuration or None, split=config.split)
    # The library raises whatever the network and the files lead it to.
    except Exception as error:
        raise InputError(f"cannot have {name} from the Hugging Face hub: {_first_line(error)}") from error
    # What the hub's data says is not trusted.
    roots = tuple(map(Path, (datasets.config.HF_DATASETS_CACHE, HF_HUB_CACHE)))
    config, split = config.model_copy(update={"split": None}), config.split
    return dataset_of_hugging_face(loaded, name, config, splits, split, roots)


def dataset_of_hugging_face(
    loaded: object,
    source: str,
    config: SourceConfig,
    splits: tuple[str, ...] = TRAIN,
    split: str | None = None,
    roots: Roots = None,
) -> Dataset:
    """Make a dataset of one that the library has loaded.

    Args:
        loaded: A `datasets.Dataset`, or a `DatasetDict` of which `config.split` names a part.
        source: What to call it.
        config: Names of columns, and the split.
        splits: Which parts to prefer where `config` names none.
        split: The part that was loaded, where that was decided before.
        roots: The folders that image paths may lead into; None for anywhere, where the caller's own code made it.

    Raises:
        InputError: It streams, has no such split, or is no dataset of labelled rows.
    """
    notes: list[str] = []
    sizes: dict[str, int] = {}
    if isinstance(loaded, (datasets.IterableDataset, datasets.IterableDatasetDict)):
        raise InputError(
            f"{source} is a stream: an audit goes over its rows many times; load it without streaming=True"
        )
    if isinstance(loaded, datasets.DatasetDict):
        sizes |= {str(name): part.num_rows for name, part in loaded.items()}
        split, notes = choose_split(sizes, config.split, splits, source)
        loaded = loaded[split]
    elif config.split is not None:
        raise InputError(f"{source} has no splits, so none can be chosen with `split` {config.split}")
    assert isinstance(loaded, datasets.Dataset)
    table = loaded.with_format("arrow")[:].replace_schema_metadata(loaded.features.arrow_schema.metadata)
    roots = roots or (None if config.image_root is None else (config.image_root,))
    dataset = dataset_of(with_unique_names(table), source, roots, config)
    return replace(
        dataset,
        kind=f"Hugging Face dataset, {dataset.kind}".replace("Parquet with images", "images"),
        notes=(*dataset.notes, *notes),
        settings=dataset.settings.model_copy(update={"split": split}),
        other_splits=tuple(name for name in sizes if name != split),
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
