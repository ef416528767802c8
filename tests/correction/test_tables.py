from __future__ import annotations

import json
import math

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit.correction.tables import write_corrected_table
from labelaudit.data.binary_tables import read_binary
from labelaudit.data.sources import load_dataset
from labelaudit.data.table_files import row_lines
from labelaudit.errors import InputError
from tests.support.paths import SAMPLE

DIGITS = [file.read_bytes() for file in sorted((SAMPLE / "train" / "3").iterdir())[:4]]


def correct(path, labels, column="label", content=None):
    """The bytes of the corrected table."""
    if content is not None:
        path.write_bytes(content)
    out = path.parent / "out" / path.name
    out.parent.mkdir(exist_ok=True)
    out.unlink(missing_ok=True)
    write_corrected_table(path, out, column, labels)
    return out.read_bytes()


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_unchanged_rows_of_a_csv_keep_every_byte(tmp_path, newline, start):
    lines = [
        start + '"label",n,text',
        'x, 007 ,"quoted for no reason"',
        "",
        'y,"1,5",a "b" c',
        '"x","","two',
        'lines, and ""quotes"""',
        "   ",
        "y,1e5,NA",
    ]
    content = newline.join(lines)
    changed = correct(tmp_path / "t.csv", {1: "x", 2: 'new "class", with\nall'}, content=content.encode()).decode()
    expected = newline.join(
        [
            *lines[:3],
            'x,"1,5",a "b" c',
            f'"new ""class"", with\nall","","two{newline}lines, and ""quotes"""',
            *lines[6:],
        ]
    )
    assert changed == expected


@pytest.mark.parametrize(
    ("line", "corrected"),
    [
        ('"a","old","c"', '"a","new","c"'),
        ('a , "b" ,c', "a ,new,c"),
        ('"a ""x"", y",old,"" ""', '"a ""x"", y",new,"" ""'),
        ('"a"b,old,', '"a"b,new,'),
        ('"a,""",old,\'c\'', '"a,""",new,\'c\''),
        ('"",old,', '"",new,'),
        ('a,"",', 'a,"new",'),
    ],
)
def test_only_the_cell_of_the_label_changes(tmp_path, line, corrected):
    content = f"one,label,three\nx,y,z\n{line}\r\nx,y,z\n"
    changed = correct(tmp_path / "t.csv", {1: "new"}, content=content.encode())
    assert changed.decode() == content.replace(line, corrected)


def test_a_label_of_two_lines_is_quoted_though_nothing_else_in_it_needs_to_be(tmp_path):
    assert correct(tmp_path / "t.csv", {0: "two\nlines"}, content=b"n,label\n1,a\n2,b\n") == (
        b'n,label\n1,"two\nlines"\n2,b\n'
    )


def test_tsv_and_a_column_of_the_same_name(tmp_path):
    assert correct(tmp_path / "t.tsv", {1: "c"}, content=b"n\tlabel\tx\n1\ta\t\n\tb\ty,\n") == (
        b"n\tlabel\tx\n1\ta\t\n\tc\ty,\n"
    )
    assert correct(tmp_path / "t.csv", {0: "b"}, "label.1", b"label,label\na,a\nb,b\n") == b"label,label\na,b\nb,b\n"


def test_a_header_that_lacks_a_name_is_refused(tmp_path):
    content = b"label,n\nkey1,a,1\nkey2,b,2\n"  # pandas would take the first column for an index
    with pytest.raises(InputError, match="line 2: 3 cells, where the header has 2 names: does the header lack a name"):
        correct(tmp_path / "t.csv", {0: "b"}, content=content)


