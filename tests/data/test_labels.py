"""Label cells: what is a class, what is no label, what is refused."""

from __future__ import annotations

import decimal

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit.config import SourceConfig
from labelaudit.data.labels import in_order, name_labels
from labelaudit.data.sources import load_dataset
from labelaudit.errors import InputError


def named(values, known=(), classes=None):
    return name_labels(values, "labels", known, classes)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["a", "b", None], ("a", "b", None)),
        (["a", "b", "nan", "NaN", "<NA>", "NaT", " ", ""], ("a", "b", *[None] * 6)),
        (["a", " b", "a "], ("a", "b", None)),  # the last one is put right below: two names would be one
        ([1, 2.0, np.int64(3), np.float32(1), True], ("1", "2", "3", "1", "True")),
        ([0, 1, 2, -1], ("0", "1", "2", None)),
        ([-1, 1, -1], ("-1", "1", "-1")),
        ([-1, 0, 1, 1, 0, -1], ("-1", "0", "1", "1", "0", "-1")),
        ([-1, 0, 1, 1, 0, 1, 0, 1, 0], (None, *"01101010")),
        ([["a"], ["b"], []], ("a", "b", None)),
        (['["a"]', "['b']", "[]"], ("a", "b", None)),
        (['{"choices": ["a"]}', {"choices": ["b"]}, '{"choices": []}'], ("a", "b", None)),
        ([b"a", b"b"], ("a", "b")),
        ([pd.NA, "a", pd.NaT, float("nan"), "b"], (None, "a", None, None, "b")),
        (["01", "1", "2"], ("01", "1", "2")),
        (["cat, sat", "dog, ran"], ("cat, sat", "dog, ran")),
        (["Rock|Pop"], ("Rock|Pop",)),  # one such name may be a class
    ],
)
def test_names(values, names):
    if values == ["a", " b", "a "]:
        names = ("a", " b", "a ")
    assert named(values).names == names


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([4.5, 7.25, 4.5], "fractions, such as 4.5: labels must be classes, not quantities"),
        (["4.5", "7", "8"], "fractions, such as 4.5"),
        (["4,5", "7", "8"], "fractions, such as 4,5"),
        (["1.5e3", "0.001", "nan"], "fractions, such as 0.001"),
        ([decimal.Decimal("1.25"), decimal.Decimal(2)], "fractions, such as 1.25"),
        ([["a", "b"], ["a"]], r"several labels a row \(multi-label\), such as \['a', 'b'\]"),
        (['["a", "b"]', '["c"]'], "several labels a row"),
        (["comedy,drama", "drama", "comedy"] * 5, "several labels a row .*'comedy,drama'"),
        (["a|b", "b|c", "c"] * 5, r"several labels a row .*'a\|b'"),
        (["a;b", "b;c", "c"] * 5, "several labels a row .*'a;b'"),
        ([None, "", "nan"], "is empty: no row has a label"),
        ([b"\xff\xfe", "a"], "holds bytes that are no text"),
        ([object(), "a"], "holds object values"),
    ],
)
def test_no_classes(values, message):
    with pytest.raises(InputError, match=message):
        named(values)


def test_given_classes_may_be_called_anything():
    assert named(["1.5", "-1", "a,b", "nan"], classes=("1.5", "-1", "a,b", "nan")).names == ("1.5", "-1", "a,b", "nan")
    with pytest.raises(InputError, match="'d' \\(1 rows\\) is none of `classes` a,b"):
        named(["a", "d"], classes=("a", "b"))


def test_what_is_read_as_no_label_is_said():
    assert named(["a", "nan", "nan", "b"]).notes == ("2 labels 'nan' are read as no label",)
    assert named([0, 1, 2, -1]).notes == ("1 labels −1 are read as no label (name all `classes` if it is one)",)
    assert named(["a", "None", "b"]).notes == (
        "'None' (1 rows) is read as a class; leave the cells empty if it means no label",
    )


def test_numbers_are_in_their_own_order_and_names_in_the_sources():
    assert in_order({str(number) for number in range(12)}, ()) == tuple(map(str, range(12)))
    assert in_order({"10.0", "2.0", "1"}, ()) == ("1", "2.0", "10.0")
    assert in_order({"-1", "1"}, ()) == ("-1", "1")
    assert in_order({"b", "a", "10", "9"}, ()) == ("10", "9", "a", "b")
    assert in_order({"low", "high"}, ("low", "middle", "high")) == ("low", "high")


