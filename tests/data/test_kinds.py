"""Tables that hold texts, cells or vectors; Hugging Face datasets; data in memory."""

from __future__ import annotations

import io
import json

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from labelaudit.config import SourceConfig
from labelaudit.data.content import Cells, EncodedImages, Texts, Vectors
from labelaudit.data.dataset import Dataset, content_hash
from labelaudit.data.hashing import content_bytes, hash_rows
from labelaudit.data.sources import load_dataset
from labelaudit.errors import InputError
from labelaudit.progress import ignore
from tests.support.paths import SAMPLE

LABELS = ["a", "b", "a"]
DIGITS = [file.read_bytes() for file in sorted((SAMPLE / "train" / "3").iterdir())[:3]]


def csv(path, text):
    path.write_text(text)
    return path


def test_a_table_of_numbers_and_categories(tmp_path):
    path = csv(
        tmp_path / "t.csv", 'id,age,town,label,empty\nx,"1,5",Rome,a,\ny,?,Oslo,b,\nz,3,,a,\n'.replace('"1,5"', "1.5")
    )
    dataset = load_dataset(path)
    assert (dataset.kind, dataset.ids, dataset.labels) == ("table", ("x", "y", "z"), ("a", "b", "a"))
    assert isinstance(dataset.content, Cells)
    assert dataset.content.frame.columns.tolist() == ["age", "town", "empty"]
    assert dataset.content.frame["age"].tolist()[::2] == [1.5, 3]
    assert dataset.content.frame["town"].tolist() == ["Rome", "Oslo", None]
    assert dataset.notes == (
        "guessed labels: column 'label', features: columns 'age', 'town', 'empty', ids: column 'id'",
    )
    assert dataset.settings == SourceConfig(
        kind="table", label_column="label", id_column="id", feature_columns=("age", "town", "empty")
    )
    again = load_dataset(path, dataset.settings)
    assert again.notes == ()
    assert again.content.frame.equals(dataset.content.frame)


