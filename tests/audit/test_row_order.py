"""The order of the rows decides nothing: neither who is in which fold, nor the order of the mini-batches."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelaudit import scan
from labelaudit.checking.baseline import save_baseline
from labelaudit.checking.verdict import Limits
from labelaudit.commands.check import check
from labelaudit.commands.scan import scan_and_keep
from labelaudit.config import AuditConfig, ModelConfig, TrainingConfig
from labelaudit.data.splits import by_content
from tests.support.data import digit_files, digit_folders


@pytest.fixture
def data(tmp_path) -> Path:
    return digit_folders(tmp_path / "data", "017", 20)


def manifest(data: Path, seed: int) -> Path:
    """The images in another order, and with other ids."""
    rows = [
        f"img-{number},{file.relative_to(data)},{file.parent.name}"
        for number, file in enumerate(sorted(data.rglob("*.png")))
    ]
    random.Random(seed).shuffle(rows)
    path = data / f"order-{seed}.csv"
    path.write_text("id,path,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def by_hash(report) -> pd.DataFrame:
    return report.to_pandas().set_index("content_hash").sort_index()


@pytest.mark.parametrize("options", [{}, {"test_fraction": 0.3}], ids=["cross-audit", "held out"])
def test_images_in_another_order_get_the_same_scores(data, options):
    frames = [
        by_hash(scan(source, model="cnn", epochs=1, **options))
        for source in (data, manifest(data, 1), manifest(data, 2))
    ]
    for frame in frames[1:]:
        assert frame["status"].equals(frames[0]["status"])
        for name in ("influence", "loss", "p_label", "score"):
            assert np.allclose(frame[name].astype(float), frames[0][name].astype(float), rtol=1e-5, equal_nan=True)


def test_rows_of_a_table_too(tmp_path):
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.normal(size=(80, 3)), columns=list("abc"))
    frame["label"] = np.where(frame["a"] + generator.normal(size=80) / 3 > 0, "yes", "no")
    frames = [by_hash(scan(some, epochs=2)) for some in (frame, frame.sample(frac=1, random_state=1))]
    for name in ("influence", "score"):
        assert np.allclose(frames[0][name], frames[1][name], rtol=1e-3, atol=1e-6)


def test_texts_too_how_they_are_encoded_included(tmp_path):
    generator = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(60)])
    shares = np.where(generator.random((2, 60)) < 0.3, 3, 1) / np.arange(2, 62)
    kinds = generator.integers(0, 2, 120)
    texts = [" ".join(generator.choice(words, 12, p=shares[kind] / shares[kind].sum())) for kind in kinds]
    frame = pd.DataFrame({"text": texts, "label": np.array(["dull", "fine"])[kinds]})
    reports = [scan(some, epochs=2) for some in (frame, frame.sample(frac=1, random_state=1))]
    frames = [by_hash(report) for report in reports]
    assert "held-out loss" in reports[0].metadata["input"]
    assert reports[0].metadata["input"] == reports[1].metadata["input"]
    for name in ("influence", "score"):
        assert np.allclose(frames[0][name], frames[1][name], rtol=1e-3, atol=1e-6)


def test_rows_are_ordered_by_content_and_then_by_label():
    hashes = ("c", "a", "b", "a", None)
    assert by_content(np.array([0, 1, 2, 3]), np.array([0, 1, 0, 0, 0]), hashes).tolist() == [3, 1, 2, 0]


def test_a_check_deals_new_rows_out_by_content(data, tmp_path):
    config = AuditConfig(model=ModelConfig(name="cnn"), training=TrainingConfig(epochs=1))
    report, audit = scan_and_keep(data, config=config)
    (tmp_path / "baseline").mkdir()
    save_baseline(tmp_path / "baseline", report, audit)
    for digit in "017":
        for file in digit_files(digit, 24)[20:]:
            shutil.copy(file, data / digit)
    scores = []
    for source in (manifest(data, 1), manifest(data, 2)):
        found = check(source, tmp_path / "baseline", limits=Limits(suspects=None))
        assert len(found.changes) == 12
        scores.append({row.id: row.score for row in found.changes})
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


def test_reports_without_times_are_the_same_byte_for_byte(data, tmp_path):
    for name in "ab":
        report = scan(data, model="lr", epochs=1, deterministic=True)
        assert report.metadata["seconds"] == {}
        report.save(tmp_path / f"{name}.parquet")
        report.to_html(tmp_path / f"{name}.html")
    for kind in ("parquet", "html"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
