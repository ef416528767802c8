"""The paper's two-class tasks: a few hundred rows of Adult, 20 Newsgroups, MNIST and EMNIST, drawn and scaled."""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import Tensor

from labelaudit.data.batches import standardise_each
from labelaudit.data.table_files import read_table
from labelaudit.errors import InputError
from labelaudit.runtime.files import file_hash

NUMBERS = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")
CATEGORIES = (
    "workclass",
    "education",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "native_country",
)
PARTS = ("train", "validation", "test")
SIDE = 28  # pixels, of MNIST's and EMNIST's images


@dataclass(frozen=True)
class Task:
    """A two-class problem, ready for training.

    Attributes:
        name: One of `TASK_NAMES`.
        classes: The names of class 0 and class 1.
        inputs: float64, scaled; shape (N, D), or (N, 1, 28, 28) for images.
        labels: 0 or 1, int64, shape (N,).
        train: The rows of `inputs` to train on, int64.
        validation: The rows to choose settings on.
        test: The rows to judge on.
        origins: int64, shape (N,): the row of the dataset's training part (`train`, `validation`) or test part
            (`test`) that each row is, counted from 0 as the file has them.
    """

    name: str
    classes: tuple[str, str]
    inputs: Tensor
    labels: Tensor
    train: Tensor
    validation: Tensor
    test: Tensor
    origins: Tensor


@dataclass(frozen=True)
class _Part:
    """The training or test part of a dataset.

    Attributes:
        values: What the inputs are made of, shape (n, ...).
        labels: Class names, shape (n,); more than the task's two may occur.
    """

    values: NDArray[Any]
    labels: NDArray[Any]


@dataclass(frozen=True)
class _Dataset:
    """How a task is made.

    Attributes:
        classes: The names of class 0 and class 1.
        files: The files it is read from, in a folder.
        read: Reads the training and the test part from a folder.
        encode: Makes inputs (N, ...) of values (N, ...); whatever it fits, it fits to the first so many rows.
    """

    classes: tuple[str, str]
    files: Callable[[Path], list[Path]]
    read: Callable[[Path], tuple[_Part, _Part]]
    encode: Callable[[NDArray[Any], int], Tensor]


def load_task(name: str, folder: Path, seed: int, train: int = 256, validation: int = 256, test: int = 256) -> Task:
    """Draw the rows of a task and scale them by its training rows.

    Training and validation rows come from the training part of the dataset, test rows from its test part, each drawn
    at random without replacement.

    Args:
        name: One of `TASK_NAMES`.
        folder: Where the dataset's files lie.
        seed: Decides which rows are drawn, and their order.
        train: How many rows to train on.
        validation: How many rows to choose settings on.
        test: How many rows to judge on.

    Raises:
        InputError: There is no such task, a file is missing or not what it should be, there are too few rows, or all
            rows drawn for training, validation or test are of one class.
    """
    dataset = _dataset(name)
    content = tuple(file_hash(file) for file in task_files(name, folder) if file.is_file())
    training_part, test_part = _read(name, folder, content)
    generator = np.random.default_rng(seed)
    asked = f"{name}: {train} train and {validation} validation rows"
    drawn = _draw(training_part, dataset.classes, train + validation, generator, asked)
    drawn_test = _draw(test_part, dataset.classes, test, generator, f"{name}: {test} test rows")

    names = np.concatenate([training_part.labels[drawn], test_part.labels[drawn_test]])
    labels = torch.from_numpy((names == dataset.classes[1]).astype(np.int64))
    parts = dict(zip(PARTS, torch.arange(len(labels)).split([train, validation, test]), strict=True))
    for part, rows in parts.items():
        if len(labels[rows].unique()) < 2:
            raise InputError(f"{name}: with seed {seed}, the {len(rows)} {part} rows are not of both classes")
    values = np.concatenate([training_part.values[drawn], test_part.values[drawn_test]])
    return Task(
        name=name,
        classes=dataset.classes,
        inputs=dataset.encode(values, train),
        labels=labels,
        origins=torch.from_numpy(np.concatenate([drawn, drawn_test])),
        **parts,
    )


