"""Inputs of every kind, well-formed and broken: read with every row accounted for, or refused in a line."""

from __future__ import annotations

import datetime
import decimal
import io
import json
import os
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from PIL import Image

from labelaudit.data.content import Cells, EncodedImages, Vectors
from labelaudit.data.encoders import encode
from labelaudit.data.hashing import hash_rows
from labelaudit.data.images import decode
from labelaudit.data.sources import load_dataset
from labelaudit.data.table_files import read_table
from labelaudit.errors import InputError
from labelaudit.progress import ignore
from tests.support.items import Items

EXAMPLES = int(os.environ.get("LABELAUDIT_FUZZ_EXAMPLES", "170"))
"""Inputs of each kind; with a number of your own they are different ones in each run."""
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
NUMBERS = st.floats(width=32) | st.integers(-(2**70), 2**70)
SCALARS = (
    st.none() | st.booleans() | NUMBERS | TEXT | st.sampled_from(["nan", "NA", "1,5", "1e999", "-inf", "2020-01-01"])
)
LABELS = st.sampled_from(["cat", "dog", "Dog", "café", "1", "1.0", "a b"])
CELLS = st.sampled_from(
    ["x", "12", "1,5", "", "NA", 'say "hi"', "a;b", "tab\there", "|", "'", "two\nlines", "é", "日本"]
)


def broken(draw, content: bytes) -> bytes:
    """The same bytes with a few changed, lost or added."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(changed) - 1)))
        piece = draw(st.sampled_from([b"", b'"', b",", b";", b"\n", b"\\", b"\0", b"\xff", b"{", b"]", b"\r\n", b"\t"]))
        changed[place : place + draw(st.integers(0, 2))] = piece
    return bytes(changed)


@st.composite
def separated(draw) -> tuple[str, bytes, list[list[str]] | None]:
    """A file of separated cells in some dialect, and its rows (a key, a label, a cell); None if it was broken then."""
    separator = draw(st.sampled_from([",", ";", "\t", "|"]))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    rows = [
        [f"k{n}", label, cell] for n, (label, cell) in enumerate(draw(st.lists(st.tuples(LABELS, CELLS), min_size=2)))
    ]

    def written(cell: str) -> str:
        must = any(mark in cell for mark in (separator, '"', "\n"))
        return '"' + cell.replace('"', '""') + '"' if must or draw(st.integers(0, 4)) == 0 else cell

    table = [["key", "label", "cell"], *rows]
    text = newline.join(separator.join(map(written, row)) for row in table) + newline * draw(st.integers(0, 2))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"]))
    content = text.encode(encoding)
    suffix = draw(st.sampled_from([".csv", ".tsv"]))
    return (suffix, broken(draw, content), None) if draw(st.booleans()) else (suffix, content, rows)


@st.composite
def json_files(draw) -> tuple[str, bytes, list[list[str]] | None]:
    """JSON lines, a list, or an object of columns, and its rows as `separated` has them."""
    rows = [
        [f"k{n}", label, cell] for n, (label, cell) in enumerate(draw(st.lists(st.tuples(LABELS, CELLS), min_size=2)))
    ]
    records = [dict(zip(("key", "label", "cell"), row, strict=True)) for row in rows]
    for record in records:
        if draw(st.integers(0, 3)) == 0:
            record["extra"] = draw(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2), max_leaves=3))
    form = draw(st.sampled_from(["lines", "list", "columns"]))
    if form == "lines":
        content = "\n".join(json.dumps(record, ensure_ascii=draw(st.booleans())) for record in records)
    else:
        whole = (
            records
            if form == "list"
            else {name: [row.get(name) for row in records] for name in ("key", "label", "cell")}
        )
        content = json.dumps(whole, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    suffix = draw(st.sampled_from([".json", ".jsonl"]))
    encoded = content.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])))
    return (suffix, broken(draw, encoded), None) if draw(st.booleans()) else (suffix, encoded, rows)


ARROW_VALUES: dict[pa.DataType, st.SearchStrategy] = {
    pa.int8(): st.integers(-128, 127),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float64(): st.floats(),
    pa.bool_(): st.booleans(),
    pa.string(): TEXT,
    pa.string_view(): TEXT,
    pa.binary(): st.binary(max_size=4),
    pa.decimal128(9, 2): st.decimals(-99, 99, places=2),
    pa.timestamp("us"): st.datetimes(datetime.datetime(1, 1, 1)),
    pa.date32(): st.dates(),
    pa.time64("us"): st.times(),
    pa.duration("ns"): st.integers(-(2**62), 2**62),
    pa.list_(pa.float32()): st.lists(st.floats(width=32), max_size=3),
    pa.list_(pa.string()): st.lists(TEXT, max_size=2),
    pa.struct({"a": pa.int8()}): st.fixed_dictionaries({"a": st.integers(0, 9)}),
    pa.dictionary(pa.int8(), pa.string()): TEXT,
    pa.null(): st.none(),
}


def arrays(draw, rows: int) -> pa.Array:
    kind = draw(st.sampled_from(list(ARROW_VALUES)))
    values = draw(st.lists(st.none() | ARROW_VALUES[kind], min_size=rows, max_size=rows))
    if isinstance(kind, pa.DictionaryType):
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, kind)


def typed_table(draw) -> pa.Table:
    """Columns of any type."""
    rows = draw(st.integers(0, 12))
    label = (
        pa.array(draw(st.lists(LABELS, min_size=rows, max_size=rows))) if draw(st.booleans()) else arrays(draw, rows)
    )
    columns = {f"c{n}": arrays(draw, rows) for n in range(draw(st.integers(0, 3)))}
    return pa.table({"x": pa.array(np.arange(rows) % 3 + 0.5), **columns, "label": label})


@st.composite
def parquet_files(draw) -> tuple[str, bytes, int | None]:
    """A Parquet file of columns of any type, and its number of rows, None if it was broken then."""
    table, file = typed_table(draw), io.BytesIO()
    pq.write_table(table, file)
    content = file.getvalue()
    broke = draw(st.integers(0, 3)) == 0
    return (".parquet", broken(draw, content), None) if broke else (".parquet", content, table.num_rows)


@st.composite
def arrow_files(draw) -> tuple[str, bytes, int | None]:
    """The same as a file or a stream of Arrow's."""
    table, file = typed_table(draw), io.BytesIO()
    writer = draw(st.sampled_from([pa.ipc.new_file, pa.ipc.new_stream]))
    with writer(file, table.schema) as stream:
        stream.write_table(table)
    content = file.getvalue()
    broke = draw(st.integers(0, 3)) == 0
    return (".arrow", broken(draw, content), None) if broke else (".arrow", content, table.num_rows)


