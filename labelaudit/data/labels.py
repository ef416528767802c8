"""Label cells → class names: what has no label, what has several, what is a quantity and no class."""

from __future__ import annotations

import ast
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelaudit.errors import InputError

NO_CLASS = frozenset({"nan", "<na>", "nat", "#n/a"})
"""Texts that are no class name in any capitals: what programs write where a value is missing."""
_PERHAPS_NO_CLASS = frozenset({"na", "n/a", "null", "none", "?", "unlabeled", "unlabelled"})
_WHOLE = re.compile(r"[+-]?\d+")
_PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_LOWER_WORDS = re.compile(r"[a-z][a-z _-]*")
_MULTI_LABEL = (
    "holds several labels a row (multi-label), such as {example}, which cannot be audited: keep one label a row, or "
    "audit each label by itself as a column of yes and no{hint}"
)


@dataclass(frozen=True)
class Labels:
    """The labels of a dataset.

    Attributes:
        names: A class name for each row, None where there is none.
        order: All class names in the source's own order; empty if it has none.
        notes: What was taken for what, in words.
    """

    names: tuple[str | None, ...]
    order: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def name_labels(
    values: Sequence[Any], where: str, known: Sequence[str] = (), classes: tuple[str, ...] | None = None
) -> Labels:
    """Name the class of each row.

    Args:
        values: Text, bytes, whole numbers, truth values, or lists of one of these; None or NaN where there is none.
        where: What to call the labels in messages.
        known: Names of the classes 0, 1, …; empty if numbers have no names.
        classes: All class names as the user gave them; then numbers with fractions, combinations and −1 may be classes.

    Raises:
        InputError: They are quantities, several a row, not among `classes`, or none at all.
    """
    values = [_plain(value, where) for value in values]
    counts: Counter[Any] = Counter((type(value).__name__, value) for value in values if value is not None)
    _check_quantities(counts, where, classes)
    names: dict[tuple[str, Any], str | None] = {}
    for kind, value in counts:
        names[kind, value] = _name(value, known)
    notes = _drop_missing(names, counts, known, classes)
    _strip_where_harmless(names, classes)
    rows_of = Counter[str]()
    for key, name in names.items():
        if name is not None:
            rows_of[name] += counts[key]
    if not rows_of:
        raise InputError(f"{where} is empty: no row has a label")
    if classes is None:
        _check_single(rows_of, where)
    elif unknown := [name for name in rows_of if name not in classes]:
        raise InputError(
            f"{where}: {unknown[0]!r} ({rows_of[unknown[0]]} rows) is none of `classes` {','.join(classes[:20])}"
        )
    named = tuple(None if value is None else names[type(value).__name__, value] for value in values)
    return Labels(named, tuple(classes or known), tuple(notes))


def _plain(value: Any, where: str) -> Any:
    """A cell as text, a number or a truth value; the only element of a list; None for nothing."""
    if isinstance(value, str):
        value = value if value.strip() else None
        if value is not None and value.strip()[0] in "[{(" and (inside := _written_list(value.strip())) is not None:
            return _plain(inside, where)
        return value
    if value is None or value is True or value is False or type(value) is int:
        return value
    if isinstance(value, bytes):
        try:
            return _plain(value.decode(), where)
        except UnicodeDecodeError as error:
            raise InputError(f"{where} holds bytes that are no text: labels must be text or whole numbers") from error
    if isinstance(value, dict) and set(value) == {"choices"}:  # Label Studio's
        return _plain(value["choices"], where)
    if isinstance(value, (list, tuple, set)):
        if len(value) > 1:
            raise InputError(f"{where} " + _MULTI_LABEL.format(example=repr(list(value)[:5]), hint=""))
        return _plain(next(iter(value), None), where)
    if hasattr(value, "item") and not hasattr(value, "__len__"):  # NumPy's and torch's scalars
        return _plain(value.item(), where)
    number = _number(value)
    if number is None:
        raise InputError(f"{where} holds {type(value).__name__} values: labels must be text or whole numbers")
    if math.isnan(number):
        return None
    return int(number) if number.is_integer() else number


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan if str(value) in ("<NA>", "NaT") else None


def _written_list(text: str) -> Any:
    """A list, or Label Studio's choices, that was written as text; None if it is neither."""
    if text[0] == "{" and '"choices"' not in text:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, (list, tuple)) or (isinstance(value, dict) and set(value) == {"choices"}):
            return value
    return None


def _name(value: Any, known: Sequence[str]) -> str:
    if type(value) is int and 0 <= value < len(known):
        return str(known[value])
    return str(value)


