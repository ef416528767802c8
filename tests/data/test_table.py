from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit.config import SourceConfig
from labelaudit.data.sources import load_dataset
from labelaudit.errors import InputError
from tests.support.paths import SAMPLE

DIGITS = sorted((SAMPLE / "train" / "3").iterdir())[:3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number, file in enumerate(DIGITS):
        shutil.copy(file, tmp_path / "images" / f"{number}.png")
    return tmp_path


def frame(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"path": [f"images/{n}.png" for n in range(3)], "label": ["01", "b", "NA"]} | columns)


def write(frame: pd.DataFrame, path: Path) -> Path:
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False)
        case ".tsv":
            frame.to_csv(path, index=False, sep="\t")
        case ".jsonl":
            path.write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")) + "\n\n")
        case ".parquet":
            frame.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_manifest(folder, suffix):
    dataset = load_dataset(write(frame(), folder / f"manifest{suffix}"))
    assert dataset.kind == "manifest"
    assert dataset.ids == ("images/0.png", "images/1.png", "images/2.png")
    assert dataset.labels == ("01", "b", "NA")
    assert [dataset.content.read(row) for row in range(3)] == [file.read_bytes() for file in DIGITS]
    assert dataset.notes == (
        "guessed labels: column 'label', image paths: column 'path', ids: column 'path'",
        "'NA' (1 rows) is read as a class; leave the cells empty if it means no label",
    )


def test_columns_by_option_and_another_root(folder):
    table = frame(kind=["x", "y", ""], name=["p", "q", "r"], where=["0.png", "1.png", "2.png"])
    path = write(table, folder / "m.csv")
    config = SourceConfig(label_column="kind", image_column="where", id_column="name", image_root=folder / "images")
    dataset = load_dataset(path, config)
    assert (dataset.ids, dataset.labels, dataset.notes) == (("p", "q", "r"), ("x", "y", None), ())


@pytest.mark.parametrize("as_struct", [False, True])
def test_parquet_with_images(tmp_path, as_struct):
    contents = [file.read_bytes() for file in DIGITS]
    images = [{"bytes": c, "path": None} for c in contents] if as_struct else contents
    features = {"info": {"features": {"label": {"names": ["zero", "one"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": [*images, None], "label": [1, 0, None, 1]})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), tmp_path / "d.parquet")
    dataset = load_dataset(tmp_path / "d.parquet")
    assert dataset.kind == "Parquet with images"
    assert dataset.ids == ("row-0", "row-1", "row-2", "row-3")
    assert dataset.labels == ("one", "zero", None, "one")
    assert dataset.problems == (None, None, None, "no image bytes")
    assert [dataset.content.read(row) for row in range(3)] == contents


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (pa.array([1.0, None, 3.0]), ("1", None, "3")),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ("a", "b", "a")),
        (pa.array([True, False, True]), ("True", "False", "True")),
        (pa.array([" ", "b", None]), (None, "b", None)),
        (pa.array([b"a", b"b", None]), ("a", "b", None)),
        (pa.array(["a", "b", "a"], pa.string_view()), ("a", "b", "a")),
        (pa.array([["a"], [], ["b"]]), ("a", None, "b")),
    ],
)
def test_label_types(tmp_path, values, labels):
    pq.write_table(pa.table({"image": [b"1", b"2", b"3"], "label": values}), tmp_path / "d.parquet")
    assert load_dataset(tmp_path / "d.parquet").labels == labels


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pa.array([0.5, 1.0, 2.0]), "holds fractions"),
        (pa.array([["a"], ["a", "b"], []]), "multi-label"),
        (pa.array([None, None, ""]), "is empty"),
        (pa.array([b"a", b"\xff", b"c"]), "holds bytes that are no text: labels must be text or whole numbers"),
        (pa.array([1, 2, 3], pa.date32()), r"is of type date32\[day\]: labels must be text or whole numbers"),
    ],
)
def test_label_types_that_are_refused(tmp_path, values, message):
    pq.write_table(pa.table({"image": [b"1", b"2", b"3"], "label": values}), tmp_path / "d.parquet")
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path / "d.parquet", SourceConfig(image_column="image"))


@pytest.mark.parametrize(
    ("table", "config", "message"),
    [
        (frame().rename(columns={"label": "what"}), {}, "no label column I know; name one with `label_column`"),
        (frame()[["label"]], {}, "nothing beside its labels and ids"),
        (frame(), {"label_column": "klass"}, "no column 'klass' (`label_column`); it has: path, label"),
        (frame(label=["", "", ""]), {}, "label column 'label' is empty"),
        (frame(id=["a", "b", "a"]), {"id_column": "id"}, "rows 0 and 2 have the same id 'a'"),
        (frame(id=["a", "", "c"]), {"id_column": "id"}, "row 1: the id column 'id' is empty"),
        (frame(path=["images/0.png", "", "images/2.png"]), {}, "row 1: the"),
        (frame(path=["images/0.png", "../x.png", "images/2.png"]), {}, "row 1: image path '../x.png' leads outside"),
        (
            frame(path=["images/0.png", "/etc/x.png", "images/2.png"]),
            {},
            "row 1: image path '/etc/x.png' leads outside",
        ),
        (frame(path=["images/0.png", "images/9.png", "images/2.png"]), {}, "'images/9.png' (row 1)"),
        (frame().iloc[:0], {}, "holds no rows"),
    ],
)
def test_bad_manifests_are_refused(folder, table, config, message):
    with pytest.raises(InputError, match=re.escape(message)):
        load_dataset(write(table, folder / "m.csv"), SourceConfig(**config))


def test_missing_files_can_be_kept_as_unreadable(folder):
    table = frame(path=["images/0.png", "images/9.png", "images/2.png"])
    dataset = load_dataset(write(table, folder / "m.csv"), SourceConfig(allow_missing=True))
    assert dataset.problems == (None, "file not found", None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "cannot read .*it is no text file"),
        ("m.csv", b"", "cannot read"),
        ("m.csv", b'path,label\na,b\nc,d,e,"\n', "line 3: a quoted cell begins here that does not end"),
        ("m.jsonl", b'{"path": "a"}\nnonsense\n', "line 2: not valid JSON"),
        ("m.jsonl", b"[1]\n", "element 0: expected an object"),
        ("m.jsonl", b'{"label": 1}\n[1]\n', "line 2: expected an object"),
        ("m.jsonl", b'{"label": 1, "label": 2}\n', "line 1: an object has the same key twice"),
        ("m.parquet", b"PAR1 no", "cannot read"),
    ],
)
def test_files_that_are_not_what_they_say(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path / name)


def test_several_image_columns_must_be_told_apart(tmp_path):
    pq.write_table(pa.table({"left": [b"1"], "right": [b"2"], "label": ["a"]}), tmp_path / "d.parquet")
    with pytest.raises(InputError, match="`image_column`: left, right"):
        load_dataset(tmp_path / "d.parquet")
    assert load_dataset(tmp_path / "d.parquet", SourceConfig(image_column="right")).content.read(0) == b"2"
