from __future__ import annotations

import pytest

from labelaudit.checking.changes import compare, renamed_classes

A, B, C = ("a", "hash-a", "cat"), ("b", "hash-b", "dog"), ("c", "hash-c", "dog")


def test_nothing_changed_even_if_the_order_did():
    changes = compare([A, B, C], [C, A, B], ids_mean_rows=True)
    assert changes.before == (2, 0, 1)
    assert changes.new == ()
    assert changes.removed == ()


def test_each_kind_of_change():
    before = [A, B, C, ("d", "hash-d", "cat"), ("e", "hash-e", "cat")]
    now = [
        ("moved", "hash-a", "cat"),
        ("b", "hash-b", "cat"),  # relabelled
        ("c", "other", "dog"),  # changed
        ("new", "hash-new", "cat"),
        ("cat/d", "hash-d", "dog"),  # relabelled by moving it to another folder
    ]
    changes = compare(before, now, ids_mean_rows=True)
    assert changes.before == (0, 1, 2, None, 3)
    assert (changes.relabelled, changes.changed, changes.added, changes.removed) == ((1, 4), (2,), (3,), (4,))
    assert changes.new == (1, 2, 3, 4)


def test_row_numbers_are_no_names():
    before, now = [("row-0", "x", "cat"), ("row-1", "y", "cat")], [("row-0", "new", "cat"), ("row-1", "x", "cat")]
    changes = compare(before, now, ids_mean_rows=False)
    assert (changes.before, changes.added, changes.changed, changes.removed) == ((None, 0), (0,), (), (1,))


def test_copies_are_told_apart_by_id_and_counted():
    before = [("a", "same", "cat"), ("b", "same", "dog")]
    now = [("b", "same", "dog"), ("a", "same", "cat"), ("c", "same", "cat")]
    changes = compare(before, now, ids_mean_rows=True)
    assert changes.before == (1, 0, None)
    assert changes.added == (2,)


def test_a_relabelled_copy_is_matched_to_its_own_id():
    before = [("a", "same", "cat"), ("b", "same", "cat")]
    now = [("a", "same", "cat"), ("b", "same", "dog")]
    assert compare(before, now, ids_mean_rows=True).before == (0, 1)
    assert compare(list(reversed(before)), now, ids_mean_rows=True).relabelled == (1,)


def test_relabelled_copies_are_matched_by_their_ids_first():
    before = [("a", "same", "cat"), ("b", "same", "dog")]
    now = [("b", "same", "bird"), ("a", "same", "cow")]
    changes = compare(before, now, ids_mean_rows=True)
    assert (changes.before, changes.relabelled) == ((1, 0), (0, 1))


def test_a_label_that_was_taken_away_renames_no_class():
    before, now = [A, B], [A, ("b", "hash-b", None)]
    changes = compare(before, now, ids_mean_rows=True)
    assert changes.relabelled == (1,)
    assert renamed_classes(before, now, changes) == {}
    assert renamed_classes(now, before, compare(now, before, ids_mean_rows=True)) == {}


def test_unreadable_rows_are_known_by_id_and_label():
    before = now = [("a", None, "cat"), ("b", None, "cat")]
    assert compare(before, now, ids_mean_rows=True).new == ()
    assert compare(before, [("a", None, "dog")], ids_mean_rows=True).changed == (0,)
    assert compare(before, [("z", None, "cat")], ids_mean_rows=True).added == (0,)


@pytest.mark.parametrize(
    ("now", "renamed"),
    [
        ([A, ("b", "hash-b", "hound"), ("c", "hash-c", "hound")], {"hound": "dog"}),
        ([A, ("b", "hash-b", "hound"), C], {}),  # one dog is left: relabelled, not renamed
        ([A, ("b", "hash-b", "cat"), ("c", "hash-c", "cat")], {}),  # the name was there before
        ([("a", "hash-a", "pet"), ("b", "hash-b", "pet"), ("c", "hash-c", "pet")], {}),  # two classes into one
        ([("a", "hash-a", "puss"), ("b", "hash-b", "hound"), ("n", "new", "hound")], {"puss": "cat", "hound": "dog"}),
        ([A, ("b", "hash-b", "x"), ("c", "hash-c", "y")], {"x": "dog"}),  # split: only one can be the old one
    ],
)
def test_renamed_classes(now, renamed):
    before = [A, B, C]
    assert renamed_classes(before, now, compare(before, now, ids_mean_rows=True)) == renamed
