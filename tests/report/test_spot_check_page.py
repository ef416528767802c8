"""The spot check of a page in a real browser: what is hidden, what is said, and that it is what Python says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from labelaudit.data.content import Texts
from labelaudit.detection.spot_check import Looked, share_wrong
from labelaudit.report.html import write_html
from tests.support.made_up import make_dataset, make_report
from tests.support.pages import press, shown
from tests.support.paths import ROOT

STATIC = ROOT / "labelaudit" / "report" / "static"


def spot_of(page):
    return page.evaluate("JSON.parse(document.getElementById('data').textContent).spot")


def test_a_spot_check_of_the_list_hides_the_suggestion_and_says_what_it_says(open_page, digits):
    path, report = digits
    page = open_page(path)
    drawn = spot_of(page)["list"]
    assert len(drawn) == 30
    assert set(drawn) <= set(report.suspects()["row"])
    assert not page.locator("#spot-result").is_visible()
    page.click("#spot-list")
    for number, row in enumerate(drawn):
        assert shown(page) == [row]  # in the order they were drawn, one at a time
        card = page.locator(f"#row-{row}")
        hidden = card.locator(".suggested, .similar, .plain, .why, .rank, [data-decision=accept]")
        assert hidden.count() >= 6
        assert not any(part.is_visible() for part in hidden.all())
        if number >= 27:
            press(page, "k")
            continue
        if number == 0:
            press(page, "a")
            assert "hidden until you decide" in page.inner_text("#live")
        press(page, "w")
        assert card.locator(".suggested").is_visible()
        press(page, "d" if number == 1 else "a")
        if number == 0:
            assert page.inner_text("#spot-result").startswith("Spot check: 29 left")
    assert page.inner_text("#spot-result") == "Spot check: 27 of 30 suspects were wrong: at least 76% of the list (95%)"
    page.click("#spot-list")
    assert page.inner_text("#progress-text") == "30 of 40 reviewed"
    assert page.locator("#spot-result").is_visible()
    page.locator(f"#row-{drawn[2]} [data-decision=unsure]").click()
    result = page.inner_text("#spot-result")
    bound = int(100 * beta.ppf(0.05, 26, 5))
    assert result == (
        f"Spot check: 26 of 30 suspects were wrong, 1 unsure, which count as right: at least {bound}% of the list (95%)"
    )


def test_a_spot_check_of_all_rows_says_the_share_as_python_does(open_page, digits):
    path, report = digits
    page = open_page(path)
    spot = spot_of(page)
    strata, first = spot["strata"], {row for part in spot["strata"] for row in part["drawn"][: part["first"]]}
    assert [part["rows"] for part in strata] == [40, 60, 500]
    assert set(spot["rows"]) == first
    assert len(first) == 30
    page.click("#spot-open")
    wrong = set(strata[0]["drawn"][: strata[0]["first"] - 1]) | set(strata[1]["drawn"][:2])
    for row in spot["rows"]:
        assert shown(page) == [row]
        press(page, "w d" if row in wrong else "k")
    looked = [
        Looked(part["rows"], wrong=number, right=part["first"] - number)
        for part, number in zip(strata, (strata[0]["first"] - 1, 2, 0), strict=True)
    ]
    share, low, high = share_wrong(looked)
    number = strata[0]["first"]
    bound, verb = int(100 * beta.ppf(0.05, number - 1, 2)), "was" if number == 2 else "were"
    assert page.inner_text("#spot-result") == (
        f"Spot check: {number - 1} of {number} suspects {verb} wrong: at least {bound}% of the list (95%); by all 30 "
        f"rows drawn, {low:.1%} to {high:.1%} of the labels are wrong (90% range, best guess {share:.1%})"
    )
    page.click("#spot-open")  # a suspect that was not drawn is decided on: it counts for itself
    far = next(row for row in report.suspects()["row"] if row not in strata[0]["drawn"])
    page.locator(f"#row-{far} [data-decision=drop]").click()
    looked[0] = Looked(40, wrong=number - 1, right=1, others_wrong=1)
    assert f"best guess {share_wrong(looked)[0]:.1%}" in page.inner_text("#spot-result")


def test_a_spot_check_of_all_suspects_needs_no_bound(open_page, tmp_path):
    dataset = make_dataset(Texts(tuple("abcdefgh")), list("abcdefgh"), ["x", "y"] * 4)
    write_html(make_report(dataset, suspects=3), dataset, tmp_path / "report.html")
    page = open_page(tmp_path / "report.html")
    assert not page.locator("#spot-list").count()  # all of them are in the check of all rows
    page.click("#spot-open")
    assert page.inner_text("#spot-open") == "End spot check"
    for _ in range(8):
        press(page, "k")
    assert page.inner_text("#spot-result") == (
        "Spot check: 0 of 3 suspects were wrong: the whole list; by all 8 rows drawn, 0.0% to 0.0% of the labels are "
        "wrong (90% range, best guess 0.0%)"
    )


def test_figures_of_the_page_are_those_of_scipy(browser):
    page = browser.new_page()
    source = (STATIC / "spot_check.js").read_text()
    pairs = [(k, n) for n in (1, 2, 7, 30, 300) for k in range(0, n + 1, max(1, n // 30))]
    bounds = page.evaluate(f"(pairs) => {{ {source}; return pairs.map(([k, n]) => wrongAtLeast(k, n)); }}", pairs)
    for (k, n), bound in zip(pairs, bounds, strict=True):
        assert bound == pytest.approx(0 if k == 0 else beta.ppf(0.05, k, n - k + 1), abs=2e-6)
    random = np.random.default_rng(0)
    cases = [[[int(rows), *random.integers(0, 8, 5).tolist()] for rows in (60, 400, 5000)] for _ in range(20)]
    cases += [[[1000, 0, 10, 0, 0, 0], [0, 0, 0, 0, 0, 0], [9000, 0, 20, 0, 0, 0]]]
    script = f"""(cases) => {{ const data = {{ spot: {{ reviewedWrong: 3, reviewedRight: 4 }} }}; {source};
      return cases.map((strata) => shareWrong(strata.map(([rows, wrong, right, unsure, othersWrong, othersRight]) =>
        ({{ rows, wrong, right, unsure, othersWrong, othersRight, checked: wrong + right + unsure }})))); }}"""
    for case, found in zip(cases, page.evaluate(script, cases), strict=True):
        expected = share_wrong([Looked(*stratum) for stratum in case], known_wrong=3, known_right=4)
        assert [found["share"], found["low"], found["high"]] == pytest.approx(expected, abs=1e-4)
    page.close()
