"""What `compare` promises of any two versions, by counts that need no matching."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from labelaudit.checking.changes import Row, compare

CONTENTS, LABELS = st.sampled_from(["h0", "h1", "h2", None]), st.sampled_from(["cat", "dog", None])


@st.composite
def versions(draw) -> list[Row]:
    """Up to seven rows of distinct ids; few ids, contents and labels, so that every kind of clash comes up."""
    ids = draw(st.lists(st.sampled_from("abcdefghi"), max_size=7, unique=True))
    return [(name, draw(CONTENTS), draw(LABELS)) for name in ids]


def pairs_of(before: list, now: list) -> int:
    """How many pairs of equal things two lists make."""
    return (Counter(before) & Counter(now)).total()


@given(versions(), versions(), st.booleans())
def test_every_row_is_counted_once(before, now, ids_mean_rows):
    changes = compare(before, now, ids_mean_rows=ids_mean_rows)
    matched = [row for row in changes.before if row is not None]
    assert sorted([*matched, *changes.removed]) == list(range(len(before)))
    assert len(changes.before) == len(now)
    new = [*changes.relabelled, *changes.changed, *changes.added]
    assert len(new) == len(set(new))
    assert list(changes.new) == sorted(new)
    assert {row for row, old in enumerate(changes.before) if old is None} == set(changes.added)


@given(versions(), versions(), st.booleans())
def test_each_kind_is_what_it_is_called(before, now, ids_mean_rows):
    changes = compare(before, now, ids_mean_rows=ids_mean_rows)
    for row, old in enumerate(changes.before):
        if old is None:
            continue
        (old_id, old_content, old_label), (new_id, content, label) = before[old], now[row]
        if row in changes.relabelled:
            assert content == old_content is not None
            assert label != old_label
        elif row in changes.changed:
            assert ids_mean_rows
            assert new_id == old_id
            assert content != old_content or (content is None and label != old_label)
        else:
            assert (content, label) == (old_content, old_label)
            assert content is not None or new_id == old_id  # what cannot be read is known by its id alone


@given(versions(), versions(), st.booleans())
def test_as_many_rows_are_matched_as_can_be(before, now, ids_mean_rows):
    """The pairs are those of two multisets: of content and label, then of content alone."""
    changes = compare(before, now, ids_mean_rows=ids_mean_rows)
    readable_before, readable_now = ([row for row in rows if row[1] is not None] for rows in (before, now))
    unreadable_before, unreadable_now = ([row for row in rows if row[1] is None] for rows in (before, now))
    unchanged = pairs_of([row[1:] for row in readable_before], [row[1:] for row in readable_now])
    unchanged += pairs_of(unreadable_before, unreadable_now)
    assert len(now) - len(changes.new) == unchanged
    by_content = pairs_of([row[1] for row in readable_before], [row[1] for row in readable_now])
    assert len(changes.relabelled) == by_content + pairs_of(unreadable_before, unreadable_now) - unchanged
    left_before = {before[row][0] for row in changes.removed}
    left_now = {now[row][0] for row in changes.added}
    assert not (ids_mean_rows and left_before & left_now)


@given(versions(), versions(), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_count(before, now, ids_mean_rows, random):
    kinds = ("relabelled", "changed", "added", "removed")
    changes = compare(before, now, ids_mean_rows=ids_mean_rows)
    random.shuffle(before)
    random.shuffle(now)
    shuffled = compare(before, now, ids_mean_rows=ids_mean_rows)
    # A copy may be matched to another of its copies, so that another id is left over; contents count all the same.
    counts = [
        {name: len(getattr(result, name)) for name in kinds[:1]}
        | {"gone": len(result.changed) + len(result.removed), "come": len(result.changed) + len(result.added)}
        for result in (changes, shuffled)
    ]
    assert counts[0] == counts[1]


@given(versions(), st.randoms(use_true_random=False), st.booleans())
def test_a_version_in_another_order_is_the_same(before, random, ids_mean_rows):
    now = random.sample(before, len(before))
    changes = compare(before, now, ids_mean_rows=ids_mean_rows)
    assert [before[row] for row in changes.before] == now
    assert (changes.new, changes.removed) == ((), ())
