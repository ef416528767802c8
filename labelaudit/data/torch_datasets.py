"""Torch datasets of (image or vector, label): their labels, their class names, and what reads an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from labelaudit.config import SourceConfig
from labelaudit.data.column_names import BYTES_NAMES, LABEL_NAMES, TEXT_NAMES, VECTOR_NAMES, first_of, key_of
from labelaudit.data.content import Content, EncodedImages, Texts
from labelaudit.data.dataset import Dataset
from labelaudit.data.frames import png
from labelaudit.data.images import DEEP, eight_bits, is_deep
from labelaudit.data.labels import Labels, name_labels
from labelaudit.data.table import vectors_of
from labelaudit.errors import InputError
from labelaudit.units import listed

LOOKED_AT = 8  # items, to learn what they are
INPUT_NAMES = {*BYTES_NAMES, *TEXT_NAMES, *VECTOR_NAMES, "x", "input", "inputs", "data", "pixel_values"}


def dataset_of_torch(source: Any, config: SourceConfig) -> Dataset:
    """Make a dataset of one; images are read anew whenever they are needed.

    An item that raises or is None is an unreadable row.

    Raises:
        InputError: Its items are no pairs, or their images are normalised already.
    """
    try:
        rows = len(source)
    # The dataset is the user's own code, which may raise whatever it likes.
    except Exception as error:
        raise InputError(f"{type(source).__name__} has no length: {type(error).__name__}: {error}") from error
    if rows == 0:
        raise InputError(f"the {type(source).__name__} holds no rows")
    first = [item for row in range(min(rows, LOOKED_AT)) if (item := _item(source, row)[0]) is not None]
    if not first:
        raise InputError(f"none of the first items of {type(source).__name__} can be read: {_item(source, 0)[1]}")
    for item in first:
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            what = f"dicts of {listed(list(item), 5)}" if isinstance(item, Mapping) else type(item).__name__
            raise InputError(f"the dataset's items are {what}, not pairs of an image and a label")
    read: dict[int, str] = {}  # problems met while looking for labels
    labels = _labels(source, config, read)
    inputs = [item[0] for item in first]
    content: Content
    notes = labels.notes
    problems = [read.get(row) for row in range(rows)]
    if inputs and all(isinstance(value, str) for value in inputs):
        items = [_item(source, row) for row in range(rows)]
        texts = tuple(
            item[0] if item is not None and isinstance(item[0], str) and item[0].strip() else None for item, _ in items
        )
        content = Texts(texts)
        problems = [why or (None if text else "no text") for text, (_, why) in zip(texts, items, strict=True)]
    elif inputs and all(_is_vector(value) for value in inputs):
        content, problems = _vectors(source, rows)
    else:
        _check_range(inputs)
        pixels = [np.asarray(value) for value in inputs if isinstance(value, (torch.Tensor, np.ndarray))]
        deep = any(is_deep(array) for array in pixels if 0 not in array.shape)
        notes = (*notes, *([DEEP] if deep else []))
        highest = max((_highest(value) for value in inputs), default=1.0)
        content = EncodedImages(_reader(source, highest=highest, deep=deep))
    return Dataset(
        type(source).__name__,
        "torch dataset",
        _ids(source, rows),
        labels.names,
        tuple(problems),
        content,
        notes,
        config,
        labels.order,
    )


def _item(source: Any, row: int) -> tuple[Any, str | None]:
    """An item, or why there is none."""
    try:
        item = source[row]
    # The dataset is the user's own code, which may raise whatever it likes.
    except Exception as error:
        reason = str(error).partition("\n")[0]
        return None, f"the dataset raised {type(error).__name__} at item {row}: {reason}"
    if isinstance(item, Mapping):
        item = _pair(item)
    return item, "the dataset's item is None" if item is None else None


def _pair(item: Mapping[Any, Any]) -> Any:
    """The input and the label of an item that names them; the item itself, if it does not name one of each."""
    names = [name for name in item if isinstance(name, str)]
    label = first_of(names, LABEL_NAMES)
    inputs = {key_of(name): name for name in names if name != label and key_of(name) in INPUT_NAMES}
    return (item[next(iter(inputs.values()))], item[label]) if label is not None and len(inputs) == 1 else item


def _is_vector(value: Any) -> bool:
    return isinstance(value, (torch.Tensor, np.ndarray)) and value.ndim == 1


def _vectors(source: Any, rows: int) -> tuple[Content, list[str | None]]:
    vectors, reasons = [], []
    for row in range(rows):
        item, reason = _item(source, row)
        vector = None if item is None else _numbers(item)
        vectors.append(vector)
        reasons.append(reason if item is None else None if vector is not None else "the item has no vector of numbers")
    lengths = {len(vector) for vector in vectors if vector is not None}
    if not lengths:
        raise InputError(f"no item of {type(source).__name__} has a vector of numbers: {reasons[0]}")
    if len(lengths) > 1:
        raise InputError(f"the dataset's vectors are not all of one length ({sorted(lengths)[:5]})")
    blank = np.full(lengths.pop(), np.nan, np.float32)
    content, problems = vectors_of(np.stack([blank if vector is None else vector for vector in vectors]))
    return content, [reason or problem for reason, problem in zip(reasons, problems, strict=True)]


def _numbers(item: Any) -> NDArray[np.float32] | None:
    """The vector of an item, None if it has none."""
    if not isinstance(item, (tuple, list)) or len(item) != 2 or not _is_vector(item[0]):
        return None
    values = np.asarray(item[0])
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and the row unreadable
        return values.astype(np.float32) if values.dtype.kind in "uifb" else None


def _check_range(images: Sequence[Any]) -> None:
    for image in images:
        if (
            _is_floating(image)
            and 0 not in image.shape
            and (float(image.min()) < 0 or (_highest(image) > 1 and not _is_whole(image)))
        ):
            raise InputError(
                f"the dataset's images are normalised (their pixels are between {float(image.min()):.3g} and "
                f"{float(image.max()):.3g}, not 0 and 1): give the dataset without that transform"
            )


def _is_floating(image: Any) -> bool:
    return (
        image.is_floating_point()
        if isinstance(image, torch.Tensor)
        else (isinstance(image, np.ndarray) and image.dtype.kind == "f")
    )


def _highest(image: Any) -> float:
    return float(image.max()) if _is_floating(image) and 0 not in image.shape else 0.0


def _is_whole(image: Any) -> bool:
    values = np.asarray(image)
    return bool((values == np.round(values)).all() and values.max() <= 255)


def _reader(source: Any, highest: float, *, deep: bool) -> Callable[[int], bytes]:
    """What reads an item as a PNG; floats are from 0 to 1, or to 255 if those looked at are.

    Whole numbers are from 0 to 255, or scaled from their own range if those looked at are not (`deep`).
    """
    top = 255.0 if highest > 1 else 1.0

    def read(row: int) -> bytes:
        item, reason = _item(source, row)
        if item is None:
            raise OSError(reason)
        image = item[0]
        if image is None:
            raise OSError("the dataset's item has no image")
        if isinstance(image, Image.Image):
            return png(image)
        array = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
        if array.ndim not in (2, 3) or 0 in array.shape or array.dtype.kind not in "uifb":
            raise OSError(f"it is no image (shape {array.shape}, {array.dtype})")
        if array.ndim == 3 and (isinstance(image, torch.Tensor) or array.shape[2] not in (1, 3, 4)):
            array = np.moveaxis(array, 0, -1)  # (C, H, W)
        if array.ndim == 3 and array.shape[2] == 1:
            array = array[..., 0]
        if array.dtype.kind == "f":
            if array.min() < 0 or array.max() > top:
                raise OSError(f"its pixels are not between 0 and {top:g}: give the dataset without normalisation")
            array = np.round(array * (255 / top)).astype(np.uint8)
        elif array.dtype.kind == "b":
            array = array.astype(np.uint8) * 255
        elif deep and array.dtype != np.uint8:
            array = eight_bits(array)
        elif array.dtype != np.uint8:
            if array.min() < 0 or array.max() > 255:
                raise OSError("its pixels are not between 0 and 255")
            array = array.astype(np.uint8)
        return png(np.ascontiguousarray(array))

    return read


def _labels(source: Any, config: SourceConfig, problems: dict[int, str]) -> Labels:
    """The labels, named: by what the dataset's own code gives, without decoding an image where that is not needed."""
    where = f"{type(source).__name__}'s labels"
    values, names = _values(source, problems, range(len(source)))
    if names is not None:
        whole = [int(value) for value in values if isinstance(value, (int, np.integer)) and not isinstance(value, bool)]
        if max(whole, default=-1) < len(names):
            return name_labels(values, where, names, config.classes)
    return name_labels(values, where, (), config.classes)


