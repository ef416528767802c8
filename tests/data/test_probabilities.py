"""Probabilities of the user's own: what is read, and what is refused by which reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from labelaudit.data.probabilities import Expected, read_probabilities
from labelaudit.errors import InputError

CLASSES = ("bird", "cat", "dog")
LABELS = np.arange(30) % 3
IDS = tuple(f"r{row}" for row in range(30))
LOGITS = 2 * np.eye(3)[LABELS] + np.random.default_rng(0).normal(size=(30, 3)) / 2
P = softmax(LOGITS, axis=1)


def expected(**changes):
    return Expected(
        **{"ids": IDS, "classes": CLASSES, "labels": LABELS, "order_is_named": True, "id_column": None} | changes
    )


def read(source, **changes):
    notes = []
    return read_probabilities(source, expected(**changes), notes.append), notes


def frame(ids=True, names=CLASSES):
    table = pd.DataFrame(P, columns=list(names))
    if ids:
        table.insert(0, "id", IDS)
    return table


@pytest.mark.parametrize("ending", ["csv", "parquet", "tsv"])
def test_a_table_is_read_by_ids_in_any_order_of_rows_and_columns(tmp_path, ending):
    shuffled = frame().sample(frac=1, random_state=0)[["dog", "id", "bird", "cat"]]
    path = tmp_path / f"p.{ending}"
    shuffled.to_parquet(path) if ending == "parquet" else shuffled.to_csv(path, index=False, sep=",\t"[ending == "tsv"])
    values, notes = read(path)
    assert values == pytest.approx(P)
    assert notes == []


def test_without_ids_the_order_of_the_rows_counts():
    assert read(frame(ids=False))[0] == pytest.approx(P)
    with pytest.raises(
        InputError, match=r"has 29 rows, the data has 30: without a column of ids they must be the same"
    ):
        read(frame(ids=False)[:29])


@pytest.mark.parametrize(
    "name", ["image_id", "uid", "Path", "row_id", "filename", "sample_index", "what they are called"]
)
def test_ids_are_found_by_what_their_column_is_called(name):
    shuffled = frame().rename(columns={"id": name}).sample(frac=1, random_state=0)
    assert read(shuffled, id_column="what they are called")[0] == pytest.approx(P)


def test_row_numbers_of_a_file_are_no_ids_of_the_data():
    values, notes = read(frame(ids=False).reset_index())
    assert values == pytest.approx(P)
    assert notes == ["column 'index' of the probabilities has no id of the data, and is not used"]


def test_what_save_probabilities_writes_is_read():
    table = pd.DataFrame(
        {"id": IDS, "label": "x", "status": "scored"} | {f"p({c})": P[:, i] for i, c in enumerate(CLASSES)}
    )
    assert read(table)[0] == pytest.approx(P)


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_arrays_have_the_order_of_the_classes(tmp_path, ending):
    path = tmp_path / f"p.{ending}"
    np.save(path, P.astype(np.float32)) if ending == "npy" else np.savez(path, P)
    values, notes = read(path)
    assert values == pytest.approx(P, abs=1e-6)
    assert notes == []
    _, notes = read(P, order_is_named=False)
    assert notes == ["the columns of the probabilities are taken to be bird, cat, dog; `classes` names another order"]


def test_logits_and_log_probabilities_are_recognised():
    for values in (LOGITS, np.log(P)):
        found, notes = read(values)
        assert found == pytest.approx(P)
        assert notes == ["the probabilities holds logits or log-probabilities: their softmax is taken"]


def changed(row, column, value):
    values = P.copy()
    values[row, column] = value
    return values


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (changed(4, 1, np.nan), r"values that are no numbers in 1 row, first in 'r4'"),
        (changed(4, 1, -0.2), r"negative values in 1 row, first in 'r4'"),
        (changed(4, 1, 0.9), r"of 1 row in .* do not add up to 1 \('r4': 1\.\d+\): each row needs one probability"),
        (P[:, :2], r"has shape \(30, 2\); 30 rows of 3 classes \(bird, cat, dog\) are wanted"),
        (frame(names=("bird", "catt", "dog")), r"no column for class 'cat'; did you mean 'catt'\? It has: id, bird"),
        (frame(names=("bird", "x1", "dog")), r"no column for class 'cat'\. It has: id, bird, x1, dog"),
        (frame()[:28], r"no probabilities for 2 of 30 rows, such as 'r28'; its ids \(column 'id'\) are such as 'r0'"),
        (pd.concat([frame(), frame()[:1]]), r"has the id 'r0' twice"),
        (P[:, [2, 0, 1]], r"predicts \d+% of the labels, and \d+% if its columns are dog, bird, cat: did you mean"),
        (frame().assign(fish=0.4, bird=frame()["bird"] / 2), r"columns that are no class of the data \(fish\)"),
        ("p.pickle", "p.pickle"),
        ([["a", "b"]], "no array of probabilities"),
    ],
)  # fmt: skip  # data, read as a table
def test_what_does_not_go_with_the_data_is_refused(source, message):
    with pytest.raises(InputError, match=message) as caught:
        read(source)
    assert "\n" not in str(caught.value)


def test_a_damaged_array_is_refused_and_nothing_is_unpickled(tmp_path):
    (tmp_path / "p.npy").write_bytes(b"\x93NUMPY\x01\x00nonsense")
    with pytest.raises(InputError, match=r"cannot read .*p\.npy"):
        read(tmp_path / "p.npy")
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"cannot read .*o\.npy"):
        read(tmp_path / "o.npy")
    np.savez(tmp_path / "two.npz", a=P, b=P)
    with pytest.raises(InputError, match=r"holds 2 arrays \(a, b\)"):
        read(tmp_path / "two.npz")


def test_rows_that_are_not_in_the_data_are_said():
    _, notes = read(pd.concat([frame(), frame()[:2].assign(id=["x", "y"])]))
    assert notes == ["left out, as not in the data: 2 rows of the probabilities"]


def test_probabilities_that_fit_nearly_every_label_are_doubted():
    certain = np.where(np.eye(3, dtype=bool)[LABELS], 0.998, 0.001)
    (note,) = read(certain)[1]
    assert note.startswith("the probabilities fits 100.0% of the labels: is it by a network that was trained on these")
