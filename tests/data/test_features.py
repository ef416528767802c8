"""Columns of tables: which are features, and what their cells are."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit.config import SourceConfig
from labelaudit.data.sources import load_dataset, load_test_set
from labelaudit.data.unfit_features import is_id_name
from labelaudit.errors import InputError

ROWS = 80
LABELS = ["yes" if n % 3 else "no" for n in range(ROWS)]
X = np.random.default_rng(0).normal(size=ROWS)


def frame(**columns):
    return pd.DataFrame({"x": X, **columns, "label": LABELS})


def used(source, **settings):
    return list(load_dataset(source, SourceConfig(**settings)).content.frame.columns)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Unnamed: 0", np.arange(ROWS)),
        ("rownum", np.arange(ROWS)[::-1]),
        ("anything", np.arange(ROWS) * 2 + 7),
        ("PassengerId", np.random.default_rng(1).permutation(ROWS) * 1000),
        ("user_id", np.random.default_rng(1).integers(0, 10**9, ROWS)),
        ("anything", np.random.default_rng(1).permutation(ROWS)),
        ("file", [f"img_{n:04}.txt" for n in range(ROWS)]),
        ("time_ns", np.cumsum(np.random.default_rng(1).integers(1, 9, ROWS))),
        ("outcome_code", [10 if label == "yes" else 20 for label in LABELS]),
        ("answer", [label.upper() for label in LABELS]),
        ("label_name", LABELS),
        ("nothing", [np.nan] * ROWS),
        ("always", ["so"] * ROWS),
        ("target", [int(label == "yes") for label in LABELS]),
    ],
)
def test_columns_that_are_no_features(name, values):
    dataset = load_dataset(frame(**{name: values}), SourceConfig(label_column="label"))
    assert list(dataset.content.frame.columns) == ["x"]
    assert dataset.settings.id_column == name or any(repr(name) in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("age", np.random.default_rng(1).integers(18, 90, ROWS)),
        ("price", np.random.default_rng(1).uniform(1, 100, ROWS)),
        ("town", ["Rome", "Oslo", "Bern", "Kyiv"] * (ROWS // 4)),
        ("paid", np.arange(ROWS) // 10),
        ("noisy", [label if n % 5 else "other" for n, label in enumerate(LABELS)]),
        ("valid", [True, False] * (ROWS // 2)),
        ("given", [1.0, np.nan] * (ROWS // 2)),
    ],
)
def test_columns_that_are_features(name, values):
    assert used(frame(**{name: values})) == ["x", name]


def test_what_the_user_names_is_used():
    table = frame(row=np.arange(ROWS))
    assert used(table, feature_columns=("x", "row")) == ["x", "row"]


def test_the_index_of_a_sorted_file_is_left_out(tmp_path):
    frame().sort_values("label").reset_index(drop=True).to_csv(tmp_path / "t.csv")
    dataset = load_dataset(tmp_path / "t.csv")
    assert list(dataset.content.frame.columns) == ["x"]
    assert any("'Unnamed: 0' (it numbers the rows)" in note for note in dataset.notes)


@pytest.mark.parametrize(("name", "is_id"), [("id", True), ("user_id", True), ("PassengerId", True), ("row", True),
                                             ("Unnamed: 0", True), ("valid", False), ("paid", False), ("humid", False),
                                             ("grid", False), ("arrow", False)])  # fmt: skip  # data, read as a table
def test_names_of_ids(name, is_id):
    assert is_id_name(name) == is_id


def test_numbers_that_nearly_follow_a_sorted_file_are_left_out():
    table = frame().sort_values("label").reset_index(drop=True)
    noise = np.random.default_rng(1).normal(size=ROWS)
    table["time"], table["shifted"] = np.arange(ROWS) + noise, noise + 9 * (table["label"] == "yes")
    assert used(table) == ["x", "shifted"]
    assert used(table.sample(frac=1, random_state=0)) == ["x", "time", "shifted"]


def test_numbers_of_batches_follow_a_sorted_file_and_features_that_rows_are_sorted_by_do_not():
    """Batches go on from label to label; of rows sorted by label and then by age, the age begins anew."""
    table = frame(age=np.random.default_rng(1).integers(18, 40, ROWS)).sort_values(["label", "age"], ignore_index=True)
    table["batch"] = np.arange(ROWS) // 5
    assert used(table) == ["x", "age"]
    table["batch"] = (table["label"] == "yes") * 3 + np.arange(ROWS) // 40  # too few to follow anything
    assert used(table) == ["x", "age", "batch"]


def test_ids_that_repeat_are_neither_ids_nor_features():
    dataset = load_dataset(frame(id=np.arange(ROWS) // 2))
    assert dataset.ids[:2] == ("row-0", "row-1")
    assert list(dataset.content.frame.columns) == ["x"]
    assert any("'id' is no id, for it has '0' in rows 0 and 1; ids: row numbers" in note for note in dataset.notes)
    with pytest.raises(InputError, match="rows 0 and 1 have the same id '0'"):
        load_dataset(frame(id=np.arange(ROWS) // 2), SourceConfig(id_column="id"))


def test_a_test_set_has_the_columns_of_the_audited_one():
    table = frame(row=np.arange(ROWS), extra=np.arange(ROWS) % 7)
    audited = load_dataset(table)
    test = load_test_set(table.drop(columns="row").sample(frac=1, random_state=0), audited, SourceConfig())
    assert list(test.content.frame.columns) == list(audited.content.frame.columns) == ["x", "extra"]


def column(array, tmp_path):
    rows = len(array)
    table = pa.table({"x": pa.array(X[:rows]), "c": array, "label": LABELS[:rows]})
    pq.write_table(table, tmp_path / "t.parquet")
    return load_dataset(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([1, None, 2], pa.duration("ms")), [0.001, np.nan, 0.002]),
        (pa.array([datetime.time(1), None, datetime.time(0, 0, 30)]), [3600, np.nan, 30]),
        (pa.array([decimal.Decimal("1.25"), None, decimal.Decimal(-3)]), [1.25, np.nan, -3]),
        (pa.array([1.5, np.inf, None]), [1.5, np.nan, np.nan]),
        (pa.array([True, False, None]), [1, 0, np.nan]),
        (pa.array([1, None, 3], pa.uint64()), [1, np.nan, 3]),
        (pa.array([1.5, None, 2.5], pa.float16()), [1.5, np.nan, 2.5]),
        (pa.array(["1.5", "inf", ""]), [1.5, np.nan, np.nan]),
        (pa.array(["1,5", "2,25", "NA"]), [1.5, 2.25, np.nan]),
        (pa.array(["0,476", "1,250", "NA"]), [0.476, 1.25, np.nan]),
        (pa.array(["1,476", "12,250", "NA"]), [1476, 12250, np.nan]),
        (pa.array(["$1,250.50", "$3", "$-2"]), [1250.5, 3, -2]),
        (pa.array(["20 %", "7,5%", None]), [20, 7.5, np.nan]),
        (pa.array(["1 234,5", "1\u00a0000\u00a0000", "7"]), [1234.5, 1_000_000, 7]),
        (pa.array(["1'234.5", "12", "7"]), [1234.5, 12, 7]),
        (pa.array(["1e999", "2", "?"]), [np.nan, 2, np.nan]),
        (pa.array(["a", "b", None], pa.string_view()), ["a", "b", None]),
        (pa.array(["a", "b", None]).dictionary_encode(), ["a", "b", None]),
    ],
)
def test_cells(tmp_path, array, expected):
    values = column(array, tmp_path).content.frame["c"]
    assert values.where(values.notna(), np.nan).tolist() == pytest.approx(
        [np.nan if value is None else value for value in expected], nan_ok=True
    )


def test_other_columns_tell_what_a_comma_is(tmp_path):
    rows = "".join(f"{n},{n % 10}25;{n},{n % 7}5;{'ab'[n % 2]}\n" for n in range(1, 30))
    (tmp_path / "t.csv").write_text("x;y;label\n" + rows)
    assert load_dataset(tmp_path / "t.csv").content.frame.iloc[1].tolist() == [2.225, 2.25]
    (tmp_path / "t.csv").write_text("x;label\n1,225;a\n2,225;b\n")
    dataset = load_dataset(tmp_path / "t.csv")
    assert dataset.content.frame["x"].tolist() == [1225, 2225]
    assert "'x': commas separate thousands" in dataset.notes


@pytest.mark.parametrize("date", ["9999-12-31", "0001-01-01"])
def test_dates_outside_nanoseconds(tmp_path, date):
    stamp = datetime.datetime.fromisoformat(date)
    parts = column(pa.array([stamp, datetime.datetime(2020, 2, 29, 12), None], pa.timestamp("us")), tmp_path)
    cells = parts.content.frame
    assert cells.loc[1, ["c", "c month", "c weekday", "c hour"]].tolist() == [18321.5, 2, 5, 12]
    assert cells.loc[2, ["c", "c month"]].isna().all()
    assert cells.loc[0, "c"] == (stamp - datetime.datetime(1970, 1, 1)).days


def test_what_means_nothing_is_left_out_by_name(tmp_path):
    for array in (pa.array([{"a": 1}, None, {"a": 2}]), pa.array([["a"], [], ["b"]]), pa.array([b"\xff", b"a", None])):
        dataset = column(array, tmp_path)
        assert list(dataset.content.frame.columns) == ["x"]
        assert any("left out 'c'" in note for note in dataset.notes)


def test_cells_of_pandas_that_arrow_does_not_know():
    """Intervals are categories; objects that do not say what they are, and lists of several lengths, are left out."""
    bins = pd.cut(pd.Series(X), [-9, 0, 9])
    dataset = load_dataset(frame(bins=bins))
    assert dataset.content.frame["bins"].tolist() == ["(-9, 0]" if x <= 0 else "(0, 9]" for x in X]
    lists = [list(range(n % 3)) for n in range(ROWS)]
    dataset = load_dataset(frame(some=[object() for _ in X], lists=lists))
    assert list(dataset.content.frame.columns) == ["x"]
    said = " ".join(dataset.notes)
    assert "left out 'some' (object)" in said
    assert "left out 'lists' (list<item: int64>)" in said
    vectors = load_dataset(frame(lists=[[1.0, n] for n in range(ROWS)]))
    assert vectors.content.values.shape == (ROWS, 2)
    with pytest.raises(InputError, match=r"column 'lists': its vectors are not all of one length \(0, 1, 2\)"):
        load_dataset(pd.DataFrame({"lists": lists, "label": LABELS}))


def test_images_that_are_not_there_are_refused_beside_features_too():
    table = frame(file=[f"{n}.png" for n in range(ROWS)])
    with pytest.raises(InputError, match=r"files that are not below .*, or name the columns to learn from instead"):
        load_dataset(table)
    assert used(table, feature_columns=("x",)) == ["x"]


def test_a_wide_table_is_told_in_a_few_words():
    columns = {f"c{number:04}": np.random.default_rng(number).normal(size=ROWS) for number in range(5000)}
    dataset = load_dataset(pd.DataFrame({**columns, "label": LABELS}))
    assert max(map(len, dataset.notes)) < 300
    assert dataset.content.frame.shape == (ROWS, 5000)
    assert any("more" in note and "'c0000'" in note for note in dataset.notes)


def test_two_texts_that_belong_together_are_one():
    columns = {"sentence1": ["the first is"] * 4, "sentence2": ["a", "b", "c", "d"], "label": [0, 1] * 2}
    dataset = load_dataset(pd.DataFrame(columns))
    assert dataset.kind == "texts"
    assert dataset.content.values[1] == "the first is\nb"
    assert "texts: columns 'sentence1', 'sentence2'" in dataset.notes[0]


@pytest.mark.parametrize(
    "names",
    [("premise", "hypothesis"), ("question", "answer"), ("title", "body"), ("text_a", "text_b"), ("Text1", "Text2")],
)
def test_pairs_by_name(names):
    rows = {names[0]: ["one two"] * 4, names[1]: ["x", "y"] * 2, "label": [0, 1] * 2}
    assert load_dataset(pd.DataFrame(rows)).settings.text_column == ",".join(names)


def test_a_table_without_a_feature_says_why():
    with pytest.raises(InputError, match="has no column to learn from; left out 'Unnamed: 0'"):
        load_dataset(pd.DataFrame({"Unnamed: 0": np.arange(ROWS), "label": LABELS}))
