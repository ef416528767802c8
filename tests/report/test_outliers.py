"""What a report and its page say of outliers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from labelaudit import InputError, Report, scan
from labelaudit.report.html import render_html
from labelaudit.report.outliers import SHOWN, outliers_in
from labelaudit.report.summary import summarise_report
from labelaudit.report.wording import outliers_in_words
from tests.support.made_up import Page, make_report, texts_dataset


def report_of(shares) -> tuple[Report, object]:
    dataset = texts_dataset(["a", "b"] * (len(shares) // 2))
    return make_report(dataset, 0, outlier=shares), dataset


def test_words_and_page():
    report, dataset = report_of([1.0, 0.2, 0.5, 0.99999, None, 0.1])
    assert outliers_in(report.to_pandas())["row"].tolist() == [0, 3]
    found = summarise_report(report)["outliers"]
    assert found == {"rows": 2, "examples": ["id 0", "id 3"]}
    said = "2 rows seem to belong to no class (up to one of five by chance): for example id 0"
    assert outliers_in_words(found) == said
    page = Page(render_html(report, dataset))
    assert "Outliers" in page.texts
    assert f"{said}." in page.texts
    json.dumps(found)


def test_where_there_are_none_nothing_is_said():
    report, dataset = report_of([0.5, None, 0.9, 0.1])
    assert outliers_in_words(summarise_report(report)["outliers"]) is None
    assert 'id="outliers"' not in render_html(report, dataset)


def test_of_many_some_are_shown():
    report, dataset = report_of([1.0] * 100)
    page = Page(render_html(report, dataset))
    assert f"{SHOWN} of 100; report.parquet has them all, in the column outlier." in page.texts


@pytest.mark.parametrize("value", [1.5, -0.1, float("inf")])
def test_what_is_stored_of_them_is_checked(tmp_path, value):
    report, _ = report_of([value, None])
    report.save(tmp_path / "r.parquet")
    with pytest.raises(InputError, match="its column 'outlier' holds values that no report has"):
        Report.load(tmp_path / "r.parquet")


def test_a_scan_finds_them(tmp_path):
    generator = np.random.default_rng(0)
    rows = np.concatenate([generator.normal(c, 0.3, (200, 20)) for c in (-1, 1)])
    labels = ["low"] * 200 + ["high"] * 200
    rows[[3, 250]] = 4 * generator.normal(size=(2, 20))
    report = scan(rows.astype(np.float32), labels)
    found = report.to_pandas()["outlier"]
    assert set(found.nlargest(2).index) == {3, 250}
    report.save(tmp_path / "r.parquet")
    assert Report.load(tmp_path / "r.parquet").table.equals(report.table)
