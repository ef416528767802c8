"""Reasons one can see: a table's row beside its nearest rows, and the words of a text that speak for a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup, escape

from labelaudit.data.tokens import occurrences
from labelaudit.report.escaping import shorten, visible
from labelaudit.report.previews import CELLS_ALL, NAME_LENGTH, cell_text

BESIDE = 2  # nearest rows of each class
MOST_TERMS = 12  # of each class
FIRST_COLUMNS = 10  # always shown, those that differ before the others


@dataclass(frozen=True)
class Compared:
    """A column of a row, beside that of its nearest rows.

    Attributes:
        name: The column.
        own: The row's value.
        others: (value, whether it differs) of each of the nearest rows, those of the suggested class first.
    """

    name: str
    own: str
    others: tuple[tuple[str, bool], ...]

    @property
    def differs(self) -> bool:
        """Whether any of the nearest rows has another value."""
        return any(other for _, other in self.others)


@dataclass(frozen=True)
class Comparison:
    """A row of a table beside its nearest rows.

    Attributes:
        suggested: How many of these have the suggested class.
        given: How many have the given class.
        first: The columns always shown, in the table's order.
        more: Those shown on demand.
        left_out: How many further columns there are.
    """

    suggested: int
    given: int
    first: tuple[Compared, ...]
    more: tuple[Compared, ...]
    left_out: int


def compare_rows(frame: pd.DataFrame, row: int, suggested: Sequence[int], given: Sequence[int]) -> Comparison | None:
    """Put a row beside the nearest ones; None if there are none.

    Args:
        frame: All rows.
        row: The row's place.
        suggested: Places of the nearest rows of the suggested class.
        given: Those of the given class.
    """
    suggested, given = suggested[:BESIDE], given[:BESIDE]
    beside = [*suggested, *given]
    if not beside:
        return None
    columns = []
    for at, name in enumerate(frame.columns):
        own = cell_text(frame.iat[row, at])
        others = tuple((value, value != own) for value in (cell_text(frame.iat[other, at]) for other in beside))
        columns.append(Compared(shorten(str(name), NAME_LENGTH), own, others))
    order = sorted(range(len(columns)), key=lambda at: not columns[at].differs)  # stable
    first, more = sorted(order[:FIRST_COLUMNS]), sorted(order[FIRST_COLUMNS:CELLS_ALL])
    return Comparison(
        len(suggested),
        len(given),
        tuple(columns[at] for at in first),
        tuple(columns[at] for at in more),
        max(0, len(columns) - CELLS_ALL),
    )


def mark_terms(
    text: str, given: Sequence[str] | None, suggested: Sequence[str] | None, *, within_words: bool
) -> Markup:
    """A text, fit to stand in a page, with the terms marked that speak for its given class and for the suggested one.

    Where two terms overlap, the one that begins first is marked, the longer one of those.

    Args:
        text: The text.
        given: Terms that speak for the given class.
        suggested: Terms that speak for the suggested class.
        within_words: Whether terms are characters, which stand within words.
    """
    found = []
    for kind, terms in (("given", given), ("suggested", suggested)):
        for term in (terms or ())[:MOST_TERMS]:
            found += [(start, -end, kind) for start, end in occurrences(term, text, within_words=within_words)]
    parts: list[Markup] = []
    place = 0
    for start, minus_end, kind in sorted(found):
        if start < place:
            continue
        parts.append(escape(visible(text[place:start], lines=True)))
        parts.append(Markup('<mark class="for-{}">{}</mark>').format(kind, visible(text[start:-minus_end], lines=True)))
        place = -minus_end
    parts.append(escape(visible(text[place:], lines=True)))
    return Markup("").join(parts)
