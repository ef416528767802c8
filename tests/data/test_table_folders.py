"""Folders of tables, and their splits."""

from __future__ import annotations

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit.config import SourceConfig
from labelaudit.data.sources import load_dataset
from labelaudit.errors import InputError
from tests.support.tables import check_rows, records, write


def shards(folder, name, rows, start=0):
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(records()[start : start + rows]), folder / name)


def test_a_folder_of_parquet_files(tmp_path):
    shards(tmp_path / "plain", "part-0.parquet", 50)
    shards(tmp_path / "plain", "part-1.parquet", 30, 50)
    dataset = load_dataset(tmp_path / "plain")
    check_rows(dataset)
    assert dataset.notes[0] == "read 2 Parquet files"


def test_a_cloned_dataset_has_splits(tmp_path):
    shards(tmp_path / "data", "train-00000-of-00002.parquet", 40)
    shards(tmp_path / "data", "train-00001-of-00002.parquet", 20, 40)
    shards(tmp_path / "data", "test-00000-of-00001.parquet", 20, 60)
    (tmp_path / ".git").mkdir()
    write(tmp_path / "README.md", "# A dataset")
    dataset = load_dataset(tmp_path)
    assert (len(dataset), dataset.settings.split) == (60, "train")
    assert "took split 'train' of test (20 rows), train (60 rows) (`split`)" in dataset.notes
    assert len(load_dataset(tmp_path, SourceConfig(split="test"))) == 20
    with pytest.raises(InputError, match="has no split 'dev'"):
        load_dataset(tmp_path, SourceConfig(split="dev"))


def test_a_folder_of_other_tables_has_splits_too(tmp_path):
    for name, rows in (("train.csv", slice(0, 60)), ("test.csv", slice(60, 80))):
        pd.DataFrame(records()[rows]).to_csv(tmp_path / name, index=False, sep=";")
    write(tmp_path / "dataset_infos.json", "{}")
    dataset = load_dataset(tmp_path)
    assert (len(dataset), dataset.settings.split) == (60, "train")
    assert "cells are separated by semicolons (`separator`)" in dataset.notes
    pd.DataFrame(records()).to_json(tmp_path / "all.jsonl.gz", orient="records", lines=True)
    check_rows(load_dataset(tmp_path))  # JSON lines before CSV


def test_tables_of_one_folder_with_different_columns_are_refused(tmp_path):
    shards(tmp_path, "a.parquet", 40)
    pq.write_table(pa.table({"text": ["a b c d"], "labels": ["x"]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"a.parquet and .*b.parquet have different columns \('label', 'labels'\)"):
        load_dataset(tmp_path)


def test_parquet_below_a_folder_that_is_called_like_a_partition(tmp_path):
    shards(tmp_path / "label=x", "t.parquet", 80)
    check_rows(load_dataset(tmp_path / "label=x" / "t.parquet"))


def test_the_test_split_of_a_saved_dataset_is_the_test_set(tmp_path):
    from labelaudit.data.sources import load_test_set

    part = datasets.Dataset.from_list(records())
    datasets.DatasetDict({"train": part, "test": part.select(range(20))}).save_to_disk(tmp_path / "saved")
    audited = load_dataset(tmp_path / "saved")
    assert (audited.settings.split, len(audited)) == ("train", 80)
    test = load_test_set(tmp_path / "saved", audited, SourceConfig(split="train"))
    assert (test.settings.split, len(test)) == ("test", 20)
    part.save_to_disk(tmp_path / "one")
    with pytest.raises(InputError, match=r"`test`: .*one is what is audited"):
        load_test_set(tmp_path / "one", load_dataset(tmp_path / "one"), SourceConfig())
