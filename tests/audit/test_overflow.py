"""Numbers that overflow end a run in one sentence, and never reach a report."""

from __future__ import annotations

import re

import pytest
from safetensors.torch import save_file

from labelaudit import InputError, scan
from labelaudit.config import ModelConfig
from labelaudit.data.images import ImageSummary
from labelaudit.models.registry import model_spec
from tests.support.data import digit_folders


@pytest.mark.parametrize("factor", [1e6, 1e12, 1e18, 1e24, 1e30, 1e36])
def test_weights_near_the_largest_float(tmp_path, factor):
    data = digit_folders(tmp_path / "data", "17", 8)
    state = model_spec(ModelConfig(name="cnn"), ImageSummary(True, 28)).network(2, 0).state_dict()
    save_file({name: value * factor for name, value in state.items()}, tmp_path / "weights.safetensors")
    try:
        report = scan(data, model="cnn", weights=tmp_path / "weights.safetensors", epochs=1)
    except InputError as error:
        assert re.search("overflowed|NaN or infinite", str(error))  # noqa: PT017  # either outcome is right
    else:
        assert report.to_pandas()["score"].between(0, 1).all()
