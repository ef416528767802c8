"""Datasets that are Python objects: tables, arrays, torch and Hugging Face datasets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import sparse

from labelaudit.config import SourceConfig
from labelaudit.data.content import Content, EncodedImages, Texts
from labelaudit.data.dataset import Dataset
from labelaudit.data.frames import (
    INDEX_NOTE,
    columns_of,
    dataset_of_columns,
    dataset_of_table,
    is_table,
    names_rows,
    png,
)
from labelaudit.data.image_files import IMAGE_SUFFIXES, looks_like_image
from labelaudit.data.images import DEEP, eight_bits, is_deep
from labelaudit.data.labels import Labels, name_labels
from labelaudit.data.splits_by_name import TRAIN
from labelaudit.data.table import vectors_of
from labelaudit.data.torch_datasets import dataset_of_torch
from labelaudit.errors import InputError
from labelaudit.runtime.machine import USABLE_FRACTION, free_memory
from labelaudit.types import Problems
from labelaudit.units import format_bytes


def dataset_in_memory(source: object, config: SourceConfig, splits: tuple[str, ...] = TRAIN) -> Dataset:
    """Make a dataset of an object; see `load_dataset`.

    Raises:
        InputError: It is of a type that cannot be one, or its parts do not fit together.
    """
    if type(source).__module__.startswith("polars") and hasattr(source, "collect"):  # a LazyFrame
        source = source.collect()
    if is_table(source):
        return dataset_of_table(source, config)
    if type(source).__module__.split(".")[0] == "datasets":
        from labelaudit.data.hugging_face import dataset_of_hugging_face

        return dataset_of_hugging_face(source, "Hugging Face dataset", config, splits)
    if isinstance(source, dict) and {"data", "target"} <= source.keys():  # scikit-learn's
        return _of_arrays(source["data"], source["target"], config, source.get("target_names"))
    has_names = isinstance(source, dict) or (isinstance(source, np.ndarray) and source.dtype.names is not None)
    if has_names or (isinstance(source, list) and source and all(isinstance(row, dict) for row in source)):
        return dataset_of_table(columns_of(source), config)
    if isinstance(source, (tuple, list)) and len(source) == 2 and hasattr(source[1], "__len__"):
        return _of_arrays(source[0], source[1], config)
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        return dataset_of_torch(source, config)
    if isinstance(source, torch.utils.data.DataLoader):
        hint = "; of a DataLoader, its `dataset`"
    else:
        hint = "; of what can only be gone through, a list" if hasattr(source, "__iter__") else ""
    raise InputError(
        f"{type(source).__name__} is no dataset: give a path, a data frame, (inputs, labels), a Hugging Face dataset, "
        f"or a torch dataset with a length{hint}"
    )


def _of_arrays(inputs: Any, labels: Any, config: SourceConfig, names: Any = None) -> Dataset:
    """Images, vectors (N, D), N texts, or a table, with N labels, whose numbers may have names."""
    named = _labels(labels, config, () if names is None else [str(name) for name in names])
    if isinstance(inputs, dict):
        inputs = columns_of(inputs)
    rows = inputs.shape[0] if hasattr(inputs, "shape") and inputs.shape else _length(inputs)
    if rows != len(named.names):
        raise InputError(f"{rows} inputs do not go with {len(named.names)} labels")
    if rows == 0:
        raise InputError("the arrays hold no rows")
    if (note := _compare_index(inputs, labels)) is not None:
        named = replace(named, notes=(*named.notes, note))
    if (table := columns_of(inputs)) is not None:
        return dataset_of_columns(table, named, config)
    if isinstance(inputs, list) and len({_shape(image) for image in inputs}) > 1:  # images of several sizes
        dataset = dataset_of_torch(list(zip(inputs, named.names, strict=True)), config)
        return replace(dataset, labels=named.names, class_order=named.order, source="arrays", kind="images")
    if _are_paths(inputs):
        return dataset_of_columns(pd.DataFrame({"path": list(map(str, inputs))}), named, config)
    content, problems, kind, notes = _content(inputs)
    ids = _index_of(inputs, labels)
    notes += [] if ids is None else [INDEX_NOTE]
    ids = ids or tuple(f"row-{row}" for row in range(rows))
    return Dataset("arrays", kind, ids, named.names, problems, content, (*named.notes, *notes), config, named.order)


def _compare_index(inputs: Any, labels: Any) -> str | None:
    """What to say of the order that a frame and its labels are in, if they do not have the same index.

    Raises:
        InputError: They have it in different orders.
    """
    frames = (pd.DataFrame, pd.Series)
    if not (isinstance(inputs, frames) and isinstance(labels, frames)) or inputs.index.equals(labels.index):
        return None
    if inputs.index.is_unique and labels.index.is_unique and set(inputs.index) == set(labels.index):
        raise InputError(
            "inputs and labels have the same index in another order: align them (labels.loc[inputs.index])"
        )
    return "inputs and labels have different indices: the first label is taken to be that of the first row, and so on"


def _index_of(inputs: Any, labels: Any) -> tuple[str, ...] | None:
    """The index of the inputs, or else of the labels, as ids; None where neither names rows."""
    for part in (inputs, labels):
        if isinstance(part, (pd.DataFrame, pd.Series)) and names_rows(part.index):
            return tuple(map(str, part.index))
    return None


def _shape(image: Any) -> tuple[int, ...] | None:
    """The shape of an image's pixels; None for all else."""
    is_array = isinstance(image, (np.ndarray, torch.Tensor)) and image.ndim in (2, 3)
    return tuple(image.shape) if is_array else None


