"""Tables that are no text, each against the frame it was written from."""

from __future__ import annotations

import sys

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from labelaudit.data.binary_tables import MOST_UNPACKED, read_binary, write_arrow
from labelaudit.data.sources import load_dataset
from labelaudit.data.table_files import read_table
from labelaudit.errors import InputError

FRAME = pd.DataFrame({"size": [1.5, 2.5, 3.5, 4.5], "kind": ["a", "b", None, "a"], "label": ["yes", "no", "no", "yes"]})
TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)


def written(path, how):
    if how == "stream":
        with path.open("wb") as file, pa.ipc.new_stream(file, TABLE.schema) as stream:
            stream.write_table(TABLE)
    elif how == "workbook":
        FRAME.to_excel(path, index=False)
    else:
        pa.feather.write_feather(TABLE, path, version=int(how))
    return path


@pytest.mark.parametrize(
    ("name", "how"),
    [("t.feather", "2"), ("t.arrow", "2"), ("t.arrow", "stream"), ("t.xlsx", "workbook")],
)
def test_the_rows_are_those_that_were_written(tmp_path, name, how):
    found, notes = read_binary(written(tmp_path / name, how))
    assert found.to_pylist() == TABLE.to_pylist()
    assert notes == []
    assert load_dataset(tmp_path / name).labels == ("yes", "no", "no", "yes")


@pytest.mark.parametrize("how", ["2", "stream"])
def test_a_table_is_written_as_its_source_is(tmp_path, how):
    source, out = written(tmp_path / "t.arrow", how), tmp_path / "out.arrow"
    write_arrow(TABLE, source, out)
    assert read_binary(out)[0].equals(TABLE)
    assert out.read_bytes()[:6] == (b"ARROW1" if how == "2" else source.read_bytes()[:6])


def test_a_workbook_without_the_library_says_what_to_install(tmp_path, monkeypatch):
    path = written(tmp_path / "t.xlsx", "workbook")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(InputError, match=r"pip install 'labelaudit\[excel\]', or save it as CSV"):
        read_binary(path)


def workbook(path, *sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"Sheet {number}")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_empty_rows_and_columns_of_a_workbook_are_none_and_other_sheets_are_named(tmp_path):
    rows = [["a", "label", None], [1, "x", None], [None, None, None], [2, "y", None]]
    found, notes = read_binary(workbook(tmp_path / "t.xlsx", rows, [["other"]]))
    assert found.to_pylist() == [{"a": 1, "label": "x"}, {"a": 2, "label": "y"}]
    assert notes == ["read sheet 'Sheet 0'; 1 other sheet is not read"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "its sheet 'Sheet 0' is empty"),
        ([["a", None], [1, 2]], "column 2 has cells and no name"),
        ([["a", "a"], [1, 2]], "two columns are called 'a'"),
    ],
)
def test_what_is_no_table_of_a_workbook_is_refused(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        read_table(workbook(tmp_path / "t.xlsx", rows))


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    assert MOST_UNPACKED == 2**30
    monkeypatch.setattr("labelaudit.data.binary_tables.MOST_UNPACKED", 100)
    with pytest.raises(InputError, match="unpacked"):
        read_binary(workbook(tmp_path / "t.xlsx", [["a"]]))


@pytest.mark.parametrize("name", ["t.feather", "t.arrow", "t.xlsx", "t.parquet"])
@pytest.mark.parametrize("content", [b"", b"ARROW1", b"PK\x03\x04" + bytes(40), b"no table at all"])
def test_damaged_files_end_in_a_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot read"):
        read_binary(tmp_path / name)
