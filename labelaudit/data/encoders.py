"""Tables and vectors → numbers a network can take, fitted without looking at the labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from labelaudit.data.content import Cells, Content, Texts, Vectors
from labelaudit.errors import InputError
from labelaudit.types import Rows

FeatureContent = Texts | Cells | Vectors
Matrix = NDArray[np.float32]

MOST_CATEGORIES = 100  # in one column; the rarer ones become one
LARGEST_SQUARED_NORM = (
    256.0  # of a row, on average: with more, one learning rate could not suit all numbers of features
)


def encode(content: Cells | Vectors, fit_on: Rows) -> Matrix:
    """Encode all rows with an encoder fitted on some.

    Numbers of a table are standardised, missing ones replaced by the median and marked; categories become one-hot,
    missing being one of them; vectors are standardised. Finally all are scaled by one factor, so that rows are not too
    long for the usual learning rates.

    Args:
        content: N rows.
        fit_on: The rows to fit on, all of them with content.

    Returns:
        Shape (N, D); zeros for rows without content.

    Raises:
        InputError: Nothing is left to tell the rows apart by.
    """
    if isinstance(content, Cells):
        matrix = _encode_cells(content.frame, fit_on)
    else:
        values = np.nan_to_num(content.values)
        matrix = StandardScaler().fit(values[fit_on]).transform(values)
    squared_norm = float(np.square(matrix[fit_on], dtype=np.float64).sum(1).mean())
    if squared_norm == 0:
        raise InputError("all rows are alike: nothing is left to tell their classes apart by")
    scaled: Matrix = (matrix * min(1.0, (LARGEST_SQUARED_NORM / squared_norm) ** 0.5)).astype(np.float32)
    return scaled


def _encode_cells(frame: pd.DataFrame, fit_on: Rows) -> Matrix:
    fitted = frame.iloc[fit_on]
    varied = [name for name in frame.columns if fitted[name].nunique(dropna=False) > 1]
    numbers = [name for name in varied if pd.api.types.is_numeric_dtype(frame[name].dtype)]
    categories = [name for name in varied if name not in numbers]
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
            (
                "categories",
                OneHotEncoder(
                    handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES, sparse_output=False
                ),
                categories,
            ),
        ]
    )
    if not varied:
        raise InputError(f"every column is the same in all rows ({', '.join(map(str, frame.columns))})")
    frame = frame.assign(**{name: frame[name].fillna("(missing)").astype(str) for name in categories})
    frame[numbers] = frame[numbers].astype(np.float64)
    matrix: Matrix = columns.fit(frame.iloc[fit_on]).transform(frame)
    return matrix


def join(parts: Sequence[Content]) -> FeatureContent:
    """Rows of one kind, one after the other.

    Raises:
        InputError: They have different columns, or vectors of different length.
    """
    first = parts[0]
    if isinstance(first, Texts):
        return Texts(tuple(value for part in parts if isinstance(part, Texts) for value in part.values))
    if isinstance(first, Cells):
        frames = [part.frame for part in parts if isinstance(part, Cells)]
        for frame in frames[1:]:
            if set(frame.columns) != set(frames[0].columns):
                different = ", ".join(sorted(map(str, set(frame.columns) ^ set(frames[0].columns))))
                raise InputError(
                    f"the tables have different columns ({different}); see `feature_columns`", option="test"
                )
        return Cells(pd.concat(frames, ignore_index=True))
    vectors = [part.values for part in parts if isinstance(part, Vectors)]
    lengths = sorted({part.shape[1] for part in vectors})
    if len(lengths) > 1:
        raise InputError(f"its vectors have another length ({lengths[0]} and {lengths[1]})", option="test")
    return Vectors(np.concatenate(vectors))