def task_files(name: str, folder: Path) -> list[Path]:
    """The files in a folder that a task is read from, whether or not they are there.

    Raises:
        InputError: There is no such task.
    """
    return _dataset(name).files(folder)


def _dataset(name: str) -> _Dataset:
    if name not in _DATASETS:
        raise InputError(f"there is no task {name!r}; there are: {', '.join(TASK_NAMES)}")
    return _DATASETS[name]


@lru_cache(maxsize=4)
def _read(name: str, folder: Path, content: tuple[str, ...]) -> tuple[_Part, _Part]:
    """A task's training and test part, read again only if the content of its files is another."""
    return _DATASETS[name].read(folder)


def _draw(
    part: _Part, classes: tuple[str, str], count: int, generator: np.random.Generator, asked: str
) -> NDArray[np.int64]:
    """Some rows of the two classes, shape (count,), in random order."""
    of_class = [np.flatnonzero(part.labels == name) for name in classes]
    rows = np.sort(np.concatenate(of_class))
    if count > len(rows):
        found = " and ".join(f"{len(those)} of {name}" for those, name in zip(of_class, classes, strict=True))
        raise InputError(f"{asked} are too many: that part of the dataset has {len(rows)} ({found})")
    return generator.choice(rows, count, replace=False)


def encode_table(values: NDArray[Any], train: int) -> Tensor:
    """Standardised numbers, then one-hot categories; a "?" counts as the commonest category."""
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), slice(0, len(NUMBERS))),
            (
                "categories",
                make_pipeline(
                    SimpleImputer(missing_values="?", strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
                ),
                slice(len(NUMBERS), None),
            ),
        ],
        sparse_threshold=0,
    )
    columns.fit(values[:train])
    return torch.from_numpy(columns.transform(values))


def encode_texts(values: NDArray[Any], train: int) -> Tensor:
    """Standardised TF-IDF of the words in two or more, but at most a fifth, of the training texts."""
    words = TfidfVectorizer(stop_words="english", min_df=2, max_df=0.2).fit(values[:train])
    frequencies = words.transform(values).toarray()
    return torch.from_numpy(StandardScaler().fit(frequencies[:train]).transform(frequencies))


def _encode_images(values: NDArray[Any], train: int) -> Tensor:
    """Each image by itself, with mean 0 and standard deviation 1: (N, 28, 28) to (N, 1, 28, 28)."""
    return standardise_each(torch.from_numpy(values)[:, None].to(torch.float64) / 255)


def _read_adult(folder: Path) -> tuple[_Part, _Part]:
    return _read_table(
        folder / "adult.parquet",
        NUMBERS + CATEGORIES,
        "income",
        "UCI Adult, https://archive.ics.uci.edu/dataset/2/adult, as one table",
    )


def _read_news(folder: Path) -> tuple[_Part, _Part]:
    training, test = _read_table(
        folder / "20news_ibm_mac.parquet",
        ("text",),
        "target_name",
        "the PC and Mac hardware groups of 20 Newsgroups (bydate), http://qwone.com/~jason/20Newsgroups, as one table",
    )
    return _Part(training.values[:, 0], training.labels), _Part(test.values[:, 0], test.labels)


def _read_mnist(folder: Path) -> tuple[_Part, _Part]:
    path = folder / "mnist.npz"
    names = ("x_train", "y_train", "x_test", "y_test")
    origin = "MNIST, https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
    _require([path], f"{origin}, with the arrays {', '.join(names)}")
    try:
        with zipfile.ZipFile(path), np.load(path) as file:  # NumPy alone would take a bare array, too
            missing = [name for name in names if name not in file]
            if missing:
                raise InputError(f"{path} lacks the arrays {', '.join(missing)}; it has: {', '.join(file)}")
            arrays = [file[name] for name in names]
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read {path}: {error}") from error
    images, digits, test_images, test_digits = arrays
    return _image_part(images, digits.astype(str), path), _image_part(test_images, test_digits.astype(str), path)