def _values(source: Any, problems: dict[int, str], rows: Sequence[int]) -> tuple[list[Any], list[str] | None]:
    """The labels of some rows, and what their numbers are called, if anything."""
    if isinstance(source, torch.utils.data.Subset) and type(source).__getitem__ is torch.utils.data.Subset.__getitem__:
        inner: dict[int, str] = {}
        indices = [int(source.indices[row]) for row in rows]
        values, names = _values(source.dataset, inner, indices)
        problems |= {row: inner[index] for row, index in zip(rows, indices, strict=True) if index in inner}
        return values, names
    if isinstance(source, torch.utils.data.ConcatDataset):
        return _concatenated(source, problems, rows)
    known = getattr(source, "classes", None)
    names = [str(name) for name in known] if isinstance(known, (list, tuple)) else None
    plain = _plain_targets(source)
    if plain is not None and len(plain) == len(source):
        transform = getattr(source, "target_transform", None)
        if transform is None:
            return [plain[row] for row in rows], names
        return [transform(plain[row]) for row in rows], _merged(transform, names)
    values = []
    for row in rows:
        item, reason = _item(source, row)
        values.append(None if item is None else _scalar(item[1]))
        if reason is not None:
            problems[row] = reason
    overridden = getattr(source, "target_transform", None) is not None
    return values, None if overridden else names