def _check_quantities(counts: Counter[Any], where: str, classes: tuple[str, ...] | None) -> None:
    """Refuse numbers with fractions, written or not."""
    if classes is not None:
        return
    texts = [value.strip() for kind, value in counts if kind == "str" and value.strip().lower() not in NO_CLASS]
    fractions = [value for kind, value in counts if kind == "float"]
    if texts and all(_NUMBER.fullmatch(text) for text in texts):
        numbers = [float(text.replace(",", ".")) for text in texts]
        fractions += [text for text, number in zip(texts, numbers, strict=True) if not number.is_integer()]
    if fractions:
        raise InputError(
            f"{where} holds fractions, such as {fractions[0]}: labels must be classes, not quantities (if "
            "these are classes, name all of them with `classes`)"
        )


def _drop_missing(
    names: dict[tuple[str, Any], str | None],
    counts: Counter[Any],
    known: Sequence[str],
    classes: tuple[str, ...] | None,
) -> list[str]:
    """Take the names that mean that there is no label out; say how many rows have them."""
    notes = []
    for key, name in list(names.items()):
        if name is not None and name.strip().lower() in NO_CLASS and name not in (*known, *(classes or ())):
            names[key] = None
            notes.append(f"{counts[key]} labels {name!r} are read as no label")
    whole = {key: int(name) for key, name in names.items() if name is not None and _WHOLE.fullmatch(name.strip())}
    numbered = [number for key, number in whole.items() if key[0] == "int"] if known else []
    others = set(numbered or whole.values()) - {-1}
    if known or (len(whole) == sum(name is not None for name in names.values()) and min(others, default=-1) >= 0):
        for key, number in whole.items():
            counted = {value: sum(counts[key] for key in whole if whole[key] == value) for value in whole.values()}
            is_class = not known and (others == {1} or _is_sentiment(counted))
            if number == -1 and not is_class and names[key] not in (classes or ()):
                names[key] = None
                notes.append(f"{counts[key]} labels −1 are read as no label (name all `classes` if it is one)")
    for key, name in names.items():
        if name is not None and name.strip().lower() in _PERHAPS_NO_CLASS and classes is None and not known:
            notes.append(
                f"{name!r} ({counts[key]} rows) is read as a class; leave the cells empty if it means no label"
            )
    return notes


def _is_sentiment(counted: Mapping[int, int]) -> bool:
    """Whether −1, 0 and 1 are three classes: −1 is neither as rare nor as frequent as missing labels are."""
    if set(counted) != {-1, 0, 1}:
        return False
    low, high = sorted((counted[0], counted[1]))
    return low / 2 <= counted[-1] <= 2 * high


def _strip_where_harmless(names: dict[tuple[str, Any], str | None], classes: tuple[str, ...] | None) -> None:
    """Leave blanks around names out, unless two names are then one: these are to be told."""
    present = {name for name in names.values() if name is not None}
    stripped = {name: name.strip() for name in present}
    if classes is not None or len(set(stripped.values())) < len(present):
        return
    for key, name in names.items():
        names[key] = None if name is None else stripped[name]


def _check_single(rows_of: Mapping[str, int], where: str) -> None:
    """Refuse names that are several labels in one, as "comedy,drama" or "a|b"."""
    for separator in ("|", ";", ","):
        combined = {name: [part.strip() for part in name.split(separator)] for name in rows_of if separator in name}
        if sum(rows_of[name] for name in combined) < 2 or any("" in parts for parts in combined.values()):
            continue
        names_with = Counter(part for name in rows_of for part in {part.strip() for part in name.split(separator)})
        shared = [name for name, parts in combined.items() if all(names_with[part] > 1 for part in parts)]
        written = [
            name
            for name, parts in combined.items()
            if separator != "," or (", " not in name and all(_LOWER_WORDS.fullmatch(part) for part in parts))
        ]
        several = [name for name in combined if name in shared or name in written]
        if len(several) > len(combined) / 2:
            hint = "; if each of these names is one class, name all of them with `classes`"
            raise InputError(f"{where} " + _MULTI_LABEL.format(example=repr(several[0]), hint=hint))


def in_order(names: set[str], order: Sequence[str]) -> tuple[str, ...]:
    """Class names in a source's own order; without one numbers by size, all else by name."""
    if order:
        place = {name: number for number, name in enumerate(order)}
        return tuple(sorted(names, key=lambda name: (place.get(name, len(place)), name)))
    if all(_PLAIN_NUMBER.fullmatch(name.strip()) for name in names):
        return tuple(sorted(names, key=lambda name: (float(name), name)))
    return tuple(sorted(names))
