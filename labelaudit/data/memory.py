"""Datasets that are Python objects: data frames, arrays, torch and Hugging Face datasets."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from PIL import Image

from labelaudit.config import SourceConfig
from labelaudit.data.content import Content, EncodedImages, Texts
from labelaudit.data.dataset import Dataset
from labelaudit.data.table import dataset_of, vectors_of
from labelaudit.errors import InputError


def dataset_in_memory(source: object, config: SourceConfig) -> Dataset:
    """Make a dataset of an object; see `load_dataset`.

    Raises:
        InputError: It is of a type that cannot be one, or its parts do not fit together.
    """
    if isinstance(source, pd.DataFrame):
        table = pa.Table.from_pandas(source.reset_index(drop=True), preserve_index=False)
        return dataset_of(table, "DataFrame", Path(), config)
    if isinstance(source, tuple) and len(source) == 2:
        return _of_arrays(*source)
    if type(source).__module__.split(".")[0] == "datasets":
        from labelaudit.data.hugging_face import dataset_of_hugging_face

        return dataset_of_hugging_face(source, "Hugging Face dataset", config)
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        return _of_torch(source)
    raise InputError(
        f"{type(source).__name__} is no dataset: give a path, a DataFrame, (inputs, labels), a Hugging Face dataset, "
        "or a torch dataset with a length"
    )


def _of_arrays(inputs: Any, labels: Any) -> Dataset:
    """Images (N, H, W) or (N, H, W, 3) in uint8, vectors (N, D), or N texts, with N labels."""
    names = _names(labels, None)
    if len(inputs) != len(names):
        raise InputError(f"{len(inputs)} inputs do not go with {len(names)} labels")
    problems: tuple[str | None, ...] = (None,) * len(names)
    content: Content
    if isinstance(inputs, Sequence) and all(isinstance(value, str) or value is None for value in inputs):
        content = Texts(tuple(inputs))
        problems = tuple(None if value and value.strip() else "no text" for value in inputs)
        kind = "texts"
    else:
        array = np.asarray(inputs)
        if array.dtype == np.uint8 and (array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3)):
            content, kind = EncodedImages(lambda row: _png(array[row])), "image array"
        elif array.ndim == 2 and np.issubdtype(array.dtype, np.number):
            content, problems = vectors_of(array.astype(np.float32))
            kind = "array"
        else:
            raise InputError(
                f"an array of shape {array.shape} and type {array.dtype} is no dataset: give images as uint8 (N, H, W) "
                "or (N, H, W, 3), or numbers (N, D)"
            )
    return Dataset("arrays", kind, _row_ids(len(names)), names, problems, content)


def _of_torch(source: Any) -> Dataset:
    """A torch dataset of (image or vector, label); images are read anew whenever they are needed."""
    first = source[0]
    if not isinstance(first, (tuple, list)) or len(first) != 2:
        raise InputError(f"the dataset's items are {type(first).__name__}, not pairs of an image and a label")
    known = getattr(source, "targets", None)  # torchvision's, without decoding every image
    labels = known if known is not None and len(known) == len(source) else [source[i][1] for i in range(len(source))]
    names = _names(labels, getattr(source, "classes", None))
    problems: tuple[str | None, ...] = (None,) * len(names)
    content: Content
    if isinstance(first[0], torch.Tensor) and first[0].ndim == 1:
        content, problems = vectors_of(np.stack([np.asarray(source[row][0], np.float32) for row in range(len(source))]))
    else:
        content = EncodedImages(_reader(source))
    return Dataset(type(source).__name__, "torch dataset", _row_ids(len(names)), names, problems, content)


def _reader(source: Any) -> Callable[[int], bytes]:
    def read(row: int) -> bytes:
        image = source[row][0]
        if isinstance(image, torch.Tensor):  # (C, H, W), in [0, 1] if floating
            array = image.detach().cpu()
            if array.is_floating_point():
                if array.min() < 0 or array.max() > 1:
                    raise OSError("its pixels are not between 0 and 1: give the dataset without normalisation")
                array = (array * 255).round().to(torch.uint8)
            image = array.movedim(0, -1).squeeze(-1).numpy()
        return _png(image)

    return read


def _png(image: Any) -> bytes:
    file = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _names(labels: Any, classes: Any) -> tuple[str | None, ...]:
    """Labels as class names; −1, None and NaN are none."""
    if isinstance(labels, (torch.Tensor, pd.Series)):
        labels = labels.tolist()
    array = np.asarray(labels)
    if array.ndim != 1:
        raise InputError(
            f"labels of shape {array.shape} are not one for each row: several labels a row cannot be audited"
        )
    if np.issubdtype(array.dtype, np.floating):
        finite = array[np.isfinite(array)]
        if (finite != np.round(finite)).any():
            raise InputError("the labels are fractions: they must be classes, not quantities")
        labels = [None if not np.isfinite(value) else int(value) for value in array]
    else:
        labels = array.tolist()
    whole = [value for value in labels if isinstance(value, int) and not isinstance(value, bool)]
    if classes is not None and len(whole) == len(labels) and max(whole, default=-1) < len(classes):
        return tuple(None if value < 0 else str(classes[value]) for value in whole)
    return tuple(None if value is None or value == "" or value == -1 else str(value) for value in labels)


def _row_ids(rows: int) -> tuple[str, ...]:
    return tuple(f"row-{row}" for row in range(rows))