def test_json_lines(tmp_path):
    content = (
        '{"text": "a\\u00e9", "label": "x", "n": 1.50, "deep": {"b": [1, null]}}\r\n'
        "\r\n"
        '{"label": "y", "text": "ü", "n": NaN, "deep": {"b": []}}\r\n'
        '{"text": "no label"}'
    ).encode()
    changed = correct(tmp_path / "t.jsonl", {1: "x", 2: "y"}, content=content)
    lines = changed.split(b"\r\n")
    assert lines[:2] == content.split(b"\r\n")[:2]
    assert lines[2] == '{"label": "x", "text": "ü", "n": NaN, "deep": {"b": []}}'.encode()
    assert json.loads(lines[3]) == {"text": "no label", "label": "y"}


def test_json_lines_end_at_line_feeds_only(tmp_path):
    """U+2028 and U+0085 end a line for `str.splitlines`, and may stand in a JSON string as they are."""
    kept = '{"text": "one\u2028two\x85three", "label": "x"}\n'
    content = (kept + '{"text": "four", "label": "x"}\n').encode()
    assert correct(tmp_path / "t.jsonl", {1: "y"}, content=content) == (
        (kept + '{"text": "four", "label": "y"}\n').encode()
    )
    assert row_lines(tmp_path / "t.jsonl") == [1, 2]


@pytest.mark.parametrize(("values", "label", "value"), [([1, 2], "2", "2"), ([True, False], "False", "false"),
                                                        ([1.0, 2.0], "2", "2.0")])  # fmt: skip  # data, read as a table
def test_json_keeps_the_type_of_labels(tmp_path, values, label, value):
    content = "".join(f'{{"text": "a b", "label": {json.dumps(value)}}}\n' for value in values).encode()
    changed = correct(tmp_path / "t.ndjson", {0: label}, content=content)
    assert changed.splitlines()[0].decode() == f'{{"text": "a b", "label": {value}}}'


def encoded_images(labels: pa.Array, metadata: dict[bytes, bytes] | None = None) -> pa.Table:
    images = pa.array([{"bytes": image, "path": None} for image in DIGITS])
    schema = pa.schema(
        [
            pa.field("image", images.type),
            pa.field("label", labels.type),
            pa.field("weight", pa.float32(), nullable=False),
        ],
        metadata,
    )
    weights = pa.array([0.1, math.nan, -0.0, 1.0], pa.float32())
    return pa.table([images, labels, weights], schema=schema)


@pytest.mark.parametrize(
    ("labels", "name", "value"),
    [
        (pa.array(["a", "b", "a", None]), "b", "b"),
        (pa.array(["a", "b", "a", None], pa.large_string()), "b", "b"),
        (pa.array(["a", "b", "a", None]).dictionary_encode(), "b", "b"),
        (pa.array(["a", "b", "a", None]).dictionary_encode(), "new", "new"),
        (pa.array([3, 5, 3, None], pa.int8()), "5", 5),
        (pa.array([3, 5, 3, None], pa.float64()), "5", 5.0),
        (pa.array([True, False, True, None]), "False", False),
    ],
)
def test_parquet_with_images(tmp_path, labels, name, value):
    path = tmp_path / "split=train" / "t.parquet"  # a folder that pyarrow's reader would make a column of
    path.parent.mkdir()
    before = encoded_images(labels, {b"mine": b"kept"})
    pq.write_table(before, path, compression="zstd", row_group_size=3)
    correct(path, {0: name, 3: name})
    file = pq.ParquetFile(path.parent / "out" / path.name)
    after = file.read()
    assert after.schema.equals(pq.ParquetFile(path).read().schema, check_metadata=True)
    assert after.schema.metadata[b"mine"] == b"kept"
    assert after["label"].to_pylist() == [value, *labels.to_pylist()[1:3], value]
    assert after["image"].equals(before["image"])
    assert repr(after["weight"].to_pylist()) == repr(before["weight"].to_pylist())
    assert file.metadata.num_row_groups == 2
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_hugging_face_class_labels_stay_integers(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["cat", "dog", "eel"])}
    )
    path = tmp_path / "t.parquet"
    datasets.Dataset.from_dict({"text": ["a b", "c d", "e f"], "label": [0, 1, 0]}, features=features).to_parquet(path)
    correct(path, {0: "dog", 1: "eel"})  # which no row has yet, but the file knows
    again = datasets.Dataset.from_parquet(str(tmp_path / "out" / "t.parquet"), cache_dir=str(tmp_path / "cache"))
    assert again.features == features
    assert again["label"][:] == [1, 2, 0]
    assert load_dataset(tmp_path / "out" / "t.parquet").labels == ("dog", "eel", "cat")
    with pytest.raises(
        InputError, match=r"'bird' cannot be written into the label column 'label' .* one of cat, dog, eel"
    ):
        correct(path, {0: "bird"})


