"""Boosted trees on tables: what columns become, and that no row is predicted by trees that saw it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold

from labelaudit.progress import ignore
from labelaudit.training.trees import MOST_CATEGORIES, ROWS_OF_LEAF, Trees, too_few_rows, too_much_work


def all_rows(frame):
    return np.arange(len(frame))


def test_columns_become_numbers_codes_and_gaps():
    frame = pd.DataFrame(
        {
            "city": ["b", "a", None, "c", "b"],
            "same": [1] * 5,
            "age": [3.5, None, 1.0, 2.0, 9.0],
            "on": [True, False, True, False, True],
        }
    )
    trees = Trees(frame, np.array([0, 1, 2, 4]))  # `c` is in no row that is fitted on
    nan = np.nan
    np.testing.assert_array_equal(trees.is_category, [False, False, True])
    np.testing.assert_array_equal(trees.values, [[3.5, 1, 1], [nan, 0, 0], [1.0, 1, nan], [2.0, 0, nan], [9.0, 1, 1]])


def test_the_rarest_of_many_categories_share_a_code():
    names = [f"n{number}" for number in range(400)]
    frame = pd.DataFrame({"name": names[:100] * 3 + names})
    codes = Trees(frame, all_rows(frame)).values[:, 0]
    assert len(np.unique(codes)) == MOST_CATEGORIES
    assert len(np.unique(codes[:100])) == 100  # those that are frequent keep one each


def noisy_table(rows=120, seed=0):
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(generator.normal(size=(rows, 3)), columns=list("abc"))
    labels = (frame["a"] * frame["b"] > 0).to_numpy().astype(np.int64) + (frame["c"] > 0.8).to_numpy()
    return frame, labels


def test_each_row_is_predicted_by_trees_that_were_fitted_on_the_other_parts():
    frame, labels = noisy_table()
    rows = np.random.default_rng(1).permutation(len(frame))[:100]
    found = Trees(frame, rows).out_of_fold(labels, rows, 3, 7, ignore)
    expected = np.full((100, 3), np.nan)
    x, y = frame.to_numpy()[rows], labels[rows]
    for train, query in StratifiedKFold(5, shuffle=True, random_state=7).split(x, y):
        model = HistGradientBoostingClassifier(
            max_iter=100, learning_rate=0.05, max_leaf_nodes=15, early_stopping=False
        )
        expected[query] = (len(train) * model.fit(x[train], y[train]).predict_proba(x[query]) + 1) / (len(train) + 3)
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-9)


def test_the_order_of_the_table_decides_nothing():
    frame, labels = noisy_table()
    rows = all_rows(frame)
    moved = np.random.default_rng(3).permutation(rows)  # row k of the shuffled table was row moved[k]
    place = np.argsort(moved)
    first = Trees(frame, rows).out_of_fold(labels, rows, 3, 0, ignore)
    second = Trees(frame.iloc[moved], rows).out_of_fold(labels[moved], place, 3, 0, ignore)
    np.testing.assert_array_equal(first, second)


def test_classes_that_were_not_seen_have_the_probability_of_one_row_more():
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]})
    log_p = Trees(frame, all_rows(frame)).fit_and_predict(np.array([1, 1, 1, 0]), np.arange(3), np.array([3]), 3)
    np.testing.assert_allclose(np.exp(log_p), [[1 / 6, 4 / 6, 1 / 6]])


def test_no_more_parts_than_the_largest_class_has_rows():
    frame, labels = pd.DataFrame({"a": np.arange(6.0)}), np.array([0, 0, 1, 1, 2, 2])
    told = []
    log_p = Trees(frame, all_rows(frame)).out_of_fold(labels, all_rows(frame), 3, 0, told.append)
    assert told == [6, 6]
    assert np.isfinite(log_p).all()


@pytest.mark.parametrize(
    ("rows", "columns", "classes", "too_much"),
    [(6_000_000, 10, 2, False), (6_000_001, 10, 2, True), (2_000_000, 10, 3, False), (10, 2, 1200, False),
     (10, 2, 1201, True)],
)  # fmt: skip  # data, read as a table
def test_cells_and_classes_are_what_trees_cost(rows, columns, classes, too_much):
    assert too_much_work(rows, columns, classes) is too_much


def test_classes_need_as_many_rows_as_a_leaf_holds():
    assert ROWS_OF_LEAF == 20
    assert too_few_rows(59, 3)
    assert not too_few_rows(60, 3)
