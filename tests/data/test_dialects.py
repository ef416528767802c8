"""Tables as other programs write them: every row and cell accounted for, or refused with the line."""

from __future__ import annotations

import gzip
import json
import re

import pandas as pd
import pyarrow as pa
import pytest

from labelaudit.config import SourceConfig
from labelaudit.correction.tables import write_corrected_table
from labelaudit.data.sources import load_dataset
from labelaudit.data.table_files import read_table, row_lines
from labelaudit.errors import InputError
from tests.support.tables import check_rows, lines, records, texts, write


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators(tmp_path, separator, newline):
    dataset = load_dataset(write(tmp_path / "t.csv", newline.join(lines(separator)) + newline))
    check_rows(dataset)
    assert (separator == ",") == (not dataset.notes[0].startswith("cells are separated by"))


def test_a_separator_can_be_given(tmp_path):
    path = write(tmp_path / "t.csv", "text#label\na, b, c and d#x\nb; c; d and e#y\n")
    with pytest.raises(InputError):
        load_dataset(path)
    assert load_dataset(path, SourceConfig(separator="#")).labels == ("x", "y")


def test_excels_first_line_names_the_separator(tmp_path):
    path = write(tmp_path / "t.csv", "sep=;\n" + "\n".join(lines(";")))
    check_rows(load_dataset(path))
    assert row_lines(path, SourceConfig())[:2] == [3, 4]


@pytest.mark.parametrize(
    ("encoding", "noted"),
    [
        ("utf-8", False),
        ("utf-8-sig", False),
        ("utf-16", False),
        ("utf-16-le", True),
        ("cp1252", True),
        ("latin-1", True),
    ],
)
def test_encodings(tmp_path, encoding, noted):
    content = (
        "text,label\n" + "Größe, naïve façade über straße,é\n".replace(", ", " ") * 3 + "plain words only here,e\n"
    )
    dataset = load_dataset(write(tmp_path / "t.csv", content.encode(encoding)))
    assert dataset.content.values[0] == "Größe naïve façade über straße"
    assert dataset.labels == ("é", "é", "é", "e")
    assert any(note.startswith("read as ") for note in dataset.notes) == noted


def test_one_accented_letter_in_a_file_is_enough(tmp_path):
    content = "\n".join(lines()).replace("ball player goal", "ball joué goal", 1).encode("latin-1")
    dataset = load_dataset(write(tmp_path / "t.csv", content))
    assert "joué" in dataset.content.values[0]


def test_an_encoding_can_be_given(tmp_path):
    path = write(tmp_path / "t.csv", "text,label\nПривет мир это хорошо,да\nхлеб и соль и вода,нет\n".encode("koi8-r"))
    assert load_dataset(path, SourceConfig(encoding="koi8-r")).labels == ("да", "нет")
    with pytest.raises(InputError, match="no encoding 'klingon'"):
        load_dataset(path, SourceConfig(encoding="klingon"))
    with pytest.raises(InputError, match=r"cannot read .* as utf-8: invalid continuation byte at byte"):
        load_dataset(path, SourceConfig(encoding="utf-8"))


def test_a_lone_quote_swallows_no_row(tmp_path):
    table = lines()
    for row in (10, 40):
        table[row + 1] = '"' + table[row + 1]
    dataset = load_dataset(write(tmp_path / "t.csv", "\n".join(table)))
    assert len(dataset) == 80
    assert dataset.content.values[10] == '"' + texts()[10][0]
    assert dataset.labels == tuple(label for _, label in texts())
    assert any("quotes are read as part of the texts" in note and "line 12" in note for note in dataset.notes)


def test_lone_quotes_that_pair_up_swallow_no_row(tmp_path):
    """By the rules of CSV this is one long cell, but each line of it is a row."""
    table = lines()
    table[11], table[41] = '"' + table[11], table[41].replace(",", '",')
    dataset = load_dataset(write(tmp_path / "t.csv", "\n".join(table)))
    assert len(dataset) == 80


def test_a_lone_quote_in_the_header_swallows_no_row(tmp_path):
    with pytest.raises(InputError, match="line 1: a quoted cell begins here that does not end"):
        load_dataset(write(tmp_path / "t.csv", 'key,label,"cell""\nk0,cat,"x"\n"k1","cat","1,5"\n'))


def test_a_lone_quote_among_quoted_cells_is_refused_at_its_line(tmp_path):
    table = [lines()[0], *(f'"{text}, indeed",{label}' for text, label in texts())]
    table[11] = '"lone and open,sport'
    with pytest.raises(InputError, match="line 12: a quoted cell begins here that does not end as it should"):
        load_dataset(write(tmp_path / "t.csv", "\n".join(table)))


