from __future__ import annotations

import datasets
import pytest

from labelaudit.correction.hugging_face import write_corrected_saved
from labelaudit.errors import InputError

NAMES = datasets.ClassLabel(names=["cat", "dog"])


def saved(path, label_feature, labels, splits=False):
    features = datasets.Features({"id": datasets.Value("string"), "label": label_feature, "n": datasets.Value("int8")})
    rows = {"id": list("abc"), "label": labels, "n": [1, 2, 3]}
    part = datasets.Dataset.from_dict(rows, features=features)
    (datasets.DatasetDict({"train": part, "test": part}) if splits else part).save_to_disk(path)
    return part


def test_one_part_of_several(tmp_path, capfd):
    part = saved(tmp_path / "in", NAMES, [0, 1, 1], splits=True)
    capfd.readouterr()
    write_corrected_saved(tmp_path / "in", tmp_path / "out", "train", "label", {1: "cat"})
    assert capfd.readouterr() == ("", "")
    assert not datasets.are_progress_bars_disabled()
    loaded = datasets.load_from_disk(tmp_path / "out")
    assert loaded["train"].features == part.features
    assert loaded["train"][:] == {"id": ["a", "b", "c"], "label": [0, 0, 1], "n": [1, 2, 3]}
    assert loaded["test"][:] == part[:]
    assert datasets.load_from_disk(tmp_path / "in")["train"][:] == part[:]


def test_a_row_is_left_out(tmp_path):
    saved(tmp_path / "in", NAMES, [0, 1, 1])
    write_corrected_saved(tmp_path / "in", tmp_path / "out", None, "label", {1: None, 2: "cat"})
    loaded = datasets.load_from_disk(tmp_path / "out")
    assert loaded[:] == {"id": ["a", "c"], "label": [0, 0], "n": [1, 3]}


@pytest.mark.parametrize(
    ("kind", "labels", "new", "expected"),
    [
        ("string", ["x", "y", "x"], "y", "y"),
        ("int64", [1, 2, 1], "2", 2),
        ("bool", [True, False, True], "False", False),
    ],
)
def test_labels_without_names(tmp_path, kind, labels, new, expected):
    saved(tmp_path / "in", datasets.Value(kind), labels)
    write_corrected_saved(tmp_path / "in", tmp_path / "out", None, "label", {0: new})
    assert datasets.load_from_disk(tmp_path / "out")["label"][:] == [expected, *labels[1:]]


@pytest.mark.parametrize(
    ("feature", "labels", "message"),
    [(NAMES, [0, 1, 1], "knows the classes cat, dog, not 'cow'"), (datasets.Value("int64"), [0, 1, 1], "holds int64")],
)
def test_classes_the_column_cannot_hold(tmp_path, feature, labels, message):
    saved(tmp_path / "in", feature, labels)
    with pytest.raises(InputError, match=message):
        write_corrected_saved(tmp_path / "in", tmp_path / "out", None, "label", {0: "cow"})