@pytest.mark.parametrize(("values", "label"), [([1, 2], "x"), ([1, 2], "300"), ([1, 2], "01"), ([True, False], "1")])
def test_labels_that_are_no_value_of_the_column(tmp_path, values, label):
    kind = pa.bool_() if isinstance(values[0], bool) else pa.int8()
    pq.write_table(pa.table({"text": ["a b", "c d"], "label": pa.array(values, kind)}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=f"'{label}' cannot be written into the label column 'label' of .*t.parquet"):
        correct(tmp_path / "t.parquet", {0: label})


@pytest.mark.parametrize(
    ("name", "content", "corrected"),
    [
        ("t.csv", b"label,n\nx,1\n\ny,2\nx,3", b"label,n\n\ny,2\ny,3"),
        ("t.jsonl", b'{"label": "x"}\n{"label": "y"}\n{"label": "x"}', b'{"label": "y"}\n{"label": "y"}'),
        ("t.json", b'[ {"label": "x"},\n {"label": "y"} , {"label": "x"} ]', b'[\n {"label": "y"} , {"label": "y"} ]'),
    ],
)
def test_a_row_is_left_out(tmp_path, name, content, corrected):
    assert correct(tmp_path / name, {0: None, 2: "y"}, content=content) == corrected


def test_the_last_row_of_a_list_is_left_out(tmp_path):
    content = b'[{"label": "x", "n": 1}, {"label": "y", "n": 2}]'
    assert correct(tmp_path / "t.json", {1: None}, content=content) == b'[{"label": "x", "n": 1}]'


def test_a_row_of_parquet_is_left_out(tmp_path):
    table = pa.table({"label": ["x", "y", "x"], "n": [1, 2, 3]})
    pq.write_table(table, tmp_path / "t.parquet")
    correct(tmp_path / "t.parquet", {0: None, 2: "y"})
    assert pq.read_table(tmp_path / "out" / "t.parquet").to_pydict() == {"label": ["y", "y"], "n": [2, 3]}


@pytest.mark.parametrize("is_file", [True, False], ids=["file", "stream"])
def test_a_table_of_arrow_stays_what_it_is(tmp_path, is_file):
    table = pa.table({"label": ["x", "y", "x"], "n": [1, 2, 3]}).replace_schema_metadata({"by": "me"})
    writer = pa.ipc.new_file if is_file else pa.ipc.new_stream
    with (tmp_path / "t.arrow").open("wb") as file, writer(file, table.schema) as stream:
        stream.write_table(table)
    corrected = correct(tmp_path / "t.arrow", {0: None, 2: "y"})
    assert (corrected[:6] == b"ARROW1") is is_file
    found = read_binary(tmp_path / "out" / "t.arrow")[0]
    assert found.to_pydict() == {"label": ["y", "y"], "n": [2, 3]}
    assert found.schema.metadata == {b"by": b"me"}


def test_a_workbook_is_not_rewritten(tmp_path):
    pd.DataFrame({"label": ["x", "y"], "n": [1, 2]}).to_excel(tmp_path / "t.xlsx", index=False)
    with pytest.raises(InputError, match="cannot be rewritten without loss"):
        correct(tmp_path / "t.xlsx", {0: "y"})