def _scalar(label: Any) -> Any:
    """A label that is a tensor or an array of one number as that number, one that is one-hot as its place."""
    if not isinstance(label, (torch.Tensor, np.ndarray)):
        return label
    values = np.asarray(label).ravel().tolist()
    if len(values) > 1 and sorted(values) == [0] * (len(values) - 1) + [1]:
        return values.index(1)
    return values[0] if len(values) == 1 else values


def _plain_targets(source: Any) -> Any:
    """The labels a dataset of torchvision gives before its `target_transform`; None if its items may differ."""
    getter = getattr(type(source), "__getitem__", None)
    if not str(getattr(getter, "__module__", "")).startswith("torchvision.datasets"):
        if isinstance(source, torch.utils.data.TensorDataset) and len(source.tensors) == 2:
            return source.tensors[1].tolist()
        return None
    samples = getattr(source, "samples", None)
    if samples is not None:  # an image folder takes its items from these
        return [sample[1] for sample in samples]
    targets = getattr(source, "targets", None)
    return targets.tolist() if isinstance(targets, (torch.Tensor, np.ndarray)) else targets


def _merged(transform: Callable[[Any], Any], names: list[str] | None) -> list[str] | None:
    """What the numbers that a transform makes of classes are called: the classes it merges, joined."""
    if names is None:
        return None
    merged: dict[Any, list[str]] = {}
    for number, name in enumerate(names):
        try:
            merged.setdefault(transform(number), []).append(name)
        # The transform is the user's own code.
        except Exception:
            return None
    if set(merged) != set(range(len(merged))):
        return None
    return [" + ".join(merged[number]) for number in range(len(merged))]


def _concatenated(source: Any, problems: dict[int, str], rows: Sequence[int]) -> tuple[list[Any], list[str] | None]:
    """The labels of datasets one after the other, by name where each has names."""
    ends = source.cumulative_sizes
    values: list[Any] = [None] * len(rows)
    all_names: list[list[str] | None] = []
    for number, part in enumerate(source.datasets):
        start = 0 if number == 0 else ends[number - 1]
        chosen = [(place, row - start) for place, row in enumerate(rows) if start <= row < ends[number]]
        inner: dict[int, str] = {}
        found, names = _values(part, inner, [row for _, row in chosen])
        problems |= {row + start: reason for row, reason in inner.items()}
        all_names.append(names)
        for (place, _), value in zip(chosen, found, strict=True):
            known = names is not None and isinstance(value, int) and 0 <= value < len(names)
            values[place] = names[value] if known and names is not None else value
    first = all_names[0]
    same = first is not None and all(names == first for names in all_names)
    if not same or first is None:
        return values, None
    place_of = {name: number for number, name in enumerate(first)}
    return [place_of.get(value, value) if isinstance(value, str) else value for value in values], first


def _ids(source: Any, rows: int) -> tuple[str, ...]:
    """Paths below the folder where the dataset has them, else row numbers."""
    return _paths(source) or tuple(f"row-{row}" for row in range(rows))


def _paths(source: Any) -> tuple[str, ...] | None:
    """Paths below the folder, of each row another one; None where the dataset has no such."""
    paths: tuple[str, ...]
    if isinstance(source, torch.utils.data.Subset):
        whole = _paths(source.dataset)
        if whole is None:
            return None
        paths = tuple(whole[int(index)] for index in source.indices)
    elif isinstance(source, torch.utils.data.ConcatDataset):
        parts = [_paths(part) for part in source.datasets]
        if None in parts:
            return None
        paths = tuple(chain.from_iterable(part for part in parts if part is not None))
    else:
        samples, root = getattr(source, "samples", None), getattr(source, "root", None)
        if samples is None or root is None or len(samples) != len(source) or _plain_targets(source) is None:
            return None
        prefix = str(root).rstrip("/") + "/"
        paths = tuple(str(sample[0]).removeprefix(prefix) for sample in samples)
    return paths if len(set(paths)) == len(paths) else None
