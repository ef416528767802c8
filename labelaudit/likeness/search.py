"""The numbers of the nearest other rows: of all rows by blocks, or where there are many, of those in the same cells."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BLOCK = 1 << 25  # distances held at a time
ALL_PRODUCTS = 1.5e12  # up to which each row is compared with all: 150,000 rows of 64 numbers
CELLS_OF = 3  # that each row is put into, those whose centres are nearest
LARGEST_CELL = 10_000  # rows compared with each other, at most


def search(rows: Tensor, count: int, progress: Callable[[int], None]) -> Tensor:
    """Find the nearest other rows by Euclidean distance.

    Up to `ALL_PRODUCTS` the search is exact. Of more rows, 2 √N are centres, each row is put into the cells of the
    three nearest ones, and compared with the rows there: what is much nearer to it than others shares a cell with it.

    Args:
        rows: Shape (N, D), finite.
        count: K < N.
        progress: Called with the number of rows done, N in all.

    Returns:
        Row numbers, shape (N, K), the nearest first.
    """
    if len(rows) * rows.numel() > ALL_PRODUCTS:
        return _search_in_cells(rows, count, progress)
    found, parts, squares = [], _parts(rows, len(rows)), rows.square().sum(1)
    room = torch.empty(len(parts[0][1]), len(rows))  # taken once, not for each part
    for start, part in parts:
        distances = _squared(part, rows, squares, room[: len(part)])
        own = torch.arange(len(part))
        distances[own, own + start] = torch.inf
        found.append(distances.topk(count, largest=False)[1])
        progress(len(part))
    return torch.cat(found)


def _search_in_cells(rows: Tensor, count: int, progress: Callable[[int], None]) -> Tensor:
    """See `search`."""
    size = int(2 * len(rows) ** 0.5)
    centres = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:size]]
    squares = centres.square().sum(1)
    nearest = [_squared(part, centres, squares).topk(CELLS_OF, largest=False)[1] for _, part in _parts(rows, size)]
    cells = torch.cat(nearest)
    order = cells.flatten().argsort(stable=True)
    members = order // CELLS_OF
    found = torch.full((len(rows), count), -1, dtype=torch.int32)
    distances = torch.full((len(rows), count), torch.inf)
    done = 0
    for centre, cell in zip(centres, members.split(cells.flatten().bincount(minlength=size).tolist()), strict=True):
        for group in _groups(rows, cell, centre):
            _put_nearest(rows, group, found, distances)
        now = done + len(cell)
        progress(now // CELLS_OF - done // CELLS_OF)
        done = now
    # A row that shares its cells with fewer than K others has any rows for the rest: they are far away.
    any_rows = (torch.arange(len(rows))[:, None] + torch.arange(1, count + 1)) % len(rows)
    return torch.where(found < 0, any_rows, found)


def _groups(rows: Tensor, cell: Tensor, centre: Tensor) -> list[Tensor]:
    """A cell as it is; one that is too large in overlapping parts by the distance from its centre."""
    if len(cell) <= LARGEST_CELL:
        return [cell]
    ordered = cell[(rows[cell] - centre).norm(dim=1).argsort(stable=True)]
    half = LARGEST_CELL // 2
    return [ordered[start : start + LARGEST_CELL] for start in range(0, len(cell) - half, half)]


def _put_nearest(rows: Tensor, group: Tensor, found: Tensor, distances: Tensor) -> None:
    """Put rows of a group among those found nearest to each other, in place.

    Args:
        rows: Shape (N, D).
        group: Numbers of some.
        found: Row numbers, int32, shape (N, K), −1 for none.
        distances: Squared, shape (N, K).
    """
    members = rows[group]
    squares = members.square().sum(1)
    within = _squared(members, members, squares) + squares[:, None]
    within.fill_diagonal_(torch.inf)
    near, places = within.topk(min(found.shape[1], len(group)), largest=False)
    numbers = torch.cat([found[group], group[places].to(torch.int32)], dim=1)
    both = torch.cat([distances[group], near], dim=1)
    numbers, order = numbers.sort(dim=1, stable=True)
    both = both.gather(1, order)
    both[:, 1:][numbers[:, 1:] == numbers[:, :-1]] = torch.inf  # found in another cell before
    nearest, order = both.topk(found.shape[1], largest=False)
    distances[group], found[group] = nearest, numbers.gather(1, order).where(nearest < torch.inf, -1)


def _parts(rows: Tensor, others: int) -> list[tuple[int, Tensor]]:
    """Parts of the rows whose distances to so many others fit into a block, with where they start."""
    size = max(1, BLOCK // others)
    return [(start, rows[start : start + size]) for start in range(0, len(rows), size)]


def _squared(part: Tensor, rows: Tensor, squares: Tensor, out: Tensor | None = None) -> Tensor:
    """Squared distances of a part from all rows, whose squared lengths are given, but for those of the part, (B, N)."""
    return torch.addmm(squares[None], part, rows.T, alpha=-2, out=out)
