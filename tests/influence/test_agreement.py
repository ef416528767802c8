from __future__ import annotations

import numpy as np
import pytest

from labelaudit.influence.agreement import agreement


def test_measures_by_hand():
    """Squares keep all ranks; the last two then change places."""
    truth = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    perfect = agreement(truth * 1e-9 - 7e-9, truth)
    assert [perfect.pearson, perfect.spearman, perfect.kendall, perfect.jaccard] == pytest.approx([1, 1, 1, 1])
    measured = agreement(np.array([1.0, 4.0, 9.0, 25.0, 16.0]), truth)
    assert measured.pearson == pytest.approx(51 / (10 * 374) ** 0.5)  # −2·1 − 4 + 25 + 2·16; 979 − 5·11²
    assert measured.spearman == pytest.approx(1 - 6 * 2 / (5 * 24))  # 1 − 6 Σd² / n(n² − 1)
    assert measured.kendall == pytest.approx((9 - 1) / 10)
    assert measured.jaccard == 1  # round(0.3 · 5) = 2: rows 3 and 4


def test_jaccard_compares_the_largest_values_not_magnitudes():
    truth = np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0, -3.0, -9.0])
    estimate = truth[[0, 1, 3, 2, 4, 5, 6, 7, 8, 9]]
    assert agreement(estimate, truth).jaccard == 2 / 4  # {0, 1, 3} and {0, 1, 2}
    assert agreement(-truth, truth).jaccard == 0
    assert agreement(estimate, truth, top=0.01).jaccard == 1  # at least one row
    assert agreement(np.array([1.0, 1.0, 0.0]), np.array([1.0, 2.0, 0.0])).jaccard == 0  # the first of the ties


@pytest.mark.parametrize(
    ("estimate", "truth"), [([0.1] * 4, [1, 2, 3, 4]), ([1, 2, 3, 4], [0] * 4), ([1] * 3, [1] * 3)]
)
def test_a_constant_agrees_with_nothing(estimate, truth):
    measured = agreement(np.array(estimate, float), np.array(truth, float))
    assert np.isnan([measured.pearson, measured.spearman, measured.kendall, measured.jaccard]).all()


@pytest.mark.parametrize(
    ("estimate", "truth", "message"),
    [
        (np.arange(3.0), np.arange(4.0), r"same shape \(N,\), not \(3,\) and \(4,\)"),
        (np.ones((3, 1)), np.ones((3, 1)), "same shape"),
        (np.arange(2.0), np.arange(2.0), "at least 3 values, not 2"),
        (np.array([0, 1, np.nan]), np.arange(3.0), "estimate has values that are not finite"),
        (np.ones(3), np.array([0, 1, np.inf]), "truth has values that are not finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(estimate, truth, message):
    with pytest.raises(ValueError, match=message):
        agreement(estimate, truth)
