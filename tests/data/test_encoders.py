from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelaudit.data.content import Cells, Texts, Vectors
from labelaudit.data.encoders import LARGEST_SQUARED_NORM, encode, join
from labelaudit.errors import InputError

ALL = np.arange(4)


def test_vectors_are_standardised_by_the_rows_they_are_fitted_on():
    values = np.array([[1, 5], [3, 5], [100, 5], [np.nan, 5]], dtype=np.float32)
    encoded = encode(Vectors(values), np.array([0, 1]))
    assert encoded.dtype == np.float32
    # mean 2 and deviation 1 of the first two; the second column does not vary; nothing is 0
    assert encoded.tolist() == [[-1, 0], [1, 0], [98, 0], [-2, 0]]


def test_long_rows_are_shortened_by_one_factor():
    values = np.random.default_rng(0).normal(size=(200, 1000)).astype(np.float32)
    encoded = encode(Vectors(values), np.arange(200))
    assert np.square(encoded).sum(1).mean() == pytest.approx(LARGEST_SQUARED_NORM, rel=1e-4)
    standard = (values - values.mean(0)) / values.std(0)
    assert np.allclose(encoded, standard * (LARGEST_SQUARED_NORM / 1000) ** 0.5, atol=1e-4)


def test_cells_become_numbers_marks_of_missing_ones_and_categories():
    frame = pd.DataFrame(
        {
            "age": [1.0, np.nan, 5.0, 3.0],
            "town": ["Rome", "Oslo", None, "Rome"],
            "same": ["x", "x", "x", "x"],
            "unseen": [1.0, 1.0, 1.0, 9.0],
        }
    )
    encoded = encode(Cells(frame), np.array([0, 1, 2]))
    # age: median 3 for the missing one, so 1, 3, 5, 3 with mean 3; its mark: 0, 1, 0, 0 with mean 1/3
    deviation = (8 / 3) ** 0.5
    mark = [(value - 1 / 3) / (2 / 9) ** 0.5 for value in (0, 1, 0, 0)]
    assert np.allclose(encoded[:, 0], [-2 / deviation, 0, 2 / deviation, 0], atol=1e-6)
    assert np.allclose(encoded[:, 1], mark, atol=1e-6)
    # (missing), Oslo, Rome; columns that do not vary where the encoder was fitted are left out
    assert encoded[:, 2:].tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1]]


def test_rare_categories_share_a_column():
    towns = [f"town {number}" for number in range(150) for _ in range(2)] + ["new"]
    encoded = encode(Cells(pd.DataFrame({"town": towns})), np.arange(300))
    assert encoded.shape == (301, 100)
    assert encoded[-1].nonzero()[0].tolist() == [99]  # an unseen one is rare, too


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Cells(pd.DataFrame({"x": [1.0, 1, 1, 1]})), r"every column is the same in all rows \(x\)"),
        (Vectors(np.ones((4, 3), np.float32)), "all rows are alike"),
    ],
)
def test_rows_without_differences(content, message):
    with pytest.raises(InputError, match=message):
        encode(content, ALL)


def test_joining_needs_the_same_columns():
    one, other = Cells(pd.DataFrame({"a": [1.0], "b": [2.0]})), Cells(pd.DataFrame({"b": [4.0], "a": [3.0]}))
    assert join([one, other]).frame.to_dict("list") == {"a": [1, 3], "b": [2, 4]}
    with pytest.raises(InputError, match=r"different columns \(b, c\)"):
        join([one, Cells(pd.DataFrame({"a": [1.0], "c": [2.0]}))])
    with pytest.raises(InputError, match=r"another length \(2 and 3\)"):
        join([Vectors(np.ones((1, 3), np.float32)), Vectors(np.ones((1, 2), np.float32))])
    assert join([Texts(("a",)), Texts((None,))]).values == ("a", None)
