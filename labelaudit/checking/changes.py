"""What is different between two versions of a dataset, by the content of the rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

Row = tuple[str, str | None, str | None]  # id, content hash, label


@dataclass(frozen=True)
class Changes:
    """How the rows of a dataset now go with those of before.

    Attributes:
        before: For each row now, the row it was before, None where there was none.
        relabelled: Rows now whose content was there with another label.
        changed: Rows now whose id was there with other content.
        added: Rows now that were not there.
        removed: Rows before that are no longer there.
    """

    before: tuple[int | None, ...]
    relabelled: tuple[int, ...]
    changed: tuple[int, ...]
    added: tuple[int, ...]
    removed: tuple[int, ...]

    @property
    def new(self) -> tuple[int, ...]:
        """Rows now whose label has not been audited, ascending."""
        return tuple(sorted((*self.relabelled, *self.changed, *self.added)))


def compare(before: list[Row], now: list[Row], *, ids_mean_rows: bool) -> Changes:
    """Match rows: by all three, then moved ones by content and label, relabelled by content, changed ones by id.

    Rows of equal content are told apart by their ids where these are the same, and are else matched in order.

    Args:
        before: The rows of the earlier version.
        now: Those of the later one.
        ids_mean_rows: Whether an id names the same thing in both; not so for row numbers.
    """
    partner: dict[int, int] = {}
    free_before, free_now = list(range(len(before))), list(range(len(now)))

    def match(key: Callable[[Row], Hashable]) -> list[int]:
        nonlocal free_before, free_now
        waiting: dict[Hashable, list[int]] = defaultdict(list)
        for row in reversed(free_before):
            if (name := key(before[row])) is not None:
                waiting[name].append(row)
        matched = []
        for row in free_now:
            name = key(now[row])
            if name is not None and waiting.get(name):
                partner[row] = waiting[name].pop()
                matched.append(row)
        taken, found = set(partner.values()), set(matched)
        free_before = [row for row in free_before if row not in taken]
        free_now = [row for row in free_now if row not in found]
        return matched

    match(lambda row: row)
    match(lambda row: None if row[1] is None else (row[1], row[2]))
    relabelled = match(lambda row: None if row[1] is None else (row[0], row[1]))
    relabelled += match(lambda row: row[1])
    changed = match(lambda row: row[0]) if ids_mean_rows else []
    return Changes(
        before=tuple(partner.get(row) for row in range(len(now))),
        relabelled=tuple(sorted(relabelled)),
        changed=tuple(changed),
        added=tuple(free_now),
        removed=tuple(free_before),
    )


def renamed_classes(before: list[Row], now: list[Row], changes: Changes) -> dict[str, str]:
    """Classes that only got another name: new name → old name.

    One is, if every row of it that was there before came from one class, of which no row is left.
    """
    names_before, names_now = {row[2] for row in before}, {row[2] for row in now}
    origins: dict[str, set[str | None]] = defaultdict(set)
    for row in changes.relabelled:
        label, old = now[row][2], changes.before[row]
        if label is not None and old is not None:
            origins[label].add(before[old][2])
    renamed: dict[str, str] = {}
    for name, old_names in origins.items():
        old_name = next(iter(old_names))
        gone = len(old_names) == 1 and old_name is not None and old_name not in names_now
        if name not in names_before and gone and old_name not in renamed.values():
            assert old_name is not None
            renamed[name] = old_name
    return renamed
