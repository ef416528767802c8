"""Data that are Python objects: frames, tables, arrays, torch datasets."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image
from scipy import sparse

from labelaudit.config import SourceConfig
from labelaudit.data.frames import png
from labelaudit.data.sources import load_dataset, with_labels
from labelaudit.errors import InputError
from tests.support.pictures import COLOUR, GREY, pixels, seen

ROWS = 20
LABELS = ["yes", "no"] * (ROWS // 2)
X = np.random.default_rng(0).normal(size=ROWS)


def frame(**columns):
    return pd.DataFrame({"x": X, **columns, "label": LABELS})


@pytest.mark.parametrize(
    ("index", "ids"),
    [
        ([f"c-{n}" for n in range(ROWS)], ["c-0", "c-19"]),
        (np.arange(ROWS) * 3 + 1, ["1", "58"]),
        (pd.MultiIndex.from_product([["a", "b"], range(10)]), ["('a', 0)", "('b', 9)"]),
        (pd.date_range("2020-01-01", periods=ROWS), ["2020-01-01 00:00:00", "2020-01-20 00:00:00"]),
        (np.arange(ROWS), ["row-0", "row-19"]),
        (["same"] * ROWS, ["row-0", "row-19"]),
        ([None, *range(1, ROWS)], ["row-0", "row-19"]),
    ],
)
def test_the_index_is_the_id_where_it_names_rows(index, ids):
    dataset = load_dataset(frame().set_axis(index))
    assert [dataset.ids[0], dataset.ids[-1]] == ids
    assert list(dataset.content.frame.columns) == ["x"]


def test_a_named_index_and_an_id_column():
    table = frame(id=[f"k{n}" for n in range(ROWS)]).set_axis([f"c-{n}" for n in range(ROWS)])
    assert load_dataset(table).ids[0] == "k0"
    assert load_dataset(table.rename_axis("name")).ids[0] == "k0"
    assert load_dataset(frame().set_axis(list("abcdefghijklmnopqrst")).rename_axis("key")).ids[0] == "a"


@pytest.mark.parametrize(
    "cells",
    [
        [torch.tensor([n, 2.0, 3.0]) for n in range(ROWS)],
        [np.array([n, 2, 3]) for n in range(ROWS)],
        [[n, 2.0, 3.0] for n in range(ROWS)],
        [(n, 2.0, 3.0) for n in range(ROWS)],
    ],
)
def test_vectors_in_cells(cells):
    dataset = load_dataset(pd.DataFrame({"v": cells, "label": LABELS}))
    assert dataset.kind == "table of vectors"
    assert dataset.content.values[3].tolist() == [3, 2, 3]


def test_images_in_cells():
    images = [Image.new("RGB", (8, 8), (n, 0, 255)) for n in range(ROWS)]
    dataset = load_dataset(pd.DataFrame({"image": images, "label": LABELS}))
    assert pixels(dataset, 7)[0, 0].tolist() == [7, 0, 255]


def test_sparse_complex_mixed_and_repeated_columns():
    table = frame(
        thin=pd.arrays.SparseArray([0.0] * (ROWS - 1) + [2.5]),
        complex=X + 1j,
        mixed=[1, "a"] * (ROWS // 2),
        span=pd.to_timedelta(X, unit="s"),
        month=pd.period_range("2020-01", periods=ROWS, freq="M").where(np.arange(ROWS) > 0),
        far=[datetime.datetime(9999, 12, 31)] * (ROWS - 1) + [None],
    )
    table.insert(0, "x", X[::-1], allow_duplicates=True)
    dataset = load_dataset(table)
    cells = dataset.content.frame
    assert cells["thin"].tolist() == [0] * (ROWS - 1) + [2.5]
    assert cells["mixed"].tolist() == ["1", "a"] * (ROWS // 2)
    assert cells["span"].to_numpy() == pytest.approx(X, abs=1e-6)
    assert cells[["x", "x.1"]].to_numpy()[0] == pytest.approx([X[-1], X[0]])
    assert "complex" not in cells
    assert any("'complex' (complex128)" in note for note in dataset.notes)
    assert any("mix kinds of values are read as text: 'mixed'" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (pd.Series(["a", pd.NA, "b"], dtype="string"), ("a", None, "b")),
        (pd.Series([1, pd.NA, 2], dtype="Int64"), ("1", None, "2")),
        (pd.Series([True, pd.NA, False], dtype="boolean"), ("True", None, "False")),
        (pd.Series(["a", None, "b"], dtype="category"), ("a", None, "b")),
        (pd.Series([1.0, np.nan, 2.0]), ("1", None, "2")),
        (pd.Series(["a", None, "b"], dtype=object), ("a", None, "b")),
        (pa.array(["a", None, "b"]), ("a", None, "b")),
        (np.array([[1], [0], [2]]), ("1", "0", "2")),
        (torch.tensor([[1], [0], [2]]), ("1", "0", "2")),
        (np.array([[0, 1], [1, 0], [0, 1]]), ("1", "0", "1")),
        (pd.DataFrame({"y": ["a", "b", "a"]}), ("a", "b", "a")),
        (np.ma.array([1, 2, 3], mask=[0, 1, 0]), ("1", None, "3")),
        (np.array(["a", "b", "c"]), ("a", "b", "c")),
        (np.array([b"a", b"b", b"c"]), ("a", "b", "c")),
        (["a", None, "b"], ("a", None, "b")),
        ((0, 1, 0), ("0", "1", "0")),
    ],
)
def test_labels_beside_an_array(labels, names):
    dataset = load_dataset((np.arange(6.0).reshape(3, 2), labels))
    assert dataset.labels == names


def test_categories_keep_their_order():
    labels = pd.Series(pd.Categorical(["low", "high", "low"], ["low", "middle", "high"], ordered=True))
    assert load_dataset((np.eye(3), labels)).classes == ("low", "high")
    assert load_dataset(pd.DataFrame({"x": [1.5, 2.5, 3.5], "label": labels})).classes == ("low", "high")


@pytest.mark.parametrize("labels", [np.array([[1, 1], [0, 1], [0, 0]]), np.array([1.5, 2.5, 3.5]), np.eye(2), "abc", 3])
def test_labels_that_are_none(labels):
    with pytest.raises(InputError):
        load_dataset((np.arange(6.0).reshape(3, 2), labels))


@pytest.mark.parametrize(
    "inputs",
    [
        sparse.csr_matrix(np.eye(3)),
        sparse.coo_array(np.eye(3)),
        torch.eye(3).to(torch.bfloat16),
        np.eye(3).astype(int),
        np.eye(3).tolist(),
        np.asfortranarray(np.eye(3)),
        np.eye(3, dtype=bool),
    ],
)
def test_vectors_of_any_kind(inputs):
    assert load_dataset((inputs, ["a", "b", "a"])).content.values.tolist() == np.eye(3).tolist()


@pytest.mark.parametrize(
    "inputs",
    [
        pd.DataFrame({"x": [1.5, 2.5, 3.5], "town": ["Rome", "Oslo", None]}),
        pa.table({"x": [1.5, 2.5, 3.5], "town": ["Rome", "Oslo", None]}),
        {"x": [1.5, 2.5, 3.5], "town": ["Rome", "Oslo", None]},
        [{"x": 1.5, "town": "Rome"}, {"x": 2.5, "town": "Oslo"}, {"x": 3.5}],
        np.array([(1.5, "Rome"), (2.5, "Oslo"), (3.5, "")], dtype=[("x", "f8"), ("town", "U4")]),
    ],
)
def test_inputs_with_columns_are_tables(inputs):
    dataset = load_dataset((inputs, ["a", "b", None]))
    frame = dataset.content.frame
    assert frame["x"].tolist() == [1.5, 2.5, 3.5]
    assert frame["town"].tolist() == ["Rome", "Oslo", None]
    assert dataset.labels == ("a", "b", None)


def test_rows_of_numbers_and_words_are_a_table():
    for rows in ([[1.5, "Rome"], [2, "Oslo"]], np.array([[1.5, "Rome"], [2, "Oslo"]], dtype=object)):
        frame = load_dataset((rows, ["a", "b"])).content.frame
        assert frame.to_dict("list") == {"0": [1.5, 2], "1": ["Rome", "Oslo"]}


def test_inputs_and_labels_in_different_order_are_refused():
    with pytest.raises(InputError, match="the same index in another order"):
        load_dataset((pd.DataFrame({"x": [1.5, 2.5]}), pd.Series(["a", "b"], index=[1, 0])))
    dataset = load_dataset((pd.DataFrame({"x": [1.5, 2.5]}), pd.Series(["a", "b"], index=[7, 8])))
    assert dataset.labels == ("a", "b")
    assert "inputs and labels have different indices" in dataset.notes[0]


@pytest.mark.parametrize(
    ("inputs", "labels", "ids"),
    [
        (pd.Series(["one text", "another"], index=["t1", "t2"]), ["a", "b"], ("t1", "t2")),
        (["one text", "another"], pd.Series(["a", "b"], index=[40, 7]), ("40", "7")),
        (np.eye(2), pd.Series(["a", "b"], index=["p", "q"]), ("p", "q")),
        (pd.Series(["one text", "another"]), pd.Series(["a", "b"]), ("row-0", "row-1")),
        (pd.Series(["one text", "another"], index=[1, "1"]), ["a", "b"], ("row-0", "row-1")),
    ],
)
def test_the_index_of_inputs_or_labels_is_the_id(inputs, labels, ids):
    dataset = load_dataset((inputs, labels))
    assert dataset.ids == ids
    assert ("ids: the index" in dataset.notes) == (ids[0] != "row-0")


def test_labels_beside_the_inputs():
    pair, names = np.eye(2), ["a", "b"]
    assert with_labels(pair, names) == (pair, names)
    for inputs, labels, message in (
        ("photos", names, "photos is a dataset of its own: .* `label_column`; trusted data is `test`"),
        (pair, "churned", "give one label for each row, not 'churned': a column is named with `label_column`"),
        (pair, Path("test"), "trusted data with `test`"),
        (pair, 3, "`labels`: give one label for each row, not int"),
    ):
        with pytest.raises(InputError, match=message):
            with_labels(inputs, labels)


def test_what_is_masked_is_missing():
    dataset = load_dataset((np.ma.array(np.eye(3), mask=[[0, 0, 0], [1, 0, 0], [0, 0, 0]]), ["a", "b", "a"]))
    assert [problem is None for problem in dataset.problems] == [True, False, True]


def test_a_bunch_of_scikit_learn_has_class_names():
    bunch = {"data": np.eye(4), "target": np.array([0, 1, 0, 1]), "target_names": np.array(["setosa", "virginica"])}
    assert load_dataset(bunch).labels == ("setosa", "virginica") * 2


def test_names_of_image_files_are_read(tmp_path):
    for n in range(2):
        Image.new("RGB", (8, 8), (n, 0, 0)).save(tmp_path / f"{n}.png")
    config = SourceConfig(image_root=tmp_path)
    dataset = load_dataset(([tmp_path / "0.png", tmp_path / "1.png"], ["a", "b"]), config)
    assert pixels(dataset, 1)[0, 0].tolist() == [1, 0, 0]
    with pytest.raises(InputError, match="leads outside"):
        load_dataset((["/somewhere/0.png", "/somewhere/1.png"], ["a", "b"]), config)


def test_tables_without_pandas():
    rows = [{"x": 1.5, "label": "a"}, {"x": 2.5, "label": "b"}, {"x": 3.5}]
    for source in (rows, {"x": [1.5, 2.5, 3.5], "label": ["a", "b", None]}):
        dataset = load_dataset(source)
        assert dataset.content.frame["x"].tolist() == [1.5, 2.5, 3.5]
        assert dataset.labels == ("a", "b", None)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (GREY, GREY),
        (GREY[..., None], GREY),
        (GREY[:, None], GREY),
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR),
        (torch.from_numpy(COLOUR), COLOUR),
        (COLOUR.astype(np.int64), COLOUR),
        (COLOUR.astype(np.float32) / 255, COLOUR),
        (COLOUR.astype(np.float64), COLOUR),
        (list(COLOUR), COLOUR),
        ([Image.fromarray(image) for image in COLOUR], COLOUR),
    ],
)
def test_images_of_any_kind(inputs, expected):
    dataset = load_dataset((inputs, ["a", "b", "a"]))
    found = np.stack([pixels(dataset, row, 1 if expected.ndim == 3 else 3) for row in range(3)])
    assert (found == expected).all()


def test_images_of_several_sizes():
    images = [COLOUR[0], COLOUR[1][:4], torch.from_numpy(COLOUR[2][:, :3]).permute(2, 0, 1)]
    dataset = load_dataset((images, ["a", None, "b"]))
    assert dataset.labels == ("a", None, "b")
    assert (pixels(dataset, 1) == COLOUR[1][:4]).all()
    assert (pixels(dataset, 2) == COLOUR[2][:, :3]).all()


@pytest.mark.parametrize("inputs", [(COLOUR - 128.0) / 50, COLOUR * 300.0])
def test_normalised_images_are_refused(inputs):
    with pytest.raises(InputError, match="as they were before normalisation"):
        load_dataset((inputs, ["a", "b", "a"]))


@pytest.mark.parametrize("library", ["pyarrow", "polars", "duckdb"])
def test_tables_of_other_libraries(library):
    table = {"x": [1.5, 2.5, 3.5, 0.5], "label": ["a", "b", "a", None]}
    if library == "pyarrow":
        source = pa.table(table)
    elif library == "polars":
        source = pytest.importorskip("polars").DataFrame(table)
    else:
        duckdb = pytest.importorskip("duckdb")
        arrow = pa.table(table)
        source = duckdb.from_arrow(arrow)
    dataset = load_dataset(source)
    assert dataset.labels == ("a", "b", "a", None)
    assert dataset.content.frame["x"].tolist() == table["x"]


def test_class_names_can_be_given():
    data = (np.eye(4), [0, 2, 10, 1])
    assert load_dataset(data).classes == ("0", "1", "2", "10")
    assert load_dataset(data, SourceConfig(classes=("10", "2", "1", "0"))).classes == ("10", "2", "1", "0")


@pytest.mark.parametrize("source", [3, None, object(), [], (1, 2, 3), iter([1])])
def test_what_is_no_dataset(source):
    with pytest.raises(InputError):
        load_dataset(source)


def test_a_lazy_frame_of_polars_is_collected():
    frame = pytest.importorskip("polars").DataFrame({"x": [1.0, 2.0], "label": ["a", "b"]})
    assert load_dataset(frame.lazy()).labels == load_dataset(frame).labels == ("a", "b")


def test_bytes_are_images_or_texts():
    files = [png(np.full((4, 4), shade, np.uint8)) for shade in (60, 90)]
    for inputs in (files, np.array(files, dtype=object), pd.Series(files)):
        dataset = load_dataset((inputs, ["a", "b"]))
        assert [seen(dataset, row)[0][0] for row in (0, 1)] == [60, 90]
    assert load_dataset(([*files, None], ["a", "b", "a"])).problems == (None, None, "no image")
    for inputs in ([b"so", b"no"], np.array([b"so", b"no"])):
        assert load_dataset((inputs, ["a", "b"])).content.values == ("so", "no")
    with pytest.raises(InputError, match=r"bytes, but neither images nor text in UTF-8 \(invalid start byte\)"):
        load_dataset(([b"\xff\xfe", b"no"], ["a", "b"]))


def test_a_sparse_tensor_is_made_dense_or_refused(monkeypatch):
    dense = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    assert load_dataset((dense.to_sparse(), ["a", "b"])).content.values.tolist() == dense.tolist()
    monkeypatch.setattr("labelaudit.data.memory.free_memory", lambda device: 10)
    with pytest.raises(InputError, match=r"a sparse matrix of 2 × 2 needs 0.0 MB as numbers"):
        load_dataset((dense.to_sparse(), ["a", "b"]))


def test_labels_without_an_order_are_refused():
    for labels in ({"a", "b"}, {0: "a", 1: "b"}):
        with pytest.raises(InputError, match=r"a (set|dict) of labels has no order of rows: give a list or an array"):
            load_dataset((np.eye(2), labels))


def test_names_of_several_levels_are_joined():
    frame = pd.DataFrame({("x", "mean"): [1.0, 2.0], ("label", ""): ["a", "b"]})
    assert list(load_dataset(frame).content.frame.columns) == ["x_mean"]
