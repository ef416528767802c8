from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelaudit import scan


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    label = draw.integers(0, 3, 60)
    columns = {f"c{i}": draw.normal(size=60) + (label == i) * 3 for i in range(3)}
    names = np.array(["a", "b", "c"], dtype=object)[label]
    names[7] = None
    return pd.DataFrame(columns | {"label": names})


@pytest.mark.parametrize(
    "options", [{}, {"optimizer": "adamw", "schedule": "cosine", "estimator": "visited"}, {"test_fraction": 0.3}]
)
def test_the_last_epoch_is_the_influence_of_the_scan(frame, options):
    report = scan(frame, model="dnn", epochs=3, over_epochs=True, **options).to_pandas()
    scored = report["rank"].notna()
    assert scored.sum() >= 41
    assert report.loc[~scored, "influence_by_epoch"].isna().all()
    by_epoch = np.array(report.loc[scored, "influence_by_epoch"].tolist())
    assert by_epoch.shape == (scored.sum(), 3)
    assert by_epoch[:, 2].tolist() == report.loc[scored, "influence"].tolist()
    assert (by_epoch[:, 0] != by_epoch[:, 2]).all()


def test_other_windows_and_nothing_unasked(frame):
    first = scan(frame, model="dnn", epochs=3, window="first", over_epochs=True).to_pandas()
    scored = first["rank"].notna()
    by_epoch = np.array(first.loc[scored, "influence_by_epoch"].tolist())
    np.testing.assert_allclose(by_epoch[:, 0], first.loc[scored, "influence"], rtol=1e-3, atol=1e-9)
    assert scan(frame, model="dnn", epochs=3).to_pandas()["influence_by_epoch"].isna().all()
