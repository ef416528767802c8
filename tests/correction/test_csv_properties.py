"""Guarded cells and rewritten tables, for any text that people put into them."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelaudit.correction.decisions import escape_formula, unescape_formula
from labelaudit.correction.tables import write_corrected_table

FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet runs, as OWASP lists it
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
CELLS = TEXT | st.sampled_from(["NA", "007", "1e5", " x ", 'a"b', "a,b", "a\tb", "a\nb", "a\r\nb", "'=1", "\u2028"])
LABELS = st.sampled_from(["cat", "dog", "=cat", "a,b", 'a "b"', "line\nbreak", " x", "NA", "1.0"])


@given(st.sampled_from(["", *FORMULAS, "'", "''", "'="]), TEXT)
def test_guarding_is_undone_and_nothing_guarded_is_run(start, text):
    guarded = escape_formula(start + text)
    assert unescape_formula(guarded) == start + text
    assert not guarded.startswith(FORMULAS)


def quoted(cell: str, delimiter: str, always: bool) -> str:
    needed = any(letter in cell for letter in (delimiter, '"', "\n", "\r"))
    return '"' + cell.replace('"', '""') + '"' if needed or always else cell


@st.composite
def tables(draw) -> tuple[str, str, list[str], list[list[str]], list[int]]:
    """Suffix, newline, each record's text and cells (id, label, text), and rows to change.

    The id keeps every line from being blank; cells are quoted where they must be, and here and there where not.
    """
    suffix = draw(st.sampled_from([".csv", ".tsv"]))
    delimiter = "\t" if suffix == ".tsv" else ","
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    count = draw(st.integers(1, 6))
    cells = [["id", "label", "text"]]
    cells += [[f"k{row}", draw(LABELS), draw(CELLS)] for row in range(count)]
    records = [delimiter.join(quoted(cell, delimiter, draw(st.booleans())) for cell in record) for record in cells]
    changed = draw(st.lists(st.integers(0, count - 1), unique=True))
    return suffix, newline, records, cells, changed


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tables")


def rewritten(folder: Path, suffix: str, text: str, labels: dict[int, str]) -> str:
    source, out = folder / f"t{suffix}", folder / f"out{suffix}"
    source.write_bytes(text.encode())
    out.unlink(missing_ok=True)
    write_corrected_table(source, out, "label", labels)
    return out.read_bytes().decode()


@given(table=tables(), label=LABELS, start=st.sampled_from(["", "\ufeff"]), ends=st.booleans())
def test_only_the_named_labels_of_a_delimited_file_change(folder, table, label, start, ends):
    suffix, newline, records, cells, changed = table
    text = start + newline.join(records) + newline * ends
    found = rewritten(folder, suffix, text, dict.fromkeys(changed, label))
    for row in changed:
        cells[row + 1][1] = label
    delimiter = "\t" if suffix == ".tsv" else ","
    assert list(csv.reader(io.StringIO(found.removeprefix(start), newline=""), delimiter=delimiter)) == cells
    pattern = newline.join(
        ".*" if row in changed else re.escape(record) for row, record in enumerate(records, start=-1)
    )
    assert re.fullmatch(re.escape(start) + pattern + newline * ends, found, re.DOTALL)
    assert changed or found == text


@given(
    rows=st.lists(st.tuples(LABELS, CELLS, st.booleans()), min_size=1, max_size=6),
    label=LABELS,
    newline=st.sampled_from(["\n", "\r\n"]),
    data=st.data(),
)
def test_only_the_named_labels_of_json_lines_change(folder, rows, label, newline, data):
    records = [{"key": f"k{row}", "label": name, "value": [value]} for row, (name, value, _) in enumerate(rows)]
    lines = [json.dumps(record, ensure_ascii=rows[row][2]) for row, record in enumerate(records)]
    changed = data.draw(st.lists(st.integers(0, len(rows) - 1), unique=True))
    found = rewritten(folder, ".jsonl", newline.join(lines), dict.fromkeys(changed, label)).split(newline)
    assert len(found) == len(lines)
    for row, (line, record) in enumerate(zip(lines, records, strict=True)):
        if row in changed:
            assert json.loads(found[row]) == record | {"label": label}
        else:
            assert found[row] == line