@st.composite
def workbooks(draw) -> tuple[str, bytes, list[list[str]] | None]:
    """An Excel workbook of texts, and its rows (a key, a label, a cell); None if it was broken then."""
    cells = CELLS.filter(bool)
    rows = [
        [f"k{n}", label, cell] for n, (label, cell) in enumerate(draw(st.lists(st.tuples(LABELS, cells), min_size=2)))
    ]
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in [["key", "label", "cell"], *rows]:
        book.active.append(row)
    book.save(file)
    content = without_time(file)
    broke = draw(st.integers(0, 3)) == 0
    return (".xlsx", broken(draw, content), None) if broke else (".xlsx", content, rows)


def without_time(workbook: io.BytesIO) -> bytes:
    """The same bytes whenever it is written, as hypothesis needs them."""
    file = io.BytesIO()
    with zipfile.ZipFile(workbook) as archive, zipfile.ZipFile(file, "w") as copy:
        for name in archive.namelist():
            content = re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+Z", b"2020-01-01T00:00:00Z", archive.read(name))
            copy.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


OBJECTS = SCALARS | st.sampled_from(
    [pd.NA, pd.NaT, np.float16(2), torch.tensor(1.5), torch.zeros(2), np.ones(3), (1, 2), {"a": 1}, 1 + 2j, b"\xff",
     decimal.Decimal("1.5"), datetime.date(2020, 1, 1), Image.new("L", (2, 2)), object]
)  # fmt: skip  # data, read as a table
DTYPES = st.sampled_from([None, object, "string", "category", "Int64", "boolean", "float32", "complex64"])