def test_cells_of_several_lines_stay_whole(tmp_path):
    content = (
        'text,label\n"Dear all, thanks\nyours, me",sport\n"two\n\nlines and more",food\nplain words and more,food\n'
    )
    dataset = load_dataset(write(tmp_path / "t.csv", content))
    assert dataset.content.values == ("Dear all, thanks\nyours, me", "two\n\nlines and more", "plain words and more")
    assert row_lines(tmp_path / "t.csv", SourceConfig()) == [2, 4, 7]
    assert "2 rows have several lines (the first begins in line 2)" in dataset.notes


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (r'"he said \"hi\", twice or so",sport', 'he said "hi", twice or so'),
        ("'one, two, three and four',sport", "one, two, three and four"),
    ],
)
def test_other_styles_of_quoting(tmp_path, row, text):
    dataset = load_dataset(write(tmp_path / "t.csv", "\n".join([*lines(), row])))
    assert (len(dataset), dataset.content.values[80]) == (81, text)
    assert any("quote" in note for note in dataset.notes)


def test_a_separator_too_many_in_each_row(tmp_path):
    table = [lines()[0], *(line + "," for line in lines()[1:])]
    dataset = load_dataset(write(tmp_path / "t.csv", "\n".join(table)))
    check_rows(dataset)
    assert any("separator too many" in note for note in dataset.notes)
    check_rows(load_dataset(write(tmp_path / "u.csv", "\n".join(line + "," for line in lines()))))  # in the header, too


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a text of four words", "line 12: 1 cell, where the header has 2 names"),
        ("a text, of four, words", "line 12: 3 cells, where the header has 2 names"),
        (
            "a text of four words,food,",
            "line 12: 3 cells, where the header has 2 names: it ends with a separator too many",
        ),
    ],
)
def test_a_row_of_another_length_is_refused_at_its_line(tmp_path, line, message):
    table = lines()
    table[11] = line
    with pytest.raises(InputError, match=message):
        load_dataset(write(tmp_path / "t.csv", "\n".join(table)))


def test_a_header_that_lacks_a_name_is_refused(tmp_path):
    table = [lines()[0], *(f"{number},{line}" for number, line in enumerate(lines()[1:]))]
    with pytest.raises(InputError, match="line 2: 3 cells, where the header has 2 names: does the header lack a name"):
        load_dataset(write(tmp_path / "t.csv", "\n".join(table)))


@pytest.mark.parametrize("header", ["text, label", "Text,Label", " TEXT ,LABEL ", "\ufefftext,label"])
def test_headers_with_blanks_and_capitals(tmp_path, header):
    check_rows(load_dataset(write(tmp_path / "t.csv", "\n".join([header, *lines()[1:]]))))


def test_a_file_without_a_header(tmp_path):
    with pytest.raises(InputError, match="Its first line looks like data: does it lack a header"):
        load_dataset(write(tmp_path / "t.csv", "5.1,3.5,1.4,Iris-setosa\n4.9,3.0,1.4,Iris-setosa\n"))


def test_blanks_before_quotes(tmp_path):
    path = write(tmp_path / "t.csv", 'text, label\n"a b, c d", "x"\ne f g h, "y, z"\n"i ""j"" k l",  "x"\n')
    dataset = load_dataset(path, SourceConfig(text_column="text"))
    assert dataset.content.values == ("a b, c d", "e f g h", 'i "j" k l')
    assert dataset.labels == ("x", "y, z", "x")
    write_corrected_table(path, tmp_path / "out.csv", "label", {0: "y, z", 1: "x"})
    changed = 'text, label\n"a b, c d", "y, z"\ne f g h, "x"\n"i ""j"" k l",  "x"\n'
    assert (tmp_path / "out.csv").read_text() == changed


def test_comments_before_the_header(tmp_path):
    path = write(tmp_path / "t.csv", "# made by hand\n# in May\n" + "\n".join(lines(";")))
    check_rows(load_dataset(path))
    assert row_lines(path)[:2] == [4, 5]
    named = "\n".join(["#text,label", *lines()[1:]])
    assert load_dataset(write(tmp_path / "u.csv", named), SourceConfig(text_column="#text")).labels[0] == "sport"


def test_quotes_that_are_not_doubled_within_a_line(tmp_path):
    path = write(
        tmp_path / "t.csv", "\n".join([*lines(), '"said "hi" to all of them",food', '"one, two three four",food'])
    )
    dataset = load_dataset(path)
    assert (len(dataset), dataset.content.values[81]) == (82, "one, two three four")
    assert "quotes inside quoted cells are not doubled, and some are lost (first in line 82)" in dataset.notes


def test_blank_lines_are_no_rows(tmp_path):
    check_rows(load_dataset(write(tmp_path / "t.csv", "\n\n" + "\n\n  \n".join(lines()) + "\n\n")))


