from __future__ import annotations

import pytest
from scipy.stats import binom, binomtest

from labelaudit.detection.spot_check import wrong_at_least, wrong_between


@pytest.mark.parametrize(("wrong", "checked"), [(27, 30), (1, 30), (30, 30), (5, 8)])
def test_the_bound_is_the_share_that_shows_as_many_in_one_of_twenty_draws(wrong, checked):
    share = wrong_at_least(wrong, checked)
    assert binom.sf(wrong - 1, checked, share) == pytest.approx(0.05)


def test_bounds_of_a_spot_check_by_scipy():
    assert wrong_at_least(27, 30) == pytest.approx(0.7614, abs=1e-4)
    assert wrong_at_least(0, 30) == 0
    for wrong in (0, 3, 30):
        exact = binomtest(wrong, 30).proportion_ci(0.95, method="exact")
        assert wrong_between(wrong, 30) == pytest.approx((exact.low, exact.high))
