"""Deciding on groups of copies, in a real browser, and what `apply` understands of it."""

from __future__ import annotations

import json

import pytest

from labelaudit.correction.decisions import read_decisions
from labelaudit.report.html import write_html
from tests.support.made_up import report_of_copies
from tests.support.pages import export, press

pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")

COLUMNS = ["id", "row", "content_hash", "label", "decision", "new_label", "note"]


@pytest.fixture
def copies(tmp_path):
    """Rows 0 to 2 are copies with different labels, 3 and 4 with one; 5 and 6 are near copies, and 7 of row 0."""
    labels = ["a", "b", "a", "b", "b", "a", "<b>'\"&", "b", "a", "b"]
    groups = [0, 0, 0, 1, 1, *[None] * 5]
    near = [7, 7, 7, None, None, 6, 5, 0, None, None]
    report, dataset = report_of_copies(labels, groups, near=near)
    path = tmp_path / "report.html"
    write_html(report, dataset, path)
    return path, report, tmp_path


def group(page, word: str, place: int):
    return page.locator(f'.copy-group[data-word="{word}"]').nth(place)


def decided(page, report, folder) -> dict[str, tuple[str, str | None]]:
    """What `apply` makes of the exported file."""
    text, _ = export(page)
    (folder / "decisions.csv").write_bytes(text.encode())
    found = read_decisions(folder / "decisions.csv", report, new_classes=False, drops=True)
    return {one.id: (one.decision, one.new_label) for one in found}


def test_groups_are_decided_on_by_keys(open_page, copies):
    path, report, folder = copies
    page = open_page(path)
    group(page, "copies", 0).focus()
    press(page, "2")
    assert group(page, "copies", 0).locator(".group-verdict").inner_text() == "Label for all: b"
    press(page, "ArrowRight d")
    assert group(page, "copies", 1).locator(".group-verdict").inner_text() == "Copies dropped: only id 3 is kept"
    near = group(page, "near-copies", 1)
    assert json.loads(near.get_attribute("data-members")) == [5, 6]
    near.focus()
    press(page, "2")
    lines = export(page)[1]
    hashes = report.table["content_hash"].to_pylist()
    assert lines == [
        COLUMNS,
        ["id 0", "0", hashes[0], "a", "label-copies", "b", ""],
        ["id 3", "3", hashes[3], "b", "drop-copies", "", ""],
        ["id 5", "5", hashes[5], "a", "label-near-copies", "<b>'\"&", ""],
    ]
    assert decided(page, report, folder) == {
        "id 0": ("relabel", "b"),
        "id 1": ("keep", None),
        "id 2": ("relabel", "b"),
        "id 4": ("drop-copies", None),
        "id 5": ("relabel", "<b>'\"&"),
        "id 6": ("keep", None),
    }
    group(page, "copies", 0).focus()
    press(page, "2")  # once more: taken back
    assert len(export(page)[1]) == 3
    press(page, "z")
    assert len(export(page)[1]) == 4
    page.reload()
    assert group(page, "copies", 1).locator(".group-verdict").is_visible()
    assert len(export(page)[1]) == 4


def test_any_one_of_a_group_may_be_the_one_that_is_kept(open_page, copies):
    path, report, folder = copies
    page = open_page(path)
    buttons = group(page, "copies", 0).locator("button.keep-one")
    buttons.nth(1).click()
    kept = group(page, "copies", 0).locator("li[data-row]").nth(1).get_attribute("data-row")
    assert [button.get_attribute("aria-pressed") for button in buttons.all()] == ["false", "true", "false"]
    found = decided(page, report, folder)
    assert found == {f"id {row}": ("drop-copies", None) for row in (0, 1, 2) if str(row) != kept}
    buttons.nth(0).click()  # instead
    assert len(export(page)[1]) == 2


def test_a_row_is_decided_on_by_itself_or_with_its_copies(open_page, copies):
    path, report, folder = copies
    page = open_page(path)
    page.locator('.card[data-row="1"]').focus()
    press(page, "k")
    group(page, "copies", 0).focus()
    press(page, "d")
    assert [line[4] for line in export(page)[1][1:]] == ["drop-copies"]
    group(page, "near-copies", 0).focus()  # of rows 0, 1, 2 and 7
    press(page, "1")
    assert [line[4] for line in export(page)[1][1:]] == ["label-near-copies"]
    assert set(decided(page, report, folder)) == {"id 0", "id 1", "id 2", "id 7"}
    page.locator('.card[data-row="2"]').focus()
    press(page, "u")
    assert [line[4] for line in export(page)[1][1:]] == ["unsure"]
    press(page, "z z z")
    assert [line[4] for line in export(page)[1][1:]] == ["keep"]


def test_keys_of_a_group_are_no_decisions_on_the_current_row(open_page, copies):
    path, _, _ = copies
    page = open_page(path)
    group(page, "copies", 1).focus()
    press(page, "a k u o w 9")
    assert page.locator("#export").is_disabled()


def test_an_exported_file_can_be_imported(open_page, copies):
    path, _, folder = copies
    page = open_page(path)
    group(page, "copies", 0).focus()
    press(page, "1 ArrowRight d")
    text, lines = export(page)
    other = open_page(path)
    hostile = "id 0,0,x,a,label-copies,b,\r\nid 3,3,,b,drop-copies,b,\r\nid 9,9,,b,drop-copies,,\r\n"
    (folder / "in.csv").write_bytes((text + hostile).encode())
    other.locator("#import-file").set_input_files(str(folder / "in.csv"))
    other.wait_for_function("document.getElementById('live').textContent.includes('imported')")
    assert other.inner_text("#live") == "2 decisions imported, 3 left out: not about rows of this page."
    assert export(other)[1] == lines