def test_columns_of_one_name(tmp_path):
    dataset = load_dataset(write(tmp_path / "t.csv", "n,n,label\n1,2.5,a\n3,4.5,b\n"))
    assert dataset.content.frame.to_dict("list") == {"n": [1, 3], "n.1": [2.5, 4.5]}


def test_cells_longer_than_pythons_limit(tmp_path):
    long = "word " * 42_000  # 210,000 characters
    path = write(tmp_path / "t.csv", "\n".join([*lines(), f'"{long}",food', "and a last row here,food"]))
    dataset = load_dataset(path)
    assert dataset.content.values[80] == long
    assert row_lines(path, SourceConfig())[-1] == 83
    assert read_table(path).table.num_rows == 82


def test_decimal_commas_and_thousands(tmp_path):
    rows = "".join(f"{n},{n % 3}5;{n}.250,5;{'ab'[n % 2]}\n" for n in range(1, 9))
    dataset = load_dataset(write(tmp_path / "t.csv", "x;y;label\n" + rows))
    assert dataset.content.frame["x"].tolist()[:2] == [1.15, 2.25]
    assert dataset.content.frame["y"].tolist()[0] == 1250.5
    assert "'x': decimal commas" in dataset.notes
    quoted = load_dataset(write(tmp_path / "u.csv", 'x,label\n"1,234",a\n"12,345,678",b\n7,a\n'))
    assert quoted.content.frame["x"].tolist() == [1234, 12345678, 7]


@pytest.mark.parametrize("name", ["t.csv.gz", "t.jsonl.gz", "t.csv.zst"])
def test_compressed_tables(tmp_path, name):
    content = "\n".join(lines()).encode()
    if ".jsonl" in name:
        content = "\n".join(json.dumps({"text": text, "label": label}) for text, label in texts()).encode()
    if name.endswith(".gz"):
        write(tmp_path / name, gzip.compress(content))
    else:
        with pa.CompressedOutputStream(str(tmp_path / name), "zstd") as file:
            file.write(content)
    check_rows(load_dataset(tmp_path / name))
    write(tmp_path / name, (tmp_path / name).read_bytes()[:-30])
    with pytest.raises(InputError, match="cannot read"):
        load_dataset(tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_corrected_copy_keeps_dialect_and_encoding(tmp_path, encoding):
    table = [line.replace("goal", "Größe") for line in lines(";")]
    path = write(tmp_path / "t.csv", "\r\n".join(table).encode(encoding))
    write_corrected_table(path, tmp_path / "out.csv", "label", {3: "sport"})
    table[4] = table[4].replace(";food", ";sport")
    assert (tmp_path / "out.csv").read_bytes() == "\r\n".join(table).encode(encoding)


def test_a_corrected_copy_is_compressed_like_the_table(tmp_path):
    path = write(tmp_path / "t.csv.gz", gzip.compress("\n".join(lines()).encode()))
    write_corrected_table(path, tmp_path / "out.csv.gz", "label", {0: "food"})
    changed = gzip.decompress((tmp_path / "out.csv.gz").read_bytes()).decode()
    assert changed == "\n".join(lines()).replace(",sport", ",food", 1)


def test_a_corrected_copy_of_a_json_list(tmp_path):
    content = '[\n {"text": "a b c d",  "label": "x"},\n {"label": "y", "text": "b c"} ]\n'
    write_corrected_table(write(tmp_path / "t.json", content), tmp_path / "out.json", "label", {1: "x"})
    assert (tmp_path / "out.json").read_text() == content.replace('"label": "y"', '"label": "x"')


def test_a_corrected_copy_of_a_table_without_quotes_and_with_other_ones(tmp_path):
    table = lines()
    table[1], table[3] = '"' + table[1], '"' + table[3]
    path = write(tmp_path / "t.csv", "\n".join(table))
    write_corrected_table(path, tmp_path / "out.csv", "label", {0: "food"})
    table[1] = table[1].replace(",sport", ",food")
    assert (tmp_path / "out.csv").read_text() == "\n".join(table)
    with pytest.raises(InputError, match="line 2: 'a,b' cannot be written into a table without quotes"):
        write_corrected_table(path, tmp_path / "other.csv", "label", {0: "a,b"})


def test_a_label_the_encoding_lacks_is_refused(tmp_path):
    path = write(tmp_path / "t.csv", "\n".join(lines()).replace("goal", "Größe").encode("cp1252"))
    with pytest.raises(InputError, match="is encoded in cp1252, which lacks '饭'"):
        write_corrected_table(path, tmp_path / "out.csv", "label", {0: "饭"})


def test_a_json_object_of_columns_cannot_be_rewritten(tmp_path):
    path = write(tmp_path / "t.json", pd.DataFrame(records()).to_json())
    with pytest.raises(InputError, match=re.escape("t.json")):
        write_corrected_table(path, tmp_path / "out.json", "label", {0: "food"})
