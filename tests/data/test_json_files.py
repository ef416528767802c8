"""Tables as JSON."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from labelaudit.config import SourceConfig
from labelaudit.data.sources import load_dataset
from labelaudit.data.table_files import row_lines
from labelaudit.errors import InputError
from tests.support.tables import check_rows, records, texts, write


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.json", json.dumps(records())),
        ("t.json", json.dumps(records(), indent=2)),
        ("t.json", json.dumps({"version": 1, "data": records()})),
        ("t.json", pd.DataFrame(records()).to_json()),
        ("t.json", pd.DataFrame(records()).to_json(orient="records", lines=True)),
        ("t.jsonl", "\ufeff" + "\n\n".join(map(json.dumps, records()))),
        ("t.jsonl", "\n".join(map(json.dumps, records())).encode("utf-16")),
    ],
)
def test_json(tmp_path, name, content):
    check_rows(load_dataset(write(tmp_path / name, content)))


def test_json_lines_keep_what_the_first_line_lacks(tmp_path):
    rows = [{"text": "the first has no label"}, *records(), {"text": "some more words", "label": "food", "extra": 1}]
    dataset = load_dataset(write(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows))))
    assert dataset.labels == (None, *(label for _, label in texts()), "food")
    assert dataset.notes[-1] == "not used: 'extra'"


def test_json_strings_may_hold_other_line_breaks(tmp_path):
    rows = [{"text": f"two \u2028 lines \x85 of text {n}", "label": "ab"[n % 2]} for n in range(3)]
    content = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    dataset = load_dataset(write(tmp_path / "t.jsonl", content))
    assert dataset.content.values == tuple(row["text"] for row in rows)
    assert row_lines(tmp_path / "t.jsonl", SourceConfig()) == [1, 2, 3]


def test_json_texts_that_look_like_times_stay_as_they_are(tmp_path):
    rows = [{"text": "2020-01-01", "label": "2020-01-02 00:00:00"}, {"text": "2020-01-02", "label": "x"}]
    dataset = load_dataset(write(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows))))
    assert (dataset.content.values, dataset.labels) == (("2020-01-01", "2020-01-02"), ("2020-01-02 00:00:00", "x"))


def test_json_values_of_several_kinds(tmp_path):
    rows = [{"n": 1, "label": "a"}, {"n": "many", "label": 2}, {"n": 2.5, "label": "a"}]
    dataset = load_dataset(write(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows))))
    assert dataset.content.frame["n"].tolist() == ["1", "many", "2.5"]
    assert dataset.labels == ("a", "2", "a")
    assert "column 'n' mixes kinds of values, which are read as text" in dataset.notes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": 1} {"text": 2}\n', "line 1: not valid JSON"),
        ('{"text": "a"}\n{"text": \n"b"}\n', "line 2: not valid JSON"),
        ('{"rows": 3}', "has no label column"),
        ("[1, 2]", "element 0: expected an object"),
        ("3", "line 1: expected an object"),
        ("[" * 100_000, "line 1"),
    ],
)
def test_json_that_is_no_table(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        load_dataset(write(tmp_path / "t.json", content))
