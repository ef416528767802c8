"""The reasons that a page gives for a suspect, in a real browser."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pytest

from labelaudit.data.content import Cells, Texts
from labelaudit.report.html import write_html
from tests.support.made_up import make_dataset, make_report


@pytest.fixture
def open_reasons(open_page, tmp_path):
    """Write and open the page of a dataset with one suspect."""

    def write(content, labels, **reasons):
        dataset = make_dataset(content, [f"r{row}" for row in range(len(labels))], labels)
        report = make_report(dataset, suspects=1)
        row = int(report.suspects()["row"].iloc[0])
        table = report.table
        for name, value in reasons.items():
            at = table.schema.get_field_index(name)
            column = [value if number == row else None for number in range(len(labels))]
            table = table.set_column(at, table.schema.field(at), pa.array(column, table.schema.field(at).type))
        report = replace(report, table=table)
        write_html(report, dataset, tmp_path / "reasons.html")
        return open_page(tmp_path / "reasons.html"), row

    return write


def test_neighbours_of_both_classes_are_beside_each_other(open_reasons):
    texts = Texts(tuple(f"text {number}" for number in range(8)))
    page, row = open_reasons(texts, list("abababab"), similar=[1, 2], similar_given=[3])
    card = page.locator(f"#row-{row}")
    assert [part.inner_text().split(" (")[1] for part in card.locator(".similar > p").all()] == ["suggested)", "given)"]
    assert [part.inner_text() for part in card.locator(".similar li").all()] == ["text 1", "text 2", "text 3"]


def test_a_tables_row_is_compared_column_by_column(open_reasons):
    frame = pd.DataFrame({f"c{number}": [number * (row % 3) for row in range(8)] for number in range(14)})
    page, row = open_reasons(Cells(frame), list("abababab"), similar=[0, 1], similar_given=[2])
    card = page.locator(f"#row-{row}")
    heads = [head.inner_text() for head in card.locator(".compared thead th").all()]
    assert len(heads) == 3
    cells = card.locator(".compared tbody tr").nth(1).locator("td").all()
    own, *others = (cell.inner_text() for cell in cells)
    assert ["differs" in cell.get_attribute("class") for cell in cells[1:]] == [value != own for value in others]
    assert not card.get_by_text("c13", exact=True).first.is_visible()
    card.locator(".compared summary").click()
    assert card.locator(".compared").get_by_text("c13", exact=True).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_words_that_speak_for_a_class_are_marked_and_headers_folded(open_reasons):
    mail = "From: someone@example.org\nTo: us\nSubject: Disk\n\nThe SCSI disk of my Mac"
    page, row = open_reasons(
        Texts((mail,) * 8), list("abababab"), terms_suggested=["mac"], terms_given=["scsi", "disk"]
    )
    card = page.locator(f"#row-{row}")
    assert [mark.inner_text() for mark in card.locator(".short .for-given").all()] == ["Disk", "SCSI", "disk"]
    assert [mark.inner_text() for mark in card.locator(".short .for-suggested").all()] == ["Mac"]
    assert not card.get_by_text("someone@example.org").is_visible()
    card.locator(".headers summary").click()
    assert card.get_by_text("someone@example.org").is_visible()
    other = page.locator(f".card:not(#row-{row})").first
    assert other.locator("mark").count() == 0
