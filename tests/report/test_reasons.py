from __future__ import annotations

import pandas as pd
import pytest

from labelaudit.report.mail import split_headers
from labelaudit.report.reasons import FIRST_COLUMNS, compare_rows, mark_terms


def test_a_row_beside_its_nearest_rows_with_what_differs():
    frame = pd.DataFrame({"age": [17, 19, 17], "sex": ["f", "f", "m"], "note": ["x", None, "x"]})
    comparison = compare_rows(frame, 0, [1], [2])
    assert (comparison.suggested, comparison.given, comparison.more, comparison.left_out) == (1, 1, (), 0)
    assert [(column.name, column.own, column.others) for column in comparison.first] == [
        ("age", "17", (("19", True), ("17", False))),
        ("sex", "f", (("f", False), ("m", True))),
        ("note", "x", (("–", True), ("x", False))),
    ]
    assert compare_rows(frame, 0, [], []) is None


def test_columns_that_differ_come_first_in_the_tables_order():
    frame = pd.DataFrame({f"c{number}": [0, int(number >= 65)] for number in range(70)})
    comparison = compare_rows(frame, 0, [1], [])
    assert [column.name for column in comparison.first] == [
        "c0",
        "c1",
        "c2",
        "c3",
        "c4",
        *(f"c{n}" for n in range(65, 70)),
    ]
    assert len(comparison.first) == FIRST_COLUMNS
    assert (len(comparison.more), comparison.left_out) == (50, 10)


def test_terms_are_marked_whole_and_in_the_text_as_it_is():
    marked = mark_terms("The IDE disk <b>and</b> idea; SCSI-disk", ["scsi"], ["ide", "disk and"], within_words=False)
    assert str(marked) == (
        'The <mark class="for-suggested">IDE</mark> disk &lt;b&gt;and&lt;/b&gt; idea; '
        '<mark class="for-given">SCSI</mark>-disk'
    )
    assert str(mark_terms("disk, and more", None, ["disk and"], within_words=False)).startswith(
        '<mark class="for-suggested">disk, and</mark>'
    )
    assert str(mark_terms("plain & simple", None, None, within_words=False)) == "plain &amp; simple"


def test_characters_are_marked_within_words_and_the_longer_one_of_two():
    marked = mark_terms("running", ["run"], ["runn", " ing"], within_words=True)
    assert str(marked) == '<mark class="for-suggested">runn</mark><mark class="for-suggested">ing</mark>'


def test_what_could_end_an_element_in_a_term_or_turn_the_writing_is_text():
    marked = mark_terms("a <script> \u202e b", ["<script>", "\u202e"], None, within_words=True)
    assert "<script>" not in str(marked)
    assert "\u202e" not in str(marked)


@pytest.mark.parametrize(
    ("text", "headers", "body"),
    [
        (
            "From: a@b.org\nSubject: Disks\nX-Mailer: m\n folded\n\nHello",
            "From: a@b.org\nSubject: Disks\nX-Mailer: m\n folded",
            "Subject: Disks\n\nHello",
        ),
        ("Date: today\nTo: you\nHello", "Date: today\nTo: you", "Hello"),
        ("Note: this is no mail\nTo: be", "", "Note: this is no mail\nTo: be"),
        ("Subject: alone\n\nHello", "", "Subject: alone\n\nHello"),
        ("From: a\nTo: b\n", "", "From: a\nTo: b\n"),
        ("Hello", "", "Hello"),
    ],
)
def test_headers_of_mails(text, headers, body):
    assert split_headers(text) == (headers, body)
