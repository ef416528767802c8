from __future__ import annotations

import json
import re
from dataclasses import FrozenInstanceError, asdict

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit import AuditConfig, InputError, Report, scan
from labelaudit.config import ModelConfig, TrainingConfig
from labelaudit.report.estimates import SHARE_FIGURES, Accuracy
from labelaudit.report.schema import METADATA_KEY, SCHEMA
from labelaudit.report.summary import summarise_report
from labelaudit.report.wording import range_in_words
from labelaudit.runtime.files import check_output, write_atomically
from tests.support.paths import SAMPLE

QUICK = AuditConfig(model=ModelConfig(name="lr"), training=TrainingConfig(epochs=5), folds="2")


@pytest.fixture(scope="module")
def report() -> Report:
    return scan(SAMPLE / "train", known=SAMPLE / "truth.csv", config=QUICK)


def test_columns_are_the_designs(report):
    assert report.table.schema.names == [
        "id",
        "row",
        "content_hash",
        "label",
        "suggested_label",
        "influence",
        "influence_by_epoch",
        "rank",
        "score",
        "suspect",
        "p_label",
        "p_suggested",
        "loss",
        "similar",
        "similar_given",
        "terms_suggested",
        "terms_given",
        "duplicate_group",
        "contradicts",
        "in_test",
        "near_duplicate_of",
        "near_in_test",
        "outlier",
        "status",
        "reason",
        "true_label",
        "is_flipped",
    ]
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


def test_a_report_shows_itself_in_three_lines(report):
    suspects = int(report.to_pandas()["suspect"].sum())
    lines = repr(report).splitlines()
    assert len(lines) == 3
    assert lines[0].endswith("600 rows, 10 classes")
    assert lines[1].startswith(f"  {suspects} suspects; wrong labels: {range_in_words(report.metadata['noise'])}")
    assert len(report) == 600


def test_suspects_have_the_columns_that_hold_something(report):
    assert {"id", "label", "suggested_label", "score", "true_label"} <= set(report.suspects())
    assert not {"influence_by_epoch", "reason"} & set(report.suspects())
    none = Report(report.table.slice(0, 0), report.metadata)
    assert list(none.suspects()) == SCHEMA.names


def test_a_report_is_saved_as_its_ending_says(report, tmp_path):
    report.save(tmp_path / "page.HTML")
    assert (tmp_path / "page.HTML").read_text().startswith("<!DOCTYPE html>")
    for name in ("report.csv", "report", "report.parquet.gz"):
        with pytest.raises(InputError, match=r"does not end in \.parquet or \.html"):
            report.save(tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["page.HTML"]


def test_accuracy_is_that_of_the_given_labels_by_networks_that_did_not_train_on_them(report):
    frame, accuracy = report.to_pandas(), report.metadata["accuracy"]
    # a row whose given label has more than half of the probability is predicted, and none below a tenth of ten classes
    assert (frame["p_label"] > 0.5).mean() <= report.accuracy.overall <= (frame["p_label"] >= 0.1).mean()
    assert accuracy["most_frequent"] == frame["label"].value_counts().max() / 600
    rows = frame["label"].value_counts()
    assert sum(share * rows[name] for name, share in accuracy["classes"].items()) == pytest.approx(
        600 * report.accuracy.overall
    )


def test_accuracy_and_noise_are_objects_that_cannot_be_changed(report):
    stored = report.metadata["noise"]
    assert report.accuracy == Accuracy(**report.metadata["accuracy"])
    assert (report.noise.rate, report.noise.doubt) == (stored["rate"], None)
    for name in SHARE_FIGURES:
        assert getattr(report.noise, name) == stored[name]
    assert [(pair.given, pair.true, pair.rows) for pair in report.noise.pairs] == [
        (pair["given"], pair["true"], pair["rows"]) for pair in stored["pairs"]
    ]
    assert asdict(report.noise.expected_precision) == stored["expected_precision"]
    with pytest.raises(FrozenInstanceError):
        report.noise.rate = 0.0
    with pytest.raises(TypeError):
        report.accuracy.classes["0"] = 1.0


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
