"""What a report and its page say of copies."""

from __future__ import annotations

import json

import datasets
import numpy as np
import pandas as pd
import pytest

from labelaudit import InputError, Report, scan
from labelaudit.report.copies import GROUPS, ROWS, copy_groups, count_copies, near_copy_groups, near_groups
from labelaudit.report.html import render_html
from labelaudit.report.summary import summarise_report
from labelaudit.report.wording import copies_in_words, near_copies_in_words
from tests.support.made_up import Page, report_of_copies


def test_counts_and_words():
    report, _ = report_of_copies(["a", "b", "a", "a", "a", "b"], [0, 0, 1, 1, 1, None], in_test={5, 2})
    counts = count_copies(report.to_pandas(), report.metadata)
    assert counts == {
        "rows": 5,
        "groups": 2,
        "contradicting_rows": 2,
        "contradicting_groups": 1,
        "example": [["id 0", "a"], ["id 1", "b"]],
        "in_test": 2,
        "places": ["the test set"],
        "near_rows": 0,
        "near_groups": 0,
        "near_contradicting_rows": 0,
        "near_contradicting_groups": 0,
        "near_example": [],
        "near_in_test": 0,
        "alike_by_chance": False,
    }
    assert copies_in_words(counts) == [
        "2 copies with different labels, in 1 group: at least one of each is wrong; for example id 0 (a) and id 1 (b)",
        "2 rows are in the test set, too: figures measured there are too good",
        "3 copies with the same label, in 1 group",
    ]
    by_chance = copies_in_words(counts | {"alike_by_chance": True})[0]
    assert "that need not be a mistake; for example" in by_chance
    json.dumps(summarise_report(report)["copies"])


def test_counts_and_words_of_near_copies():
    near = [3, None, 0, 0, 5, 4, None]
    report, _ = report_of_copies(["a", "b", "a", "b", "a", "a", "b"], [None] * 7, near=near, near_in_test={1})
    frame = report.to_pandas()
    assert near_groups(frame).notna().tolist() == [True, False, True, True, True, True, False]
    assert near_groups(frame)[[0, 2, 3]].nunique() == 1
    counts = count_copies(frame, report.metadata)
    assert {name: counts[name] for name in counts if name.startswith("near")} == {
        "near_rows": 5,
        "near_groups": 2,
        "near_contradicting_rows": 3,
        "near_contradicting_groups": 1,
        "near_example": [["id 0", "a"], ["id 3", "b"]],
        "near_in_test": 1,
    }
    assert near_copies_in_words(counts) == [
        "3 near copies with different labels, in 1 group: for example id 0 (a) and id 3 (b)",
        "1 row has a near copy in the test set: figures measured there are too good",
        "2 near copies with the same label, in 1 group",
    ]
    assert copies_in_words(counts) == []
    json.dumps(counts)


def test_groups_of_near_copies_are_shown_those_with_different_labels_first():
    near = [1, 0, 4, None, 2, None, None]
    report, dataset = report_of_copies(["a", "a", "a", "b", "b", "a", "b"], [None] * 7, near=near, near_in_test={6})
    groups = near_copy_groups(report.to_pandas(), dataset)
    assert [[row["row"] for row in group.rows] for group in groups] == [[2, 4], [6], [0, 1]]
    assert [group.contradicts for group in groups] == [True, False, False]
    page = Page(render_html(report, dataset))
    assert "Near copies" in page.texts
    assert "Copies" not in page.texts
    many, dataset = report_of_copies(["a"] * 400, [None] * 400, near=[row ^ 1 for row in range(400)])
    page = Page(render_html(many, dataset))
    assert f"{GROUPS} of 200 groups; report.parquet has them all, in the column near_duplicate_of." in page.texts


def test_without_copies_nothing_is_said():
    report, dataset = report_of_copies(["a", "b", "a"], [None, None, None])
    assert copies_in_words(count_copies(report.to_pandas(), report.metadata)) == []
    assert near_copies_in_words(count_copies(report.to_pandas(), report.metadata)) == []
    page = render_html(report, dataset)
    assert 'id="copies"' not in page
    assert 'id="near-copies"' not in page


def test_groups_that_contradict_come_first_then_those_in_the_test_set_then_the_largest():
    labels = ["a", "a", "a", "a", "a", "a", "b", "a", "b"]
    report, dataset = report_of_copies(labels, [0, 0, 1, 1, 1, 2, 2, None, None], in_test={8})
    frame = report.to_pandas()
    frame.loc[frame["row"] == 6, "p_label"] = 0.9
    frame.loc[frame["row"] == 5, "p_label"] = 0.1
    groups = copy_groups(frame, dataset)
    assert [[row["row"] for row in group.rows] for group in groups] == [[5, 6], [8], [2, 3, 4], [0, 1]]
    assert [group.contradicts for group in groups] == [True, False, False, False]
    assert [group.in_test for group in groups] == [False, True, False, False]
    assert (groups[0].labels, groups[0].probable) == ((("a", 1), ("b", 1)), "b")


def test_of_many_copies_some_are_shown_those_with_other_labels_among_them():
    labels = ["a"] * 400 + ["b"]
    report, dataset = report_of_copies(labels, [0] * 401)
    (group,) = copy_groups(report.to_pandas(), dataset)
    assert len(group.rows) == ROWS
    assert group.more == 401 - ROWS
    assert {row["label"] for row in group.rows} == {"a", "b"}
    report, dataset = report_of_copies(["a"] * 400, np.repeat(np.arange(200), 2).tolist())
    assert len(copy_groups(report.to_pandas(), dataset)) == GROUPS
    page = Page(render_html(report, dataset))
    assert f"{GROUPS} of 200 groups; report.parquet has them all, in the column duplicate_group." in page.texts