@st.composite
def frames(draw) -> tuple[object, int]:
    """A data frame with columns of any objects or types, and its number of rows."""
    rows = draw(st.integers(1, 8))
    columns = []
    for _ in range(draw(st.integers(1, 3))):
        values = draw(st.lists(OBJECTS, min_size=rows, max_size=rows))
        series = pd.Series(values, dtype=object)
        try:
            with warnings.catch_warnings(action="ignore"):
                series = series if (dtype := draw(DTYPES)) is None else series.astype(dtype)
        except Exception:  # pandas raises whatever these values, which are none of that type, lead to
            pass
        columns.append(series)
    names = draw(st.sampled_from([("a", "b", "c"), ("a", "a", "id"), (0, 1, ("x", 2))]))[: len(columns)]
    frame = pd.concat(columns, axis=1, keys=names)
    frame["label"] = draw(st.lists(LABELS | OBJECTS if draw(st.booleans()) else LABELS, min_size=rows, max_size=rows))
    if draw(st.booleans()):
        frame.index = pd.Index(draw(st.lists(SCALARS, min_size=rows, max_size=rows)), dtype=object)
    return frame, rows


@st.composite
def pairs(draw) -> tuple[object, int]:
    """Inputs of any shape and type with labels of any kind, and the number of inputs."""
    rows = draw(st.integers(1, 6))
    shape = (rows, *draw(st.lists(st.integers(0, 5), max_size=3)))
    dtype = draw(st.sampled_from(["u1", "i2", "i8", "f2", "f4", "f8", "?", "c8", "U3", "O", "M8[s]"]))
    values = np.random.default_rng(draw(st.integers(0, 99))).integers(0, draw(st.sampled_from([2, 200, 400])), shape)
    inputs: object = values.astype(dtype)
    if draw(st.booleans()):
        inputs = draw(st.sampled_from([list(inputs), values.tolist(), torch.from_numpy(values), ["some text"] * rows]))
    labels: object = draw(st.lists(LABELS | OBJECTS if draw(st.booleans()) else LABELS, min_size=rows, max_size=rows))
    if draw(st.booleans()):
        labels = draw(
            st.sampled_from(
                [
                    np.arange(rows),
                    torch.arange(rows)[:, None],
                    np.eye(rows),
                    np.arange(rows) / 2,
                    pd.Series(np.arange(rows), dtype="Int64"),
                    np.arange(rows + 1),
                ]
            )
        )
    return (inputs, labels), rows


@st.composite
def torch_datasets(draw) -> tuple[object, int]:
    """A torch dataset of items of one form, some of them broken, or a part of one or several of them."""
    rows = draw(st.integers(1, 6))
    shape = draw(st.sampled_from([(5,), (4, 4), (3, 4, 4), (4, 4, 3), (1, 4, 4), (0, 4, 4), ()]))
    dtype = draw(st.sampled_from(["u1", "i2", "i4", "f4", "f8", "?", "c8"]))
    values = np.random.default_rng(0).integers(0, draw(st.sampled_from([2, 256, 4000])), (rows, *shape)).astype(dtype)
    if dtype.startswith("f") and draw(st.booleans()):
        values /= max(1, values.max(initial=1))
    form = draw(st.sampled_from([torch.as_tensor, np.asarray, lambda value: "a text", lambda value: value.tolist()]))
    items: list[object] = []
    for value in values:
        label = draw(LABELS | st.integers(0, 2) | OBJECTS)
        item = draw(
            st.sampled_from([(form(value), label)] * 6 + [None, KeyError("no\nitem"), (form(value),), (None, label)])
        )
        named = isinstance(item, tuple) and len(item) == 2 and draw(st.integers(0, 3)) == 0
        items.append({"image": item[0], "label": item[1], "id": len(items)} if named else item)
    source: torch.utils.data.Dataset = Items(items)
    part = draw(st.integers(0, 3))
    if part == 0:
        return torch.utils.data.ConcatDataset([source, source]), 2 * rows
    if part == 1:
        return torch.utils.data.Subset(source, [rows - 1, 0]), 2
    return source, rows


def png(mode: str, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, "PNG")
    return file.getvalue()


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=5
)


