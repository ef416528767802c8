from __future__ import annotations

import json
import re

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit import AuditConfig, InputError, Report, scan
from labelaudit.config import ModelConfig
from labelaudit.files import check_output, write_atomically
from labelaudit.report.schema import METADATA_KEY, SCHEMA
from labelaudit.report.summary import summarise_report
from tests.conftest import SAMPLE

QUICK = AuditConfig(model=ModelConfig(name="lr"))


@pytest.fixture(scope="module")
def report() -> Report:
    return scan(SAMPLE / "train", known=SAMPLE / "truth.csv", config=QUICK)


def test_columns_are_the_designs(report):
    assert report.table.schema.names == [
        "id", "row", "content_hash", "label", "suggested_label", "influence", "influence_by_epoch", "rank", "score",
        "suspect", "p_label", "loss", "similar", "status", "reason", "true_label", "is_flipped",
    ]  # fmt: skip
    assert report.table.schema.field("influence").type == pa.float64()
    frame = report.to_pandas()
    assert frame["row"].tolist() == list(range(600))
    assert sorted(frame["rank"]) == list(range(1, 601))
    assert frame["score"].between(0, 1).all()
    assert frame["p_label"].between(0, 1).all()
    assert frame["is_flipped"].sum() == 30
    assert (frame["suggested_label"].isna() | (frame["suggested_label"] != frame["label"])).all()
    assert (frame["suspect"] == (frame["score"] > 0.5)).all()
    assert frame.loc[frame["suspect"], "suggested_label"].notna().all()
    assert report.suspects()["rank"].is_monotonic_increasing
    assert set(frame["status"]) == {"scored"}


def test_others_read_it_back(report, tmp_path):
    path = tmp_path / "new" / "report.parquet"
    report.save(path)
    assert [file.name for file in path.parent.iterdir()] == ["report.parquet"]
    ours = report.to_pandas()
    pd.testing.assert_frame_equal(pd.read_parquet(path), ours)
    assert pl.read_parquet(path)["id"].to_list() == ours["id"].tolist()
    query = f"SELECT id FROM '{path}' WHERE suspect ORDER BY rank"
    assert [row[0] for row in duckdb.sql(query).fetchall()] == report.suspects()["id"].tolist()
    again = Report.load(path.parent)
    assert again.table.equals(report.table)
    assert again.metadata == report.metadata


def test_metadata_says_how_it_was_made(report):
    metadata = report.metadata
    assert metadata["classes"] == list("0123456789")
    assert metadata["training"]["epochs"] == 5
    assert metadata["config"]["model"]["name"] == "lr"
    assert metadata["query"]["rows"].startswith("two-fold cross-audit")
    assert len(metadata["query"]["temperatures"]) == 2
    assert re.fullmatch("[0-9a-f]{64}", metadata["dataset_fingerprint"])
    assert metadata["seconds"]["audit"] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.replace_schema_metadata({}), "is not a labelaudit report"),
        (lambda table: table.replace_schema_metadata({METADATA_KEY: b'{"schema_version": 99}'}), "report schema 99"),
        (lambda table: table.drop_columns(["score"]), "does not have the columns"),
    ],
)
def test_foreign_files_are_refused(report, tmp_path, change, message):
    path = tmp_path / "r.parquet"
    table = report.table.replace_schema_metadata({METADATA_KEY: json.dumps(report.metadata).encode()})
    pq.write_table(change(table), path)
    with pytest.raises(InputError, match=message):
        Report.load(path)


def test_what_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "report.parquet").write_bytes(b"junk")
    with pytest.raises(InputError, match="cannot read"):
        Report.load(tmp_path)
    with pytest.raises(InputError, match=r"none.parquet does not exist: give a report.parquet, or the folder"):
        Report.load(tmp_path / "none.parquet")


def test_summary_counts(report):
    summary = summarise_report(report)
    assert (summary["rows"], summary["classes"], summary["status"]) == (600, 10, {"scored": 600})
    assert summary["suspects"] == report.to_pandas()["suspect"].sum()
    assert [row["rank"] for row in summary["top"]] == list(range(1, 21))
    first = report.ranked().head(30)
    assert summary["known"] == {"wrong_labels": 30, "found_among_as_many_first": int(first["is_flipped"].sum())}
    json.dumps(summary, allow_nan=False)


def test_writing_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(file):
        file.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_output_folders(tmp_path):
    check_output(tmp_path / "a" / "b", ("report.parquet",), overwrite=False)
    assert not (tmp_path / "a").exists()
    (tmp_path / "report.parquet").write_text("")
    with pytest.raises(InputError, match=re.escape("already holds another run (report.parquet)")):
        check_output(tmp_path, ("report*.parquet",), overwrite=False)
    check_output(tmp_path, ("report*.parquet",), overwrite=True)
    with pytest.raises(InputError, match="is a file, not a folder"):
        check_output(tmp_path / "report.parquet" / "x", ("report.parquet",), overwrite=False)
    assert SCHEMA.names[0] == "id"