def _emnist_files(folder: Path) -> list[Path]:
    kinds = ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
    paths = [folder / f"emnist-letters-{kind}-ubyte" for kind in kinds]
    return [path if path.is_file() else path.with_name(path.name + ".gz") for path in paths]


def _read_emnist(folder: Path) -> tuple[_Part, _Part]:
    paths = _emnist_files(folder)
    origin = "EMNIST letters, in gzip.zip of https://www.nist.gov/itl/products-and-services/emnist-dataset"
    _require(paths, f"{origin}, with or without .gz")
    letters = np.array([chr(64 + number) for number in range(256)])  # 1 is A
    parts = []
    for images, labels in (paths[:2], paths[2:]):
        upright = read_idx(images, 3).transpose(0, 2, 1)  # stored column by column
        parts.append(_image_part(upright, letters[read_idx(labels, 1)], images))
    return parts[0], parts[1]


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read an array from an IDX file, the format of MNIST and EMNIST; compressed if its name ends in .gz.

    Raises:
        InputError: It does not hold an array of bytes with so many dimensions, or is cut short or too long.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    magic = bytes([0, 0, 8, dimensions])  # 8: unsigned bytes
    if content[:4] != magic:
        raise InputError(
            f"{path} is not an IDX file of bytes with {dimensions} dimensions: it starts with "
            f"{content[:4].hex()!r}, not {magic.hex()!r}"
        )
    header = 4 * (1 + dimensions)
    shape = [int.from_bytes(content[start : start + 4]) for start in range(4, header, 4)]
    size = header + math.prod(shape)
    if len(content) != size:
        raise InputError(f"{path} should hold {size} bytes, by its header, but holds {len(content)}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _require(paths: list[Path], origin: str) -> None:
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"{paths[0].parent} lacks {', '.join(missing)}; needed is {origin}")


def _read_table(path: Path, columns: tuple[str, ...], label: str, origin: str) -> tuple[_Part, _Part]:
    """The training and test rows of a table, as its column `split` says."""
    needed = [*columns, label, "split"]
    _require([path], f"{origin} with the columns {', '.join(needed)} (train or test)")
    table = read_table(path).table
    missing = [column for column in needed if column not in table.column_names]
    if missing:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; it has: {', '.join(table.column_names)}")
    empty = [column for column in needed if table[column].null_count]
    if empty:
        raise InputError(f"{path} has empty cells in the columns {', '.join(empty)}")
    frame = table.select(needed).to_pandas()
    parts = [frame[frame["split"] == split] for split in ("train", "test")]
    training, test = (_Part(part[list(columns)].to_numpy(object), part[label].to_numpy(object)) for part in parts)
    return training, test


def _image_part(images: NDArray[Any], labels: NDArray[Any], path: Path) -> _Part:
    expected = (*labels.shape, SIDE, SIDE)
    if images.shape != expected:
        raise InputError(f"{path}: labels of shape {labels.shape} need images of shape {expected}, not {images.shape}")
    return _Part(images, labels)


_DATASETS = {
    "adult": _Dataset(("<=50K", ">50K"), lambda folder: [folder / "adult.parquet"], _read_adult, encode_table),
    "20news": _Dataset(
        ("comp.sys.ibm.pc.hardware", "comp.sys.mac.hardware"),
        lambda folder: [folder / "20news_ibm_mac.parquet"],
        _read_news,
        encode_texts,
    ),
    "mnist": _Dataset(("1", "7"), lambda folder: [folder / "mnist.npz"], _read_mnist, _encode_images),
    "emnist": _Dataset(("A", "B"), _emnist_files, _read_emnist, _encode_images),
}
TASK_NAMES = tuple(_DATASETS)
