"""Corrected copies of tables, and of manifests."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit.commands.apply import apply_decisions
from labelaudit.config import SourceConfig
from labelaudit.data.sources import load_dataset
from labelaudit.errors import InputError
from tests.support.paths import SAMPLE
from tests.support.reports import changelog, decisions_of, report_of

TRAIN = SAMPLE / "train"


TEXTS = pd.DataFrame(
    {
        "key": ["k0", "=k1", "k2"],
        "text": ["one two three four", "five six seven eight", "a b c d"],
        "y": ["x", "z", "x"],
    }
)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_tables(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    match suffix:
        case ".jsonl":
            TEXTS.to_json(path, orient="records", lines=True)
        case ".parquet":
            TEXTS.to_parquet(path)
        case _:
            TEXTS.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    before = path.read_bytes()
    report = report_of(path, {"=k1": "x"}, SourceConfig(id_column="key"))
    decisions = decisions_of(tmp_path / "d.csv", ("'=k1", "accept", ""), ("k2", "relabel", "-new"))
    applied = apply_decisions(report, decisions, tmp_path / f"corrected{suffix}", new_classes=True)
    assert path.read_bytes() == before
    corrected = load_dataset(tmp_path / f"corrected{suffix}", SourceConfig(id_column="key"))
    assert corrected.labels == ("x", "x", "-new")
    assert corrected.content.values == tuple(TEXTS["text"])
    assert applied.changelog == tmp_path / "corrected.changes.csv"
    assert [(row["id"], row["new_label"], row["new_id"]) for row in changelog(applied.changelog)] == [
        ("'=k1", "x", "'=k1"),
        ("k2", "'-new", "k2"),
    ]


def test_manifests_and_images_in_parquet(images, tmp_path):
    folder, _ = images
    files = sorted(folder.rglob("*.png"))
    table = pd.DataFrame({"path": [file.relative_to(tmp_path).as_posix() for file in files], "label": [*"1", *"17777"]})
    table.to_csv(tmp_path / "m.csv", index=False)
    (tmp_path / "elsewhere").mkdir()
    decisions = decisions_of(tmp_path / "d.csv", ("images/1/a.png", "relabel", "7"))
    applied = apply_decisions(report_of(tmp_path / "m.csv"), decisions, tmp_path / "elsewhere" / "m.csv")
    assert applied.notes == (f"image paths in it are relative to {tmp_path}: read it with `image_root` {tmp_path}",)
    assert load_dataset(applied.out, SourceConfig(image_root=tmp_path)).labels[0] == "7"

    images_column = pa.array([{"bytes": file.read_bytes(), "path": file.name} for file in files])
    pq.write_table(pa.table({"image": images_column, "label": pa.array([1, 1, 7, 7, 7, 7])}), tmp_path / "i.parquet")
    decisions = decisions_of(tmp_path / "e.csv", ("row-0", "relabel", "7"))
    out = tmp_path / "elsewhere" / "corrected.parquet"
    applied = apply_decisions(report_of(tmp_path / "i.parquet"), decisions, out)
    assert applied.notes == ()
    assert pq.read_table(applied.out)["label"].to_pylist() == [7, 1, 7, 7, 7, 7]
    assert pq.read_table(applied.out)["image"].equals(pq.read_table(tmp_path / "i.parquet")["image"])


def test_labels_that_have_changed_are_refused(tmp_path):
    TEXTS.to_csv(tmp_path / "t.csv", index=False)
    report = report_of(tmp_path / "t.csv", config=SourceConfig(id_column="key"))
    TEXTS.assign(y=["x", "x", "z"]).to_csv(tmp_path / "t.csv", index=False)
    path = decisions_of(tmp_path / "d.csv", ("k2", "relabel", "z"))
    with pytest.raises(InputError, match=r"t.csv: 'k2' \(row 2\) is labelled 'z', in the report 'x'; the dataset has"):
        apply_decisions(report, path, tmp_path / "out.csv")


def test_a_table_is_not_its_own_copy(tmp_path):
    TEXTS.to_csv(tmp_path / "t.csv", index=False)
    report = report_of(tmp_path / "t.csv", config=SourceConfig(id_column="key"))
    path = decisions_of(tmp_path / "d.csv", ("k2", "relabel", "z"))
    (tmp_path / "same.csv").hardlink_to(tmp_path / "t.csv")
    for out in ("t.csv", "same.csv"):
        with pytest.raises(InputError, match="is the dataset itself"):
            apply_decisions(report, path, tmp_path / out, overwrite=True)
    with pytest.raises(InputError, match=r"out.parquet is to have the format of t.csv"):
        apply_decisions(report, path, tmp_path / "out.parquet")
    with pytest.raises(InputError, match="`mode` is for image folders"):
        apply_decisions(report, path, tmp_path / "out.csv", mode="hardlink")
    with pytest.raises(InputError, match="`manifest` is for image folders"):
        apply_decisions(report, path, tmp_path / "out.csv", manifest=True)
