"""Gradient-boosted trees on the columns of a table: what they predict of rows they were not fitted on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import OrdinalEncoder

from labelaudit.data.splits import cross_audit, most_parts
from labelaudit.types import Floats, Labels, Rows

ITERATIONS, LEARNING_RATE, LEAVES = 100, 0.05, 15
ROWS_OF_LEAF = 20  # at least; of classes with fewer rows trees learn nothing
PARTS = 5
MOST_WORK = 60_000_000  # cells for each tree of an iteration; some five minutes of one processor
FEWEST_CELLS = 50_000  # that a tree costs as much as
MOST_CATEGORIES = 254  # in one column; a histogram has 255 bins, and the rarer categories share the last one


def too_much_work(rows: int, columns: int, classes: int) -> bool:
    """Whether the trees of a table would take more than some five minutes: an iteration has one for each class."""
    return max(rows * columns, FEWEST_CELLS) * (1 if classes == 2 else classes) > MOST_WORK


def too_few_rows(rows: int, classes: int) -> bool:
    """Whether classes have fewer rows than a leaf, on average."""
    return rows < ROWS_OF_LEAF * classes


class Trees:
    """The columns of a table as histograms take them, and the fits on parts of its rows.

    Attributes:
        values: Numbers as they are and categories as codes from 0, NaN where a cell is empty, float64, shape (N, D).
        is_category: Which columns hold categories, shape (D,).
    """

    def __init__(self, frame: pd.DataFrame, rows: Rows) -> None:
        """Encode a table's columns; those that are the same in all of the given rows are left out."""
        fitted = frame.iloc[rows]
        varied = [name for name in frame.columns if fitted[name].nunique(dropna=False) > 1]
        numbers = [name for name in varied if pd.api.types.is_numeric_dtype(frame[name].dtype)]
        categories = [name for name in varied if name not in numbers]
        columns = [frame[numbers].to_numpy(np.float64)]
        if categories:
            texts = frame[categories].astype(object).where(frame[categories].notna(), np.nan)
            encoder = OrdinalEncoder(
                handle_unknown="use_encoded_value",
                unknown_value=np.nan,
                encoded_missing_value=np.nan,
                max_categories=MOST_CATEGORIES,
            )
            columns.append(encoder.fit(texts.iloc[rows]).transform(texts))
        self.values: Floats = np.concatenate(columns, axis=1)
        self.is_category: NDArray[np.bool_] = np.arange(len(varied)) >= len(numbers)

    def out_of_fold(
        self,
        labels: Labels,
        rows: Rows,
        classes: int,
        seed: int,
        advance: Callable[[int], None],
        together: Rows | None = None,
    ) -> Floats:
        """Log-probabilities of rows by trees that were fitted on the other parts of them.

        Args:
            labels: Class indices of all rows of the table.
            rows: Those to fit on and to predict, in the order in which they are dealt out to the parts, shape (n,).
            classes: C.
            seed: Of the parts.
            advance: Told of the rows that each of the parts' trees cost.
            together: The group that each of the rows is in, −1 for none, shape (n,): a group shares a part.

        Returns:
            Shape (n, C).
        """
        parts = min(PARTS, most_parts(labels[rows], together))
        log_p = np.full((len(rows), classes), np.nan)
        for fold in cross_audit(np.arange(len(rows)), labels[rows], seed, parts, together):
            log_p[fold.query] = self.fit_and_predict(labels, rows[fold.train], rows[fold.query], classes)
            advance(len(rows))
        return log_p

    def fit_and_predict(
        self, labels: Labels, train: Rows, query: Rows, classes: int, iterations: int = ITERATIONS
    ) -> Floats:
        """Log-probabilities of the query rows, none of a class below that of one row more than there are."""
        present = np.unique(labels[train])
        p = np.zeros((len(query), classes))
        if len(present) == 1:
            p[:, present[0]] = 1
        else:
            trees = HistGradientBoostingClassifier(
                max_iter=iterations,
                learning_rate=LEARNING_RATE,
                max_leaf_nodes=LEAVES,
                min_samples_leaf=ROWS_OF_LEAF,
                categorical_features=self.is_category,
                early_stopping=False,
                random_state=0,
            )
            p[:, present] = trees.fit(self.values[train], labels[train]).predict_proba(self.values[query])
        known = len(train) / (len(train) + classes)
        log_p: Floats = np.log(known * p + (1 - known) / classes)
        return log_p
