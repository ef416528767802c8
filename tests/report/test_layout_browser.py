"""How the page looks and sounds: phones, paper, both colour schemes, screen readers."""

from __future__ import annotations

import pytest

from labelaudit import load_dataset
from labelaudit.report.html import write_html
from tests.support.made_up import make_report
from tests.support.pages import current, press, shown
from tests.support.paths import SAMPLE


@pytest.mark.parametrize("which", ["digits", "hostile"])
def test_on_a_phone_nothing_scrolls_sideways(open_page, which, request):
    path, _ = request.getfixturevalue(which)
    page = open_page(path, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    buttons = page.locator(".card.current button:visible")
    assert buttons.count() == 7 if which == "digits" else 6  # the picture, and what can be decided
    assert all(button.bounding_box()["height"] >= 44 for button in buttons.all())
    page.locator(".card.current [data-decision=keep]").tap()
    assert page.inner_text("#progress-text").startswith("1 of ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_both_schemes(open_page, digits, scheme):
    page = open_page(digits[0], color_scheme=scheme)
    press(page, "a k u")
    colours = page.evaluate(
        """() => ["body", ".muted", "h3 .suggested b", ".id", ".plain", "nav a", "button.primary", "dl.tiles dt",
                  ".card[data-decision=accept] .id", ".card[data-decision=keep] .id", ".card[data-decision=unsure] .id",
                  "[data-decision=accept][aria-pressed=true]", "[data-decision=unsure][aria-pressed=true]"
             ].map((name) => {
             const element = document.querySelector(name);
             let behind = element;
             while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
             return [name, getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
           })"""
    )

    def luminance(colour: str) -> float:
        channels = [int(part) / 255 for part in colour[4:-1].split(",")]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for name, ink, paper in colours:
        light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, name  # WCAG AA
    assert (luminance(colours[0][2]) < 0.1) == (scheme == "dark")


def test_on_paper_there_are_rows_and_no_controls(open_page, digits):
    path, report = digits
    page = open_page(path)
    press(page, "k")
    page.emulate_media(media="print")
    assert (
        page.locator("button:not([data-pair]):not(.zoom):visible, select:visible, input:visible, nav:visible").count()
        == 0
    )
    assert len(shown(page)) == 40  # the suspects alone
    assert page.locator(".verdict:visible").all_inner_texts() == [f"Kept: {report.ranked().iloc[0]['label']}"]


def test_what_a_screen_reader_hears(open_page, digits):
    page = open_page(digits[0])
    for landmark in ("main", "banner", "navigation", "contentinfo"):
        assert page.get_by_role(landmark).count() == 1
    assert page.get_by_role("progressbar", name="Reviewed").count() == 1
    assert page.get_by_role("group", name="Decision on row").count() == 124
    nameless = page.evaluate(
        """() => [...document.querySelectorAll(
               "button, select, input:not([type=file]), img, svg, dialog, .card, .scroll")]
             .filter((element) => !(element.textContent.trim() || element.labels?.length || element.alt
               || element.getAttribute("aria-label") || element.getAttribute("aria-labelledby"))).length"""
    )
    assert nameless == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(ids) == len(set(ids))
    referred = page.evaluate(
        "[...document.querySelectorAll('[aria-labelledby], [aria-describedby]')].flatMap((element) =>"
        " ['aria-labelledby', 'aria-describedby'].flatMap((name) => (element.getAttribute(name) || '').split(' ')))"
    )
    assert {name for name in referred if name} <= set(ids)
    press(page, "Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the suspects"


def test_a_list_has_twenty_rows_on_a_screen_and_one_at_a_time_has_its_buttons_in_reach(open_page, digits):
    page = open_page(digits[0], viewport={"width": 1280, "height": 900})
    height = page.evaluate("document.documentElement.scrollHeight")
    page.select_option("#view", "list")
    tops = [card.bounding_box()["y"] for card in page.locator(".card:visible").all()[1:22]]
    assert tops[-1] - tops[0] < 900
    assert page.evaluate("document.documentElement.scrollHeight") < 0.6 * height
    page.locator(".card").nth(5).click()
    assert page.locator(".card .actions:visible").count() == 1
    page.select_option("#view", "one")
    assert len(shown(page)) == 1
    page.locator(".card.current .zoom").click()
    assert page.locator("#zoom-picture").bounding_box()["width"] > 600
    press(page, "Escape j")
    assert not page.locator("#zoom").is_visible()
    assert shown(page) == [current(page)]


def test_on_a_phone_rows_come_one_by_one_by_swiping(open_page, digits):
    path, report = digits
    page = open_page(path, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    first, second = report.ranked()["row"].tolist()[:2]
    assert shown(page) == [first]
    swipe = """([from, to]) => { const card = document.querySelector(".card.current");
        const touch = (x) => new Touch({identifier: 1, target: card, clientX: x, clientY: 400});
        card.dispatchEvent(new TouchEvent(
          "touchstart", {touches: [touch(from)], changedTouches: [touch(from)], bubbles: true}));
        card.dispatchEvent(new TouchEvent("touchend", {changedTouches: [touch(to)], bubbles: true})); }"""
    page.evaluate(swipe, [300, 100])
    assert shown(page) == [second]
    page.evaluate(swipe, [100, 140])  # too short
    assert shown(page) == [second]
    page.evaluate(swipe, [100, 300])
    assert shown(page) == [first]


def test_three_hundred_suspects_make_a_short_page(open_page, tmp_path):
    dataset = load_dataset(SAMPLE / "train")
    write_html(make_report(dataset, suspects=300, similar=3), dataset, tmp_path / "report.html")
    page = open_page(tmp_path / "report.html", viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollHeight") < 8_000
    page.locator("#fold summary").click()
    page.select_option("#view", "list")
    assert page.evaluate("document.documentElement.scrollHeight") < 25_000
