"""What is to be audited, with nothing left open but what the audit finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labelaudit.audit.setup import may_be_refitted
from labelaudit.audit.stages import AuditSize
from labelaudit.data.batches import Batches
from labelaudit.data.copies import Copies
from labelaudit.data.splits import Fold
from labelaudit.models.flat import FlatModel
from labelaudit.types import Rows


@dataclass(frozen=True)
class View:
    """What networks get of the rows, and the networks.

    Attributes:
        batches: All rows, as mini-batches.
        network: Makes the network of a fold from the fold's index and a seed.
    """

    batches: Batches
    network: Callable[[int, int], FlatModel]


@dataclass(frozen=True)
class AuditTask:
    """What is to be audited.

    Attributes:
        view: What the networks get whose influence is tracked.
        folds: Which rows train and which are the query. With several, each training row is a query row elsewhere.
        rows: N; rows 0 … N − 1 are audited, and scored if a fold trains on them.
        classes: C.
        second_view: Another encoding of the rows, on which networks are trained as well, untracked; None without one.
        new_rows: Rows that are trained on for fewer epochs than the others; None without a warm start.
        table: The columns that trees, too, learn from; None without trees. Row numbers are those of the batches.
        small: Whether a fine-tune costs little (`is_small`), so that networks may be trained once more (`cross_fit`).
        advice: From the held-out accuracy and what always naming the most frequent class would reach, what to do about
            a network that is too weak to tell wrong labels from hard rows; None where it is not.
        order: The audited rows by their content (`by_content`), for the trees' folds; None for that of the input.
        copies: Which rows hold the same; None if none do.
        together: What rows have to share a fold, see `kept_together`; None if none have to.
    """

    view: View
    folds: list[Fold]
    rows: int
    classes: int
    second_view: View | None = None
    new_rows: Rows | None = None
    table: pd.DataFrame | None = None
    small: bool = False
    advice: Callable[[float, float], str | None] = lambda accuracy, most_frequent: None
    order: Rows | None = None
    copies: Copies | None = None
    together: Rows | None = None

    @property
    def scored(self) -> Rows:
        """The rows that some fold trains on, ascending."""
        return np.unique(np.concatenate([fold.train for fold in self.folds]))

    @property
    def views(self) -> list[View]:
        """The view, and the second one if there is one."""
        return [self.view] if self.second_view is None else [self.view, self.second_view]

    @property
    def may_be_refitted(self) -> bool:
        """Whether networks are trained once more without the suspects (`cross_fit`), where no trees say as much."""
        return self.new_rows is None and may_be_refitted(len(self.folds), small=self.small)

    @property
    def size(self) -> AuditSize:
        """What decides how long it takes."""
        return AuditSize(
            rows=len(self.scored),
            classes=self.classes,
            folds=len(self.folds),
            second_view=self.second_view is not None,
            refitted=self.may_be_refitted,
            trees=self.table is not None,
        )
