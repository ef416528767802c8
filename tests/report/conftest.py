"""The report in a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from labelaudit import load_dataset
from labelaudit.data.content import Texts
from labelaudit.report.html import write_html
from tests.support.made_up import HOSTILE, make_dataset, make_report
from tests.support.paths import SAMPLE

PATIENCE = 120_000  # milliseconds


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"needs a browser on PATH: one of {', '.join(names)}")
    with playwright.sync_playwright() as running:
        # Containers have little /dev/shm, and a busy machine takes its time.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        launched = running.chromium.launch(executable_path=path, args=arguments, timeout=PATIENCE)
        playwright.expect.set_options(timeout=PATIENCE)
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser):
    """Open a file in a page of its own; at the end, nothing may have gone wrong or been asked for in it."""
    complaints, contexts = [], []

    def open_file(path: Path, context=None, **options):
        if context is None:
            context = browser.new_context(accept_downloads=True, **options)
            contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        # The browser also has things to say of itself, as information.
        page.on(
            "console",
            lambda message: message.type in ("info", "debug") or complaints.append(f"{message.type}: {message.text}"),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on(
            "request",
            lambda request: request.url.startswith(("file:", "data:", "blob:")) or complaints.append(request.url),
        )
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A page with 40 suspects: the file, and the report."""
    path = tmp_path_factory.mktemp("digits") / "report.html"
    dataset = load_dataset(SAMPLE / "train")
    by_epoch = [[row / 600 - 0.5, 0.0, -0.25] for row in range(600)]
    report = make_report(dataset, suspects=40, similar=3, influence_by_epoch=by_epoch)
    write_html(report, dataset, path)
    return path, report


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A page whose ids, labels and texts are all made to do harm."""
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    ids = [f"{HOSTILE[row % 8]}{row}" for row in range(16)]
    dataset = make_dataset(Texts(HOSTILE * 2), ids, HOSTILE * 2)
    report = make_report(dataset, suspects=16, similar=1)
    write_html(report, dataset, path)
    return path, report
