"""What a reviewer does with a page, and sees of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path


def press(page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def current(page) -> int:
    return int(page.locator(".card.current").get_attribute("data-row"))


def shown(page) -> list[int]:
    return [int(card.get_attribute("data-row")) for card in page.locator(".card:visible").all()]


def export(page) -> tuple[str, list[list[str]]]:
    with page.expect_download() as download:
        page.click("#export")
    assert download.value.suggested_filename == "decisions.csv"
    text = Path(download.value.path()).read_bytes().decode()
    return text, list(csv.reader(io.StringIO(text, newline="")))