def _are_paths(inputs: Any) -> bool:
    """Whether all of some inputs are names of image files."""
    if not isinstance(inputs, (list, tuple, np.ndarray, pd.Series)) or isinstance(inputs, torch.Tensor):
        return False
    return all(isinstance(value, (str, Path)) and Path(value).suffix.lower() in IMAGE_SUFFIXES for value in inputs)


def _length(inputs: Any) -> int:
    if not hasattr(inputs, "__len__"):
        raise InputError(f"{type(inputs).__name__} holds no inputs: give an array, or a list of texts or pictures")
    return len(inputs)


def _content(inputs: Any) -> tuple[Content, Problems, str, list[str]]:
    """Inputs as content, why some are unreadable, what they are, and what was taken for what."""
    if sparse.issparse(inputs):
        inputs = _dense(inputs)
    if isinstance(inputs, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(inputs)
        inputs = np.where(hidden, np.nan, inputs.data) if inputs.dtype.kind in "uifb" else inputs.filled()
    if isinstance(inputs, torch.Tensor) and inputs.layout != torch.strided:
        _check_dense(inputs.shape)
        inputs = inputs.to_dense()
    if isinstance(inputs, torch.Tensor):
        inputs = inputs.detach().cpu().float() if inputs.dtype == torch.bfloat16 else inputs.detach().cpu()
    if not hasattr(inputs, "dtype") or inputs.dtype == object or isinstance(inputs, (pd.Series, pd.Index)):
        values = list(inputs)
        if any(isinstance(value, str) for value in values):
            return _texts(values)
        if all(isinstance(value, bytes) or value is None for value in values):
            return _of_bytes(values)
        if all(isinstance(value, Image.Image) or value is None for value in values):
            missing = tuple("no image" if value is None else None for value in values)
            return EncodedImages(lambda row: png(values[row])), missing, "images", []
    try:
        array = np.asarray(inputs)
    except (ValueError, TypeError) as error:
        raise InputError(f"the inputs are no array ({error}); give texts, images or numbers (N, D)") from error
    if array.dtype.kind in "US" and array.size == len(array):
        return _of_bytes(array.ravel().tolist()) if array.dtype.kind == "S" else _texts(array.ravel().tolist())
    if array.ndim in (3, 4) and array.dtype.kind in "uifb" and (images := _images(array)) is not None:
        read, notes = images
        return EncodedImages(read), (None,) * len(array), "image array", notes
    if array.ndim == 2 and array.shape[1] > 0 and array.dtype.kind in "uifb":
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and the row unreadable
            content, problems = vectors_of(array.astype(np.float32))
        return content, problems, "array", []
    raise InputError(
        f"an array of shape {array.shape} and type {array.dtype} is no dataset: give images (N, H, W), (N, H, W, C) or "
        "(N, C, H, W) with 1, 3 or 4 channels, whole numbers up to 255 or floats from 0 to 1, or numbers (N, D)"
    )


def _texts(values: Sequence[Any]) -> tuple[Content, Problems, str, list[str]]:
    texts = tuple(str(value) if isinstance(value, str) and value.strip() else None for value in values)
    return Texts(texts), tuple("no text" if text is None else None for text in texts), "texts", []


def _of_bytes(values: list[Any]) -> tuple[Content, Problems, str, list[str]]:
    """Images as their files' bytes, or texts."""
    if any(looks_like_image(value) for value in values if value):
        missing = tuple(None if value else "no image" for value in values)
        return EncodedImages(lambda row: bytes(values[row])), missing, "images", []
    try:
        return _texts([None if value is None else value.decode() for value in values])
    except UnicodeDecodeError as error:
        raise InputError(f"the inputs are bytes, but neither images nor text in UTF-8 ({error.reason})") from error


def _check_dense(shape: Sequence[int]) -> None:
    """Make sure that a sparse matrix fits into memory as a dense one.

    Raises:
        InputError: It does not.
    """
    needed, free = math.prod(shape) * 4, free_memory(torch.device("cpu"))
    if needed > USABLE_FRACTION * free:
        raise InputError(
            f"a sparse matrix of {' × '.join(f'{size:,}' for size in shape)} needs {format_bytes(needed)} as "
            f"numbers, {format_bytes(free)} are free: reduce its columns first (TruncatedSVD)"
        )


def _dense(matrix: Any) -> NDArray[np.float32]:
    _check_dense(matrix.shape)
    dense: NDArray[np.float32] = matrix.astype(np.float32).toarray()
    return dense


def _images(array: NDArray[Any]) -> tuple[Callable[[int], bytes], list[str]] | None:
    """What reads the PNG of a row, and what was taken for what; None if these are no images."""
    notes = []
    if array.ndim == 4 and array.shape[3] not in (1, 3, 4):
        if array.shape[1] not in (1, 3, 4):
            return None
        array = np.moveaxis(array, 1, 3)
        notes.append("channels are taken to be the second axis")
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if 0 in array.shape:
        return None
    if array.dtype == np.uint8:
        return (lambda row: png(np.ascontiguousarray(array[row]))), notes
    if is_deep(array):
        return (lambda row: png(eight_bits(array[row]))), [*notes, DEEP]
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 255):
        raise InputError(
            f"the images' pixels are between {low:g} and {high:g}: give them as they were before "
            "normalisation, as whole numbers up to 255 or floats from 0 to 1"
        )
    scale = 255 if high <= 1 and array.dtype.kind in "fb" else 1
    return (lambda row: png(np.round(array[row] * float(scale)).astype(np.uint8))), notes


