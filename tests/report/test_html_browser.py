"""The report in a real browser: what a reviewer presses, and what comes out."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.support.made_up import HOSTILE
from tests.support.pages import current, export, press, shown

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
COLUMNS = ["id", "row", "content_hash", "label", "decision", "new_label", "note"]


def decided(report, row: int, decision: str, new_label: str, note: str = "") -> list[str]:
    record = report.to_pandas().iloc[row]
    return [record["id"], str(row), record["content_hash"], record["label"], decision, new_label, note]


def test_a_review_by_keys_ends_in_decisions(open_page, digits):
    path, report = digits
    page = open_page(path)
    ranked = report.ranked()
    first, second, third, fourth, fifth, sixth = ranked["row"].tolist()[:6]
    assert current(page) == first
    assert page.inner_text("#progress-text") == "0 of 40 reviewed"
    assert page.locator("#export").is_disabled()
    press(page, "a k u")
    assert current(page) == fourth
    press(page, "o")
    other = next(name for name in "0123456789" if name not in ranked.iloc[3][["label", "suggested_label"]].tolist())
    page.keyboard.type("no such class")
    press(page, "Enter")
    assert page.inner_text("#chooser-error").startswith("No row is called no such class yet.")
    page.fill("#chooser-class", ranked.iloc[3]["label"])
    press(page, "Enter")
    assert page.inner_text("#chooser-error") == "That is the label it has: keep it with k."
    page.fill("#chooser-class", other)
    press(page, "Enter")
    assert page.inner_text("#progress-text") == "4 of 40 reviewed"
    assert page.inner_text("#live") == f"Relabelled: {other}. 4 of 40 reviewed."
    assert current(page) == fifth
    press(page, "j")
    assert current(page) == sixth
    press(page, "k z")  # decided, and taken back
    assert current(page) == sixth
    press(page, "p n ArrowLeft ArrowRight p p")
    assert current(page) == fourth
    assert page.evaluate("document.activeElement.dataset.row") == str(fourth)
    text, lines = export(page)
    suggested = ranked.iloc[0]["suggested_label"]
    expected = [
        decided(report, first, "accept", suggested),
        decided(report, second, "keep", ""),
        decided(report, third, "unsure", ""),
        decided(report, fourth, "relabel", other),
    ]
    assert lines == [COLUMNS, *sorted(expected, key=lambda line: int(line[1]))]
    assert text.endswith("\r\n")
    assert text.count("\r\n") == text.count("\n") == 5


def test_decisions_survive_a_reload_and_can_be_undone(open_page, digits):
    path, report = digits
    page = open_page(path)
    first, second, third = report.ranked()["row"].tolist()[:3]
    press(page, "a u")
    page.reload()
    assert page.inner_text("#progress-text") == "2 of 40 reviewed"
    assert page.locator(f"#row-{first} [aria-pressed=true]").get_attribute("data-decision") == "accept"
    assert page.locator(f"#row-{second} [aria-pressed=true]").get_attribute("data-decision") == "unsure"
    assert current(page) == third
    assert page.locator("#undo").is_disabled()
    page.locator(f"#row-{second} [data-decision=unsure]").click()  # a pressed button takes it back
    assert page.inner_text("#progress-text") == "1 of 40 reviewed"
    page.locator(f"#row-{second} [data-decision=keep]").click()
    press(page, "z")
    press(page, "z")
    assert page.inner_text("#progress-text") == "2 of 40 reviewed"
    assert page.locator(f"#row-{second} [aria-pressed=true]").get_attribute("data-decision") == "unsure"
    other_tab = open_page(path, page.context)
    assert other_tab.inner_text("#progress-text") == "2 of 40 reviewed"
    press(other_tab, "k")
    playwright.expect(page.locator("#progress-text")).to_have_text("3 of 40 reviewed")


def test_a_browser_that_keeps_nothing_says_so(browser, open_page, digits):
    context = browser.new_context()
    context.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('denied') }})")
    page = open_page(digits[0], context)
    assert page.locator("#no-storage").is_visible()
    press(page, "a")
    assert page.inner_text("#progress-text") == "1 of 40 reviewed"
    context.close()


def test_where_it_keeps_them_nothing_is_said(open_page, digits):
    assert not open_page(digits[0]).locator("#no-storage").is_visible()


def test_rows_are_filtered_and_sorted(open_page, digits):
    path, report = digits
    page = open_page(path)
    frame = report.to_pandas()
    everything = shown(page)
    assert len(everything) == 124
    suspects = report.suspects()
    pair = suspects.groupby(["label", "suggested_label"]).size().idxmax()
    page.select_option("#pair", f"{int(pair[0])}-{int(pair[1])}")
    matching = suspects[(suspects["label"] == pair[0]) & (suspects["suggested_label"] == pair[1])]["row"].tolist()
    assert shown(page) == matching
    assert page.inner_text("#live") == f"{len(matching)} rows shown."
    assert page.inner_text("#suspects-title .count") == f"{len(matching)} of 40"
    assert current(page) == matching[0]
    page.click("text=Clear")
    assert shown(page) == everything
    page.fill("#search", "7/")
    assert shown(page) == [row for row in everything if "7/" in frame["id"][row]]
    page.fill("#search", "NO SUCH ID")
    assert shown(page) == []
    assert page.locator("#none-match").is_visible()
    press(page, "Tab")  # out of the field
    page.click("text=Clear")
    press(page, "a k")
    page.select_option("#state", "any")
    assert shown(page) == everything[:2]
    page.select_option("#state", "keep")
    assert shown(page) == everything[1:2]
    page.select_option("#state", "none")
    assert shown(page) == everything[2:]
    page.locator("h1").click()
    press(page, "u")  # what is decided leaves the list, and the next is there
    assert shown(page) == everything[3:]
    assert current(page) == everything[3]
    page.click("text=Clear")
    page.select_option("#sort", "influence")
    assert shown(page)[:40] == suspects.sort_values("influence")["row"].tolist()
    page.select_option("#sort", "label")
    assert shown(page)[:40] == suspects.sort_values(["label", "rank"])["row"].tolist()
    page.select_option("#sort", "score")
    assert shown(page)[:40] == suspects.sort_values("score", ascending=False)["row"].tolist()
    page.locator(f"button[data-pair='{int(pair[0])}-{int(pair[1])}']").click()
    assert shown(page) == matching
    link = page.locator(".classes a").first
    link.click()
    assert current(page) == int(link.get_attribute("data-goto"))


def test_a_row_out_of_sight_is_shown_before_it_is_decided(open_page, digits):
    page = open_page(digits[0])
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    press(page, "a")
    assert page.inner_text("#progress-text") == "0 of 40 reviewed"
    playwright.expect(page.locator(".card.current")).to_be_in_viewport()
    press(page, "a")
    assert page.inner_text("#progress-text") == "1 of 40 reviewed"


def test_keys_typed_elsewhere_decide_nothing(open_page, digits):
    page = open_page(digits[0])
    page.click("#search")
    page.keyboard.type("auk")
    press(page, "Tab Control+a")
    page.click("text=Clear")
    assert page.inner_text("#progress-text") == "0 of 40 reviewed"
    press(page, "?")
    assert page.locator("#help").is_visible()
    press(page, "k")
    page.locator("#keys-on").uncheck()
    press(page, "Escape k")
    assert not page.locator("#help").is_visible()
    assert page.inner_text("#progress-text") == "0 of 40 reviewed"


def test_hostile_names_are_reviewed_and_exported_as_they_are(open_page, hostile):
    path, report = hostile
    page = open_page(path)
    assert page.locator("h3 b", has_text="<script>alert(1)</script>").count() > 0
    assert page.locator("#class-names option").count() == 8
    ranked = report.ranked()
    press(page, " ".join("akuakuakuakuaku"))
    last = ranked.iloc[15]
    label = next(name for name in HOSTILE if name not in (last["label"], last["suggested_label"]) and name[0] in "=<'")
    press(page, "o")
    page.fill("#chooser-class", label)
    press(page, "Enter")
    assert page.inner_text("#progress-text") == "16 of 16 reviewed"
    _, lines = export(page)

    def guard(cell: str) -> str:
        return "'" + cell if cell.startswith(("=", "+", "-", "@", "'", "\t", "\r")) else cell

    decisions = [("accept", "keep", "unsure")[at % 3] for at in range(15)] + ["relabel"]
    expected = []
    for decision, (_, record) in zip(decisions, ranked.iterrows(), strict=True):
        new_label = {"accept": record["suggested_label"], "relabel": label}.get(decision, "")
        expected.append([guard(cell) for cell in decided(report, record["row"], decision, new_label)])
    assert lines == [COLUMNS, *sorted(expected, key=lambda line: int(line[1]))]


def test_decisions_go_on_elsewhere(open_page, hostile, tmp_path):
    path, _ = hostile
    page = open_page(path)
    press(page, "a k u a")
    text, lines = export(page)
    foreign = lines[1].copy()
    foreign[0] = "another id"
    wrong = lines[2].copy()
    wrong[4:6] = ["relabel", " "]
    file = tmp_path / "decisions.csv"
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([foreign, wrong])
    file.write_bytes((text + buffer.getvalue()).encode())
    elsewhere = open_page(path)  # a context of its own
    assert elsewhere.inner_text("#progress-text") == "0 of 16 reviewed"
    elsewhere.set_input_files("#import-file", file)
    playwright.expect(elsewhere.locator("#progress-text")).to_have_text("4 of 16 reviewed")
    assert elsewhere.inner_text("#live") == "4 decisions imported, 2 left out: not about rows of this page."
    assert export(elsewhere)[0] == text
    press(elsewhere, "z")
    assert elsewhere.inner_text("#progress-text") == "0 of 16 reviewed"
    file.write_text("a,b\n1,2\n")
    elsewhere.set_input_files("#import-file", file)
    playwright.expect(elsewhere.locator("#live")).to_have_text(
        f"Not a decisions.csv: expected the columns {', '.join(COLUMNS)}."
    )


def test_what_is_stored_can_be_broken(open_page, digits):
    path, _ = digits
    page = open_page(path)
    key = page.evaluate("JSON.parse(document.getElementById('data').textContent).key")
    for stored in ("not JSON", "null", json.dumps([{"row": 1, "decision": "toString"}]), json.dumps([None])):
        page.evaluate("([key, value]) => localStorage.setItem(key, value)", [key, stored])
        page.reload()
        assert page.inner_text("#progress-text") == "0 of 40 reviewed"


def test_a_note_and_a_new_class_go_with_the_decisions(open_page, digits):
    path, report = digits
    page = open_page(path)
    first, second = report.ranked()["row"].tolist()[:2]
    press(page, "c")
    assert page.inner_text("#live").startswith("Decide on the row first")
    press(page, "o")
    page.fill("#chooser-class", "letter")
    press(page, "Enter")
    assert page.locator("#chooser").is_visible()
    press(page, "Enter d p")  # the keys act at once, though a dialog was just closed
    press(page, "c")
    page.fill("#note-text", "=a smudge, no digit")
    press(page, "Enter p")
    assert export(page)[1][1:] == sorted(
        [decided(report, first, "relabel", "letter"), decided(report, second, "drop", "", "'=a smudge, no digit")],
        key=lambda line: int(line[1]),
    )
    page.reload()
    playwright.expect(page.locator(f"#row-{second} .note span")).to_have_text("=a smudge, no digit")


def test_keys_are_not_lost_when_a_dialog_closes(open_page, digits):
    page = open_page(digits[0])
    page.evaluate(  # at once, before the browser has moved the focus
        """() => { const type = (key) => document.activeElement.dispatchEvent(
                     new KeyboardEvent("keydown", {key, bubbles: true}));
                   type("?"); document.querySelector("#help form").requestSubmit(); type("k");
                   type("o"); document.querySelector("#chooser-cancel").click(); type("u"); }"""
    )
    assert page.inner_text("#progress-text") == "2 of 40 reviewed"
    press(page, "? Escape a")
    assert page.inner_text("#progress-text") == "3 of 40 reviewed"


def test_all_of_a_pair_are_accepted_and_taken_back_together(open_page, digits):
    path, report = digits
    page = open_page(path)
    suspects = report.suspects()
    sizes = suspects.groupby(["label", "suggested_label"]).size()
    (given, suggested), size = sizes.idxmax(), sizes.max()
    page.select_option("#sort", "pair")
    heading = page.locator(".pair", has_text=f"{given} → {suggested}")
    assert page.locator(".pair").count() == len(sizes)
    of_pair = suspects[(suspects["label"] == given) & (suspects["suggested_label"] == suggested)]["row"].tolist()
    page.locator(f"#row-{of_pair[0]} [data-decision=keep]").click()
    button = heading.locator("button")
    assert button.inner_text() == f"Accept all {size - 1} shown"
    button.click()
    assert page.inner_text("#progress-text") == f"{size} of 40 reviewed"
    assert page.locator(f"#row-{of_pair[0]}").get_attribute("data-decision") == "keep"
    assert all(page.locator(f"#row-{row}").get_attribute("data-decision") == "accept" for row in of_pair[1:])
    assert button.is_disabled()
    press(page, "z")
    assert page.inner_text("#progress-text") == "1 of 40 reviewed"
    page.select_option("#sort", "rank")
    assert page.locator(".pair").count() == 0


def test_the_time_left_follows_the_pace(open_page, digits):
    page = open_page(digits[0])
    page.evaluate("performance.now = () => (performance.at = (performance.at || 0) + 30_000)")
    press(page, "k k k k k")
    assert page.inner_text("#time-left") == ""
    press(page, "k")
    assert page.inner_text("#time-left") == "about 17 min left"  # 34 rows of half a minute
