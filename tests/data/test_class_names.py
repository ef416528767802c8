"""Class names that look like one."""

from __future__ import annotations

import unicodedata

import pytest

from labelaudit.data.class_names import class_name_twins, twins_note

OTHERS = ["no"] * 8


def names(labels):
    return [twins.names for twins in class_name_twins([*labels, *OTHERS])]


@pytest.mark.parametrize(
    "labels",
    [
        ["yes", "yes", "Yes"],
        ["yes", "yes", "yes "],
        ["yes", "yes", "\u200byes"],
        ["café", "café", unicodedata.normalize("NFD", "café")],
        ["1", "1", "1.0"],
        ["01", "01", "1"],
        ["ice cream", "ice cream", "ice_cream"],
        ["ice cream", "ice cream", "Ice-Cream"],
        ["straße", "straße", "STRASSE"],
        ["ｙｅｓ", "ｙｅｓ", "yes"],
    ],
)
def test_names_that_look_like_one(labels):
    assert names(labels) == [(labels[0], labels[2])]


@pytest.mark.parametrize("labels", [["A", "a"], ["1", "2"], ["cat", "car"] * 6, ["class1"] * 6 + ["class2"]])
def test_names_that_do_not(labels):
    assert names(labels) == []


@pytest.mark.parametrize("typo", ["drgon", "dragonn", "dragan", "dargon", "ragon"])
def test_a_misspelling_is_a_single_row_one_letter_from_a_frequent_name(typo):
    assert names(["dragon"] * 5 + [typo]) == [("dragon", typo)]
    assert names(["dragon"] * 4 + [typo]) == []
    assert names(["dragon"] * 5 + [typo] * 2) == []


def test_all_of_one_kind_are_one_finding_with_their_rows():
    (twins,) = class_name_twins(["yes"] * 3 + ["yes "] + ["Yes"] * 2 + ["no", None])
    assert (twins.names, twins.rows) == (("yes", "Yes", "yes "), (3, 2, 1))
    assert twins_note((twins,)) == (
        "class names that look like one: 'yes' (3 rows), 'Yes' (2 rows), 'yes ' (1 row): they differ in blanks, "
        "capitals or how characters are encoded"
    )
    assert twins_note(()) is None