def test_columns_that_are_neither_numbers_nor_categories_are_left_out(tmp_path):
    rows = 30
    table = pa.table(
        {
            "label": LABELS * 10,
            "name": [f"person {n}" for n in range(rows)],
            "tags": [["x"]] * rows,
            "on": [n % 2 == 0 for n in range(rows)],
            "when": pa.array([n * 86_400 for n in range(rows)], pa.timestamp("s")),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    dataset = load_dataset(tmp_path / "t.parquet")
    assert dataset.content.frame.columns.tolist() == ["on"]
    assert dataset.notes[1] == (
        "left out 'tags' (list<element: string>), 'name' (nearly every row has its own), 'when' (it numbers the rows)"
    )
    dates = load_dataset(tmp_path / "t.parquet", SourceConfig(feature_columns=("when",))).content.frame
    assert dates.columns.tolist() == ["when", "when month", "when weekday", "when hour"]
    assert dates["when"].tolist() == list(range(30))  # days since 1970
    assert dates.iloc[-1].tolist() == [29, 1, 4, 0]  # Friday, 30 January 1970, midnight


@pytest.mark.parametrize("column", ["text", "anything"])
def test_texts(tmp_path, column):
    frame = pd.DataFrame({column: ["this one reads like a text", " ", "and this one does, too"], "label": LABELS})
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    dataset = load_dataset(tmp_path / "t.jsonl")
    assert dataset.kind == "texts"
    assert dataset.content == Texts((frame[column][0], None, frame[column][2]))
    assert dataset.problems == (None, "no text", None)
    ids = "ids: row numbers (`id_column` names a column to take instead)"
    assert dataset.notes == (f"guessed labels: column 'label', texts: column '{column}'; {ids}",)


def test_vectors_in_a_column(tmp_path):
    pq.write_table(pa.table({"emb": [[1.0, 2.0], None, [3.0, None]], "label": LABELS}), tmp_path / "t.parquet")
    dataset = load_dataset(tmp_path / "t.parquet")
    assert isinstance(dataset.content, Vectors)
    assert dataset.content.values[0].tolist() == [1, 2]
    assert dataset.problems == (None, *["its vector is missing or not all numbers"] * 2)


def test_vectors_in_a_file_of_their_own(tmp_path):
    frame = csv(tmp_path / "t.csv", "text,label\nsome words that are long,a\nmore words that are long,b\n")
    np.save(tmp_path / "v.npy", np.arange(6, dtype=np.float64).reshape(2, 3))
    dataset = load_dataset(frame, SourceConfig(vectors=tmp_path / "v.npy"))
    assert (dataset.kind, dataset.labels) == ("vectors of texts", ("a", "b"))
    assert dataset.content.values.tolist() == [[0, 1, 2], [3, 4, 5]]
    np.save(tmp_path / "v.npy", np.zeros((3, 3)))
    with pytest.raises(InputError, match=r"v.npy has 3 rows, .*t.csv has 2"):
        load_dataset(frame, SourceConfig(vectors=tmp_path / "v.npy"))
    np.save(tmp_path / "v.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(InputError, match=r"cannot read .*v\.npy"):
        load_dataset(frame, SourceConfig(vectors=tmp_path / "v.npy"))


def test_vectors_go_with_a_table_of_nothing_but_ids_and_labels(tmp_path):
    frame = csv(tmp_path / "t.csv", "id,label\nx,a\ny,b\n")
    np.save(tmp_path / "v.npy", np.arange(6, dtype=np.float64).reshape(2, 3))
    dataset = load_dataset(frame, SourceConfig(vectors=tmp_path / "v.npy"))
    assert (dataset.ids, dataset.labels, dataset.problems) == (("x", "y"), ("a", "b"), (None, None))
    assert dataset.content.values.tolist() == [[0, 1, 2], [3, 4, 5]]
    again = load_dataset(frame, dataset.settings)  # as `check` reads it
    assert again.content.values.tolist() == dataset.content.values.tolist()
    with pytest.raises(InputError, match="nothing beside its labels and ids"):
        load_dataset(frame)


def test_options_override_what_is_guessed(tmp_path):
    path = csv(tmp_path / "t.csv", "text,n,label\nsome words that are long,1,a\nmore words that are long,2,b\n")
    assert load_dataset(path).kind == "texts"
    assert load_dataset(path, SourceConfig(kind="table")).content.frame.columns.tolist() == ["text", "n"]
    assert load_dataset(path, SourceConfig(feature_columns=("n",))).content.frame.columns.tolist() == ["n"]


@pytest.mark.parametrize(
    ("text", "config", "message"),
    [
        ("n,label\n1,a\n2,b\n", {"kind": "texts"}, "no column that could be the texts; name it with `text_column`"),
        ("n,label\n1,a\n2,b\n", {"text_column": "x"}, r"no column 'x' \(`text_column`\)"),
        ("n,label\n1,a\n2,b\n", {"text_column": "n", "kind": "table"}, "`text_column` and `kind` table contradict"),
        ("n,label\n1,a\n2,b\n", {"feature_columns": ("n", "m")}, r"no column 'm' \(`feature_columns`\)"),
        ("image,bbox\nx.png,1 2 3\n", {}, "looks like detection data"),
    ],
)
def test_tables_that_cannot_be_what_they_should(tmp_path, text, config, message):
    with pytest.raises(InputError, match=message):
        load_dataset(csv(tmp_path / "t.csv", text), SourceConfig(**config))


def test_a_cells_hash_does_not_depend_on_the_rest_of_its_column(tmp_path):
    whole = load_dataset(csv(tmp_path / "a.csv", "n,m,label\n1,x,a\n2,y,b\n"))
    mixed = load_dataset(csv(tmp_path / "b.csv", "n,m,label\n1,x,a\n2.0,y,b\n0.5,?,a\nmany,z,b\n"))
    assert hash_rows(whole, ignore) == hash_rows(mixed, ignore)[:2]
    assert len(set(hash_rows(mixed, ignore))) == 4


def test_cells_hashed_together_are_as_one_by_one():
    frame = pd.DataFrame(
        {
            "whole": [1, -2, 3],
            "mixed": ["5.0", None, 5],
            "half": np.array([0.1, np.nan, 2], np.float32),
            "yes": [True, False, True],
            "none": pd.array([1, None, 3], "Int64"),
        }
    )
    for columns in (list(frame), ["whole", "half"], ["whole", "yes"], ["whole", "none"]):
        content = Cells(frame[columns])
        dataset = Dataset("", "", tuple("abc"), tuple("xyz"), (None, "broken", None), content)
        one_by_one = [content_hash(content_bytes(content, row)) for row in range(3)]
        assert hash_rows(dataset, ignore) == (one_by_one[0], None, one_by_one[2])


def test_hashes_of_texts_and_vectors_are_of_their_bytes(tmp_path):
    assert content_bytes(Texts(("é", None)), 0) == b"\xc3\xa9"
    assert content_bytes(Vectors(np.array([[1.0]], np.float32)), 0) == np.float32(1).tobytes()
    path = csv(tmp_path / "t.csv", "text,label\n,a\nwords,b\n")
    assert hash_rows(load_dataset(path), ignore)[0] is None


FEATURES = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})


def hugging_face(rows=3):
    images = [{"bytes": content, "path": None} for content in DIGITS[:rows]]
    return datasets.Dataset.from_dict({"image": images, "label": [0, 1, -1][:rows]}, features=FEATURES)


def test_a_saved_hugging_face_dataset(tmp_path):
    hugging_face().save_to_disk(tmp_path / "one")
    dataset = load_dataset(tmp_path / "one")
    assert dataset.kind == "Hugging Face dataset, images"
    assert dataset.labels[:2] == ("cat", "dog")
    assert isinstance(dataset.content, EncodedImages)
    assert [dataset.content.read(row) for row in range(3)] == DIGITS
    with pytest.raises(InputError, match="has no splits, so none can be chosen with `split` train"):
        load_dataset(tmp_path / "one", SourceConfig(split="train"))


def test_splits_of_a_hugging_face_dataset(tmp_path):
    both = datasets.DatasetDict({"train": hugging_face(3), "test": hugging_face(2)})
    both.save_to_disk(tmp_path / "both")
    dataset = load_dataset(tmp_path / "both")
    assert len(dataset) == 3
    assert dataset.notes[-1] == "took split 'train' of train (3 rows), test (2 rows) (`split`)"
    assert dataset.settings.split == "train"
    assert len(load_dataset(tmp_path / "both", SourceConfig(split="test"))) == 2
    with pytest.raises(InputError, match=r"no split 'x'; it has: train \(3 rows\), test"):
        load_dataset(tmp_path / "both", SourceConfig(split="x"))
    (tmp_path / "both" / "train" / "state.json").write_text("{")
    with pytest.raises(InputError, match=r"cannot read .*both as a saved Hugging Face dataset"):
        load_dataset(tmp_path / "both")


def test_hugging_face_datasets_in_memory():
    part = hugging_face().select([1, 0])  # rows out of their order
    assert load_dataset(part).labels == ("dog", "cat")
    assert load_dataset(part).content.read(0) == DIGITS[1]
    texts = datasets.Dataset.from_dict({"text": ["a b c d e", "f g h i j"], "label": ["x", "y"]})
    assert load_dataset(texts).kind == "Hugging Face dataset, texts"
    with pytest.raises(InputError, match="is a stream: an audit goes over its rows many times"):
        load_dataset(texts.to_iterable_dataset())
    many = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [["x"], ["y", "z"]]})
    with pytest.raises(InputError, match="multi-label"):
        load_dataset(many)