def _labels(labels: Any, config: SourceConfig, names: Sequence[str] = ()) -> Labels:
    """Labels as class names; one column of a matrix, or the column that is 1 (one-hot)."""
    if isinstance(labels, (set, frozenset, dict)):
        raise InputError(f"a {type(labels).__name__} of labels has no order of rows: give a list or an array")
    if isinstance(labels, (str, bytes)):
        raise InputError(f"{labels!r:.40} are no labels: give a list or an array, one for each row")
    categories = labels.cat.categories if hasattr(labels, "cat") else getattr(labels, "categories", ())
    known = [str(name) for name in categories]
    if sparse.issparse(labels):
        labels = labels.toarray()
    if isinstance(labels, torch.Tensor):
        labels = labels.detach().cpu().tolist()
    elif isinstance(labels, pd.DataFrame):
        labels = labels.to_numpy().tolist()
    elif hasattr(labels, "__arrow_c_stream__") or hasattr(labels, "__arrow_c_array__"):
        import pyarrow as pa

        labels = pa.chunked_array(labels).to_pylist()
    values = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    if values and all(isinstance(value, (list, tuple, np.ndarray)) and len(value) > 1 for value in values):
        matrix = np.asarray(values, dtype=object)
        flags = matrix.astype(float) if matrix.ndim == 2 and all(_is_flag(cell) for cell in matrix.ravel()) else None
        if flags is None or not (flags.sum(1) == 1).all():
            raise InputError(
                f"labels of shape {matrix.shape} are not one for each row: several labels a row cannot be audited"
            )
        values = flags.argmax(1).tolist()
    return (
        name_labels(values, "the array of labels", names, config.classes)
        if not known
        else _named(values, known, config)
    )


def _named(values: list[Any], known: list[str], config: SourceConfig) -> Labels:
    """Labels of a categorical series, whose classes have an order of their own."""
    labels = name_labels(values, "the array of labels", (), config.classes)
    return Labels(labels.names, config.classes or tuple(known), labels.notes)


def _is_flag(cell: Any) -> bool:
    return isinstance(cell, (bool, int, float)) and cell in (0, 1)