def test_a_scan_finds_them(tmp_path):
    generator = np.random.default_rng(0)
    texts = [
        " ".join(generator.choice(["red", "blue"] if row % 2 else ["wet", "dry"], 6)) + f" {row}" for row in range(60)
    ]
    frame = pd.DataFrame({"text": texts, "label": ["colour" if row % 2 else "weather" for row in range(60)]})
    twin = pd.DataFrame({"text": [f" {texts[4]}\n", texts[7]], "label": ["colour", "colour"]})
    test = pd.DataFrame({"text": [texts[9], "blue red dry", "wet blue"], "label": ["colour", "colour", "weather"]})
    report = scan(pd.concat([frame, twin], ignore_index=True), test=test, epochs=2)
    found = report.to_pandas()
    assert found.loc[found["contradicts"], "row"].tolist() == [4, 60]
    assert found.loc[found["duplicate_group"].notna(), "row"].tolist() == [4, 7, 60, 61]
    assert found.loc[found["in_test"], "row"].tolist() == [9]
    assert found.loc[found["contradicts"], "score"].sum() == pytest.approx(1, abs=0.01)
    assert report.noise.rate_low >= 1 / 62
    report.save(tmp_path / "report.parquet")
    assert Report.load(tmp_path / "report.parquet").table.equals(report.table)
    page = Page(render_html(report, report.dataset))
    assert "Copies" in page.texts
    assert any(text.startswith("2 copies with different labels, in 1 group") for text in page.texts)


def test_a_scan_finds_near_copies(tmp_path):
    frame, test = weather(60), weather(12)
    frame.loc[50, "text"] = frame["text"][4].replace(" 60-4", " 60-50")
    test.loc[3, "text"] = f"{frame['text'][20]} again"
    frame["label"] = ["colour" if row % 2 else "weather" for row in range(60)]
    frame.loc[4, "label"] = "colour"
    long = [f"{text} {' '.join(f'w{row}x{n}' for n in range(12))}" for row, text in enumerate(frame["text"])]
    long[50] = f"{long[4]} edited"
    frame["text"], test.loc[3, "text"] = long, f"{long[20]} again"
    report = scan(frame, test=test, epochs=2)
    found = report.to_pandas()
    assert found["near_duplicate_of"].dropna().to_dict() == {4: 50, 50: 4}
    assert np.flatnonzero(found["near_in_test"]).tolist() == [20]
    assert summarise_report(report)["copies"]["near_contradicting_rows"] == 2
    report.save(tmp_path / "report.parquet")
    assert Report.load(tmp_path / "report.parquet").table.equals(report.table)
    none = scan(frame, test=test, epochs=2, near=1).to_pandas()
    assert none["near_duplicate_of"].isna().all()
    assert not none["near_in_test"].any()


def weather(rows: int) -> pd.DataFrame:
    generator = np.random.default_rng(rows)
    texts = [
        " ".join(generator.choice(["red", "blue"] if row % 2 else ["wet", "dry"], 6)) + f" {rows}-{row}"
        for row in range(rows)
    ]
    return pd.DataFrame({"text": texts, "label": ["colour" if row % 2 else "weather" for row in range(rows)]})


@pytest.mark.parametrize("kind", ["saved", "tables"])
def test_other_splits_of_the_dataset_are_looked_at(tmp_path, kind):
    train, test, odd = weather(40), weather(10), weather(12).drop(columns="label")
    test.loc[3, "text"] = f"{train['text'][7]} "
    odd.loc[3, "text"] = train["text"][8]
    if kind == "saved":
        parts = {name: datasets.Dataset.from_pandas(part) for name, part in (("train", train), ("test", test))}
        datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "data"))
    else:
        (tmp_path / "data").mkdir()
        for name, part in (("train", train), ("test", test), ("validation", odd)):
            part.to_csv(tmp_path / "data" / f"{name}.csv", index=False)
    report = scan(tmp_path / "data", epochs=2)
    assert np.flatnonzero(report.to_pandas()["in_test"]).tolist() == [7]
    counts = count_copies(report.to_pandas(), report.metadata)
    assert copies_in_words(counts) == ["1 row is in split 'test', too: figures measured there are too good"]
    report.save(tmp_path / "r.html")
    assert "in split 'test', too" in "".join(Page((tmp_path / "r.html").read_text()).texts)
    with_test = scan(tmp_path / "data", test=tmp_path / "data", epochs=2)
    assert count_copies(with_test.to_pandas(), with_test.metadata)["places"] == ["the test set"]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("duplicate_group", [10**15, 10**15, None, None]),
        ("duplicate_group", [-5, -5, None, None]),
        ("duplicate_group", [0, None, None, None]),
        ("duplicate_group", [1, 1, None, None]),
        ("contradicts", [True, True, False, False]),
        ("contradicts", [False, False, False, True]),
        ("near_duplicate_of", [4, None, None, None]),
        ("near_duplicate_of", [-1, None, None, None]),
        ("near_duplicate_of", [None, 1, None, None]),
    ],
)
def test_what_is_stored_of_them_is_checked(tmp_path, column, values):
    report, _ = report_of_copies(["a", "a", "b", "b"], [0, 0, None, None])
    index = report.table.schema.get_field_index(column)
    field = report.table.schema.field(index)
    Report(report.table.set_column(index, field, [values]), report.metadata).save(tmp_path / "r.parquet")
    with pytest.raises(InputError, match=rf"its column '({column}|contradicts)' holds values that no report has"):
        Report.load(tmp_path / "r.parquet")
