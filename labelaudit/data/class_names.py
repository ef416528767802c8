"""Class names that look like one and the same: each is a label error of many rows at once."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_FREQUENT = 5  # rows, from which on a class is one that another may be a misspelling of
_SHORTEST = 4  # letters, from which on one wrong letter is taken for a misspelling


@dataclass(frozen=True)
class Twins:
    """Class names that look like one.

    Attributes:
        names: The most frequent one first.
        rows: How many rows each has.
        reason: In what they differ.
    """

    names: tuple[str, ...]
    rows: tuple[int, ...]
    reason: str

    def __str__(self) -> str:
        """All names and their rows, in words."""
        named = ", ".join(
            f"{name!r} ({rows} row{'s' if rows > 1 else ''})" for name, rows in zip(self.names, self.rows, strict=True)
        )
        return f"{named}: {self.reason}"


def class_name_twins(labels: Iterable[str | None]) -> tuple[Twins, ...]:
    """Find class names that differ only in blanks, capitals, accents' encoding or as numbers, and misspelt ones.

    A misspelling is a class of one row whose name is one letter from that of a class of at least 5 rows.
    """
    rows = Counter(label for label in labels if label is not None)
    groups: dict[str, list[str]] = defaultdict(list)
    for name in rows:
        groups[_key(name)].append(name)
    found = [
        _twins(
            names,
            rows,
            "they differ in blanks, capitals or how characters are encoded"
            if _number(key) is None
            else "they are the same number",
        )
        for key, names in groups.items()
        if len(names) > 1
    ]
    together = {name for twins in found for name in twins.names}
    found += [
        _twins([name, other], rows, "they differ in one letter")
        for name, other in _misspelt(rows)
        if not {name, other} <= together
    ]
    return tuple(sorted(found, key=lambda twins: twins.names))


def twins_note(twins: tuple[Twins, ...]) -> str | None:
    """All that look like one, in words; None if none do."""
    if not twins:
        return None
    more = f"; and {len(twins) - 3} more" if len(twins) > 3 else ""
    return "class names that look like one: " + "; ".join(map(str, twins[:3])) + more


def _twins(names: list[str], rows: Mapping[str, int], reason: str) -> Twins:
    ordered = tuple(sorted(names, key=lambda name: (-rows[name], name)))
    return Twins(ordered, tuple(rows[name] for name in ordered), reason)


def _key(name: str) -> str:
    """What names that look alike have in common."""
    text = unicodedata.normalize("NFKC", name)
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf").strip()  # Cf: invisible
    if (number := _number(text)) is not None:
        return repr(number + 0.0)
    text = re.sub(r"(?<=\w)[\s_-]+(?=\w)", " ", text)
    return text if len(text) == 1 else unicodedata.normalize("NFKC", text.casefold())  # the letters a and A are two


def _number(text: str) -> float | None:
    try:
        return float(text) if re.fullmatch(r"[+-]?\d+(\.\d*)?", text) else None
    except ValueError:
        return None


def _misspelt(rows: Mapping[str, int]) -> Iterable[tuple[str, str]]:
    frequent: dict[str, set[str]] = defaultdict(set)  # by the name with any one letter or none left out
    for name, count in rows.items():
        if count >= _FREQUENT:
            for shortened in _shortened(name):
                frequent[shortened].add(name)
    for name, count in rows.items():
        if count == 1:
            near = {other for shortened in _shortened(name) for other in frequent.get(shortened, ())}
            for other in sorted(near):
                if max(len(name), len(other)) >= _SHORTEST and _one_letter_apart(name, other):
                    yield name, other


def _shortened(name: str) -> set[str]:
    return {name, *(name[:place] + name[place + 1 :] for place in range(len(name)))}


def _one_letter_apart(one: str, other: str) -> bool:
    """Whether one letter (no digit) too many, too few or wrong, or two exchanged, make one name the other."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    exchanged = len(left) == len(right) == 2 and left == right[::-1]
    return (exchanged or (len(left) <= 1 and len(right) <= 1)) and (left + right).isalpha()