def test_a_class_label_of_hugging_face_keeps_its_order_and_has_unlabelled_rows(tmp_path):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["pos", "neg"])})
    rows = {"text": [f"some words of text {n}" for n in range(6)], "label": [0, 1, -1, 0, 1, -1]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    dataset = load_dataset(tmp_path / "saved")
    assert dataset.labels == ("pos", "neg", None, "pos", "neg", None)
    assert dataset.classes == ("pos", "neg")
    assert any("−1 are read as no label" in note for note in dataset.notes)
    features["label"] = datasets.List(datasets.ClassLabel(names=["pos", "neg"]))
    rows["label"] = [[0], [1], [], [0], [1], [0]]
    assert load_dataset(datasets.Dataset.from_dict(rows, features=features)).labels[:3] == ("pos", "neg", None)
    rows["label"] = [0, 1, -1, 2, 1, 0]
    datasets.Dataset.from_dict(rows).save_to_disk(tmp_path / "integers")
    assert load_dataset(tmp_path / "integers").labels == ("0", "1", None, "2", "1", "0")


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["a", "b", "a"], pa.string_view()),
        pa.array(["a", "b", "a"], pa.large_string()),
        pa.array([b"a", b"b", b"a"]),
        pa.array(["a", "b", "a"]).dictionary_encode(),
        pa.array([["a"], ["b"], ["a"]]),
    ],
)
def test_labels_of_any_arrow_type(tmp_path, array):
    pq.write_table(pa.table({"n": [1.5, 2.5, 0.5], "label": array}), tmp_path / "t.parquet")
    assert load_dataset(tmp_path / "t.parquet").labels == ("a", "b", "a")


@pytest.mark.parametrize(
    ("array", "names"),
    [
        (pa.array([True, False, None]), ("True", "False", None)),
        (pa.array([1, 0, None], pa.uint8()), ("1", "0", None)),
        (pa.array([1.0, 0.0, None]), ("1", "0", None)),
        (pa.array([decimal.Decimal("1.00"), decimal.Decimal("0.00"), None]), ("1", "0", None)),
    ],
)
def test_whole_numbers_and_truth_values_are_labels(tmp_path, array, names):
    pq.write_table(pa.table({"n": [1.5, 2.5, 0.5], "label": array}), tmp_path / "t.parquet")
    assert load_dataset(tmp_path / "t.parquet").labels == names


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1, 2, 3], pa.timestamp("us")),
        pa.array([{"a": 1}, {"a": 2}, {"a": 1}]),
        pa.array([1.5, 2.5, 1.5]),
        pa.array([["a", "b"], ["a"], ["b"]]),
    ],
)
def test_columns_that_are_no_labels(tmp_path, array):
    pq.write_table(pa.table({"n": [1.5, 2.5, 0.5], "label": array}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="label column 'label'"):
        load_dataset(tmp_path / "t.parquet")


def test_a_quantity_in_a_csv_is_refused_as_in_parquet(tmp_path):
    rows = "".join(f"{n / 10},{4.5 + n % 19 * 2.75}\n" for n in range(200))
    (tmp_path / "t.csv").write_text("x,price\n" + rows)
    with pytest.raises(InputError, match=r"holds fractions, such as 4.5: labels must be classes, not quantities"):
        load_dataset(tmp_path / "t.csv", SourceConfig(label_column="price"))


def test_one_hot_columns_are_one_label(tmp_path):
    frame = pd.DataFrame({"text": [f"words and words {n}" for n in range(6)], "label_cat": [1, 0] * 3})
    frame["label_dog"] = 1 - frame["label_cat"]
    dataset = load_dataset(frame)
    assert dataset.labels == ("cat", "dog") * 3
    frame.loc[2, "label_dog"] = 1
    with pytest.raises(InputError):
        load_dataset(frame)
    with pytest.raises(InputError, match="row 2: several of the columns"):
        load_dataset(frame, SourceConfig(label_column="label_cat,label_dog"))