def test_a_missing_path_is_not_looked_for_on_the_hub():
    with pytest.raises(
        InputError, match=r"no/where does not exist \(for a dataset of the Hugging Face hub, write hf:no"
    ):
        load_dataset("no/where")


def test_data_frames():
    frame = pd.DataFrame({"n": [1.0, 2.0, 3.0], "label": LABELS}, index=[7, 7, 7])
    dataset = load_dataset(frame)
    assert (dataset.source, dataset.kind, dataset.ids) == ("DataFrame", "table", ("row-0", "row-1", "row-2"))


def test_arrays():
    images = np.stack([np.asarray(Image.open(io.BytesIO(content))) for content in DIGITS])
    dataset = load_dataset((images, np.array([3, 3, -1])))
    assert (dataset.kind, dataset.labels) == ("image array", ("3", "3", None))
    read = np.asarray(Image.open(io.BytesIO(dataset.content.read(1))))
    assert np.array_equal(read, images[1])
    assert load_dataset((np.ones((2, 4)), ["x", ""])).labels == ("x", None)
    assert load_dataset((["a text", None], pd.Series(["x", "y"]))).problems == (None, "no text")
    assert load_dataset((np.ones((2, 4)), torch.tensor([0.0, float("nan")]))).labels == ("0", None)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((np.ones((2, 2)), [1, 2, 3]), "2 inputs do not go with 3 labels"),
        ((np.ones((2, 2)), [[1, 1], [0, 1]]), "several labels a row"),
        ((np.ones((2, 2)), [0.5, 1.0]), "the array of labels holds fractions, such as 0.5"),
        ((np.ones((2, 2, 2, 2)), [0, 1]), r"an array of shape \(2, 2, 2, 2\) and type float64 is no dataset"),
        (42, "int is no dataset"),
        ([1, 2], "items are int, not pairs"),
    ],
)
def test_objects_that_are_no_datasets(source, message):
    with pytest.raises(InputError, match=message):
        load_dataset(source)


class Digits(torch.utils.data.Dataset):
    classes = ("zero", "one", "two", "three")

    def __len__(self):
        return 3

    def __getitem__(self, row):
        return torch.from_numpy(np.array(Image.open(io.BytesIO(DIGITS[row]))))[None].float() / 255, 3


def test_torch_datasets():
    dataset = load_dataset(Digits())
    assert (dataset.source, dataset.labels) == ("Digits", ("three",) * 3)
    read, original = (Image.open(io.BytesIO(content)) for content in (dataset.content.read(2), DIGITS[2]))
    assert np.array_equal(np.asarray(read), np.asarray(original))
    vectors = torch.utils.data.TensorDataset(torch.eye(3), torch.tensor([0, 1, 1]))
    assert load_dataset(vectors).content.values.tolist() == torch.eye(3).tolist()
    normalised = torch.utils.data.TensorDataset(torch.randn(2, 1, 4, 4), torch.tensor([0, 1]))
    with pytest.raises(InputError, match=r"images are normalised .* give the dataset without that transform"):
        load_dataset(normalised)


def test_hugging_face_class_names_in_parquet(tmp_path):
    """As `push_to_hub` writes it."""
    hugging_face().to_parquet(tmp_path / "d.parquet")
    metadata = pq.read_schema(tmp_path / "d.parquet").metadata
    assert json.loads(metadata[b"huggingface"])
    assert load_dataset(tmp_path / "d.parquet").labels[:2] == ("cat", "dog")
