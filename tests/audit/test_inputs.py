"""What a network gets of a row, in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelaudit import scan
from tests.support.data import digit_folders

LABELS = ["a", "b"] * 20
NUMBERS = np.random.default_rng(0).normal(size=(40, 3)) + np.tile([[0.0], [5.0]], (20, 1))


def input_of(*data, **options):
    return scan(*data, epochs=1, folds="2", **options).metadata["input"]


def test_columns_are_features_and_vectors_are_numbers():
    frame = pd.DataFrame(NUMBERS, columns=["x", "y", "z"]).assign(colour=["red", "blue", "blue", "red"] * 10)
    assert input_of(frame, LABELS) == "5 features"  # three numbers, two colours
    assert input_of(NUMBERS, LABELS) == "3 numbers"


@pytest.mark.parametrize("encoding", ["words", "characters"])
def test_of_texts_the_encoding_is_said(encoding):
    texts = [f"{word} number {row // 2}" for row, word in enumerate(["apple", "pear"] * 20)]
    said = input_of(texts, LABELS, text_encoding=encoding)
    assert encoding in said
    assert said[0].isdigit()


def test_of_images_size_and_colour_are_said(tmp_path):
    assert input_of(digit_folders(tmp_path / "data", "17", 8), model="lr") == "28×28 grey"
