"""Names that stand for parts of a dataset (train, val2017, test_set), and which part to take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from labelaudit.errors import InputError

TRAIN, TEST = ("train",), ("test", "validation", "dev")
"""The parts that are audited, and those that are the trusted test data, the preferred one first."""
_SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "dev",
    "eval": "validation",
    "holdout": "test",
    "unlabeled": "unlabelled",
    "unlabelled": "unlabelled",
    "unsupervised": "unlabelled",
}
_FILLERS = frozenset({"set", "data", "dataset", "images", "image", "imgs", "img", "split", "folder", "files"})


def split_of(name: str) -> str | None:
    """The part a name stands for: "train" for train, train2017, train_set or TrainSet; None if it is no such name."""
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    words = [part for word in words for part in _without_set(word)]
    known = [word for word in words if word not in _FILLERS]
    return _SPLITS.get(known[0]) if len(known) == 1 else None


def _without_set(word: str) -> tuple[str, ...]:
    for ending in ("set", "data"):
        if word.endswith(ending) and word.removesuffix(ending) in _SPLITS:
            return word.removesuffix(ending), ending
    return (word,)


def are_splits(names: Iterable[str]) -> bool:
    """Whether all of some folders are called like parts of a dataset, and some not only unlabelled."""
    found = {split_of(name) for name in names}
    return bool(found) and None not in found and found != {"unlabelled"}


def choose_split(
    sizes: Mapping[str, int], given: str | None, preferred: tuple[str, ...], where: str
) -> tuple[str, list[str]]:
    """Which part to take.

    Args:
        sizes: Rows of each part, by its name.
        given: What the user named.
        preferred: What parts stand for, the best first; without any of them the first part is taken.
        where: What to call the dataset.

    Returns:
        Its name, and a note where there was a choice.

    Raises:
        InputError: There is no such part.
    """
    parts = ", ".join(f"{name} ({rows} rows)" for name, rows in sizes.items())
    exact = [name for wanted in preferred for name in sizes if name == wanted]
    alike = [name for wanted in preferred for name in sizes if split_of(name) == wanted]
    split = given or next(iter([*exact, *alike, *sizes]), None)
    if split is None or split not in sizes:
        raise InputError(f"{where} has no split {split!r}; it has: {parts or 'none'} (`split`)")
    return split, [] if given or len(sizes) == 1 else [f"took split {split!r} of {parts} (`split`)"]