@st.composite
def folders(draw) -> dict[str, bytes]:
    """Files below a folder: paths and contents."""
    files = {}
    for _ in range(draw(st.integers(1, 6))):
        parts = [
            draw(st.sampled_from(["cat", "dog", "train", "test", ".git"]) | NAMES)
            for _ in range(draw(st.integers(0, 2)))
        ]
        name = draw(NAMES) + draw(st.sampled_from([".png", ".PNG", "", ".jpg", ".txt", ".csv"]))
        image = png(draw(st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])), (draw(st.integers(1, 9)), 5))
        files["/".join([*parts, name])] = draw(st.just(image) | st.just(b"") | st.just(broken(draw, image)))
    return files


def read(source: object, rows: int | None) -> str:
    """Read a source as an audit does; what came of it: read, refused.

    Raises:
        AssertionError: Rows are not accounted for.
    """
    said = None
    try:
        dataset = load_dataset(source)
    except InputError as error:
        said = str(error)
    if said is not None:
        assert "\n" not in said
        assert len(said) < 1500
        return "refused"
    assert rows is None or len(dataset) == rows
    assert len(dataset) == len(dataset.labels) == len(dataset.problems) == len(set(dataset.ids))
    hash_rows(dataset, ignore)
    whole = np.flatnonzero([problem is None for problem in dataset.problems])
    if isinstance(dataset.content, EncodedImages):
        decode(dataset.content, dataset.problems, 3, lambda image: image.resize((8, 8)), None, ignore)
    elif isinstance(dataset.content, Cells | Vectors) and len(whole) > 1:
        try:
            assert np.isfinite(encode(dataset.content, whole)).all()
        except InputError:
            return "refused"
    return "read"


def read_rows(folder: Path, file: tuple[str, bytes, list[list[str]] | int | None]) -> str:
    """Read a file; where its rows are known, they must be these."""
    suffix, content, rows = file
    path = folder / f"t{suffix}"
    path.write_bytes(content)
    outcome = read(path, rows if isinstance(rows, int) else None if rows is None else len(rows))
    if isinstance(rows, list) and outcome == "read":
        table = read_table(path).table.select(["key", "label", "cell"])
        assert [list(row.values()) for row in table.to_pylist()] == rows
        assert [label and label.strip() for label in load_dataset(path).labels] == [row[1] for row in rows]
    if rows is None and outcome == "read" and suffix in (".csv", ".tsv"):  # every line with a whole key is still a row
        dataset = load_dataset(path)
        told = any("several lines" in note for note in dataset.notes)
        assert told or len(dataset) >= len(re.findall(rb'(?m)^"?k\d+"?[,;|\t]', content))
    return outcome


def read_folder(folder: Path, files: dict[str, bytes]) -> str:
    """Read a folder of files."""
    top = folder / f"{len(list(folder.iterdir()))}"
    top.mkdir()
    for name, content in files.items():
        try:
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_bytes(content)
        except OSError:
            continue  # a file of that name is a folder, or has a name that cannot be
    return read(top, None)


KINDS: dict[str, tuple[st.SearchStrategy, Callable[..., str]]] = {
    "separated cells": (separated(), read_rows),
    "JSON": (json_files(), read_rows),
    "Parquet": (parquet_files(), read_rows),
    "Arrow": (arrow_files(), read_rows),
    "workbooks": (workbooks(), read_rows),
    "data frames": (frames(), lambda _, drawn: read(*drawn)),
    "arrays": (pairs(), lambda _, drawn: read(*drawn)),
    "torch datasets": (torch_datasets(), lambda _, drawn: read(*drawn)),
    "folders": (folders(), read_folder),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_is_accounted_for_or_the_input_refused(tmp_path, kind):
    strategy, attempt = KINDS[kind]
    outcomes: Counter[str] = Counter()
    own_number = "LABELAUDIT_FUZZ_EXAMPLES" in os.environ

    @settings(
        max_examples=EXAMPLES,
        deadline=datetime.timedelta(seconds=10),
        database=None,
        derandomize=not own_number,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(drawn: object) -> None:
        outcome = partial(attempt, tmp_path)(drawn)
        outcomes[outcome] += 1
        event(outcome)  # counted in what --hypothesis-show-statistics prints

    run()
    assert outcomes.total() >= EXAMPLES
    assert min(outcomes["read"], outcomes["refused"]) > EXAMPLES / 20
