"""Whatever the user names → a `Dataset`."""

from __future__ import annotations

from pathlib import Path

from labelaudit.config import SourceConfig
from labelaudit.data.dataset import Dataset
from labelaudit.data.folder import open_folder
from labelaudit.data.table import TABLE_SUFFIXES, open_table
from labelaudit.errors import InputError


def load_dataset(source: str | Path, config: SourceConfig | None = None) -> Dataset:
    """Open an image folder, a manifest (CSV, TSV, JSON lines, Parquet) or a Parquet file with encoded images.

    Only names and labels are read here; images are read when they are decoded.

    Args:
        source: The folder or file.
        config: Column names and the like; guessed where None.

    Raises:
        InputError: There is nothing usable there; the message says what is wrong and what to do.

    Example:
        >>> dataset = load_dataset("sample_data/train")
        >>> dataset.kind, len(dataset), dataset.classes[:3]
        ('image folder', 600, ('0', '1', '2'))
    """
    path = Path(source)
    config = config or SourceConfig()
    if path.is_dir():
        return open_folder(path)
    if not path.exists():
        raise InputError(f"{path} does not exist")
    if path.suffix.lower() in TABLE_SUFFIXES:
        return open_table(path, config)
    raise InputError(f"{path} is neither a folder of images nor a table ({', '.join(sorted(TABLE_SUFFIXES))})")
