"""A stored report is checked before anything relies on it."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit import InputError, Report
from labelaudit.report.schema import METADATA_KEY, SCHEMA
from tests.support.paths import SAMPLE
from tests.support.reports import report_of


@pytest.fixture(scope="module")
def report() -> Report:
    return report_of(SAMPLE / "test")


def test_a_flipped_bit_anywhere_is_damage(report, tmp_path):
    path = tmp_path / "report.parquet"
    report.save(path)
    assert Report.load(path).table.equals(report.table)
    content = path.read_bytes()
    generator = random.Random(0)
    for _ in range(100):
        place = generator.randrange(len(content))
        changed = bytearray(content)
        changed[place] ^= 1 << generator.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(InputError, match=r"report.parquet (is damaged|as a report|carries no SHA-256)"):
            Report.load(path)


def test_the_same_report_has_the_same_bytes(report, tmp_path):
    report.save(tmp_path / "a.parquet")
    report.save(tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (b"no JSON", "its metadata is not valid JSON"),
        (b"[1, 2]", "its metadata is not a JSON object"),
        (b"[" * 100_000, "its metadata is nested too deep"),
        (b'{"schema_version": NaN}', "not valid JSON .NaN is no number"),
        (b"\xff\xfe", "its metadata is not valid JSON"),
        (b'{"schema_version": 6}', "not that of a report .labelaudit_version: field required"),
    ],
)
def test_metadata_of_any_kind(report, tmp_path, stored, message):
    pq.write_table(report.table.replace_schema_metadata({METADATA_KEY: stored}), tmp_path / "r.parquet")
    with pytest.raises(InputError, match=message):
        Report.load(tmp_path / "r.parquet")


@pytest.mark.parametrize("key", ["classes", "noise", "config", "training", "source", "seconds", "query"])
@pytest.mark.parametrize("value", [None, 3, "text", [1], {"a": {}}, 1e400])
def test_each_part_of_the_metadata_is_checked(report, tmp_path, key, value):
    metadata = {METADATA_KEY: json.dumps(report.metadata | {key: value}).encode()}
    pq.write_table(report.table.replace_schema_metadata(metadata), tmp_path / "r.parquet")
    with pytest.raises(InputError, match=r"r.parquet cannot be used: its (metadata|settings)"):
        Report.load(tmp_path / "r.parquet")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("score", float("nan")),
        ("score", 1.5),
        ("score", None),
        ("influence", float("inf")),
        ("row", 2**62),
        ("row", 0),
        ("rank", 0),
        ("rank", 2**62),
        ("similar", [2**40]),
        ("similar", [-1]),
        ("label", "no class"),
        ("status", "unheard of"),
        ("status", "query"),
        ("id", "0/0000.png"),
        ("content_hash", "abc"),
        ("p_label", -0.5),
        ("influence_by_epoch", [float("nan")]),
    ],
)
def test_each_column_is_checked(report, tmp_path, column, value):
    values = report.table[column].to_pylist()
    values[3] = report.table["id"][0].as_py() if column == "id" else value
    index = SCHEMA.get_field_index(column)
    table = report.table.set_column(index, SCHEMA.field(index), pa.array(values, SCHEMA.field(index).type))
    Report(table, report.metadata).save(tmp_path / "r.parquet")
    with pytest.raises(InputError, match=rf"its column '({column}|rank|influence|score|status)' holds values that no"):
        Report.load(tmp_path / "r.parquet")


def test_a_report_that_another_program_wrote_again_is_refused(report, tmp_path):
    report.save(tmp_path / "r.parquet")
    pq.write_table(pq.read_table(tmp_path / "r.parquet"), tmp_path / "r.parquet")
    with pytest.raises(InputError, match=r"r.parquet (carries no SHA-256|is damaged)"):
        Report.load(tmp_path / "r.parquet")
