from __future__ import annotations

import re

import numpy as np
import pytest

from labelaudit.data.flips import plant_flips
from labelaudit.data.splits import cross_audit, distinct_rows, hold_out, most_parts, with_others
from labelaudit.data.truth import read_truth
from labelaudit.errors import InputError

LABELS = np.repeat([0, 1, 2], [40, 30, 10])
ROWS = np.arange(80) * 2


def test_cross_audit_scores_every_row_once_in_stratified_halves():
    first, second = cross_audit(ROWS, LABELS, seed=1)
    assert np.array_equal(first.train, second.query)
    assert np.array_equal(first.query, second.train)
    assert np.array_equal(np.sort(np.concatenate([first.train, second.train])), ROWS)
    assert np.bincount(LABELS[first.train // 2]).tolist() == [20, 15, 5]
    assert not np.array_equal(first.train, cross_audit(ROWS, LABELS, seed=2)[0].train)


ALIKE = np.concatenate([[0, 0, 0], np.full(60, -1), [1, 2, 1, 2, 0], np.full(12, -1)])
"""Groups of copies, of which two have several labels."""


def test_copies_share_a_part_and_all_else_is_as_without_them():
    for parts in (2, 5):
        folds = cross_audit(ROWS, LABELS, 1, parts, ALIKE)
        assert np.array_equal(np.sort(np.concatenate([fold.query for fold in folds])), ROWS)
        for fold in folds:
            inside, outside = (set(ALIKE[part // 2]) - {-1} for part in (fold.query, fold.train))
            assert not inside & outside
            assert np.array_equal(np.sort(np.concatenate([fold.train, fold.query])), ROWS)
            assert abs(len(fold.query) - 80 / parts) <= 4
    nothing = cross_audit(ROWS, LABELS, 1, 2, np.full(80, -1))
    assert np.array_equal(nothing[0].train, cross_audit(ROWS, LABELS, 1, 2)[0].train)
    (fold,) = hold_out(ROWS, LABELS, 0.2, 1, ALIKE)
    assert not (set(ALIKE[fold.query // 2]) & set(ALIKE[fold.train // 2])) - {-1}
    assert len(fold.query) + len(fold.train) == 80


def test_contradicting_pairs_alone_can_be_split():
    labels, together = np.array([0, 1, 1, 0, 2, 0, 2]), np.array([0, 0, 1, 1, 2, 2, -1])
    assert most_parts(labels[:4], together[:4]) == 2
    first, second = cross_audit(np.arange(4), labels[:4], 0, 2, together[:4])
    assert sorted([sorted(first.query.tolist()), sorted(second.query.tolist())]) == [[0, 1], [2, 3]]
    assert most_parts(labels, together) == 2
    folds = cross_audit(np.arange(7), labels, 0, 2, together)
    assert all(not set(together[fold.train]) & set(together[fold.query]) - {-1} for fold in folds)


def test_of_copies_the_first_stands_for_all():
    rows = np.array([7, 3, 5, 1, 0])
    alike = np.array([2, 4, -1, 4, -1, 9, -1, 2])
    assert distinct_rows(rows, alike).tolist() == [7, 3, 5]  # row 1 is like 3, row 0 like 7
    assert distinct_rows(rows, None).tolist() == rows.tolist()


def test_a_row_without_a_fold_goes_to_its_copies():
    fold_of, alike = np.array([-1, 1, 0, -1, -1, -1]), np.array([3, -1, 3, 0, 0, -1])
    assert with_others(fold_of, alike).tolist() == [0, 1, 0, -1, -1, -1]


def test_hold_out_is_stratified_and_refuses_what_cannot_be():
    (fold,) = hold_out(ROWS, LABELS, 0.1, seed=1)
    assert np.bincount(LABELS[fold.query // 2]).tolist() == [4, 3, 1]
    with pytest.raises(InputError, match=re.escape("`test_fraction` 0.01 of 80 rows")):
        hold_out(ROWS, LABELS, 0.01, seed=1)


def test_flips_are_exactly_as_many_as_asked_and_seeded():
    noisy = plant_flips(LABELS, 3, 0.2, "symmetric", seed=0)
    assert (noisy != LABELS).sum() == 16
    assert set(noisy) <= {0, 1, 2}
    assert np.array_equal(noisy, plant_flips(LABELS, 3, 0.2, "symmetric", seed=0))
    assert not np.array_equal(noisy, plant_flips(LABELS, 3, 0.2, "symmetric", seed=1))
    pair = plant_flips(LABELS, 3, 0.2, "pair", seed=0)
    changed = pair != LABELS
    assert np.array_equal(pair[changed], (LABELS[changed] + 1) % 3)


def test_confusions_follow_the_probabilities():
    labels = np.repeat([0, 1], 4000)
    sure, wavering, named_otherwise = [0.98, 0.01, 0.01], [0.5, 0.375, 0.125], [0.1, 0.8, 0.1]
    kinds = np.tile([0, 1, 2, 2], 1000)
    probabilities = np.array([sure, wavering, named_otherwise])[kinds]
    probabilities = np.concatenate([probabilities, np.tile([0.0, 1.0, 0.0], (4000, 1))])
    noisy = plant_flips(labels, 3, 0.1, "confusion", 0, probabilities)
    changed = noisy != labels
    assert changed.sum() == 800
    assert not changed[:4000][kinds == 2].any()  # the network says otherwise: they may be wrong already
    assert not changed[4000:].any()  # there is no doubt of them
    assert changed[:4000][kinds == 0].sum() == pytest.approx(54, abs=30)  # .02 against .5, until few are left
    assert (noisy[:4000][changed[:4000] & (kinds == 1)] == 1).mean() == pytest.approx(0.75, abs=0.05)
    assert np.array_equal(noisy, plant_flips(labels, 3, 0.1, "confusion", 0, probabilities))
    assert not np.array_equal(noisy, plant_flips(labels, 3, 0.1, "confusion", 1, probabilities))
    with pytest.raises(InputError, match="there are 2 of these, not 3"):
        plant_flips(np.array([0, 0, 1, 1, 1, 1]), 2, 0.5, "confusion", 0, np.tile([0.6, 0.4], (6, 1)))


@pytest.mark.parametrize("rate", [0.0, -0.1, 0.51, float("nan"), 0.001])
def test_rates_that_cannot_be_planted(rate):
    with pytest.raises(InputError, match="`rate`"):
        plant_flips(LABELS, 3, rate, "symmetric", seed=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,klass\na,0\n", "no column 'true_label' or 'label'"),
        ("name,true_label\na,0\n", "no column 'path' or 'id'"),
        ("path,true_label\na,0\na,1\n", "row 1: id 'a' is given twice"),
        ("path,true_label\na,9\n", "row 0: '9' is no class of the dataset (0, 1)"),
        ("path,true_label\nz,0\n", "names none of the dataset's ids; it has for example 'z', the dataset 'a'"),
    ],
)
def test_bad_truth(tmp_path, content, message):
    (tmp_path / "truth.csv").write_text(content)
    with pytest.raises(InputError, match=re.escape(message)):
        read_truth(tmp_path / "truth.csv", ("a", "b"), ("0", "1"))


def test_truth_is_by_id_and_may_be_partial(tmp_path):
    (tmp_path / "truth.csv").write_text("path,true_label\nc,1\na,0\n")
    assert read_truth(tmp_path / "truth.csv", ("a", "b", "c"), ("0", "1")) == ("0", None, "1")
    with pytest.raises(InputError, match="does not exist"):
        read_truth(tmp_path / "none.csv", ("a",), ("0", "1"))


def test_decisions_are_a_truth(tmp_path):
    (tmp_path / "d.csv").write_text(
        "id,label,decision,new_label\na,0,keep,\nb,0,accept,1\nc,1,relabel,0\nd,1,unsure,\ne,1,drop,\n"
    )
    assert read_truth(tmp_path / "d.csv", tuple("abcdef"), ("0", "1")) == ("0", "1", "0", None, None, None)
    for line, message in (
        ("a,0,maybe,", "the decision 'maybe' is none of"),
        ("a,0,accept,", "accept without a new_label"),
    ):
        (tmp_path / "d.csv").write_text(f"id,label,decision,new_label\n{line}\n")
        with pytest.raises(InputError, match=message):
            read_truth(tmp_path / "d.csv", ("a",), ("0", "1"))


def test_large_groups_of_several_classes_share_a_part_and_every_part_has_every_class():
    generator = np.random.default_rng(0)
    patients, labels = generator.integers(0, 30, 600), generator.integers(0, 3, 600)
    folds = cross_audit(np.arange(600), labels, 0, 3, patients)
    for fold in folds:
        assert not set(patients[fold.query]) & set(patients[fold.train])
        assert 170 < len(fold.query) < 230
        assert (np.bincount(labels[fold.query], minlength=3) > 40).all()
    assert np.array_equal(np.sort(np.concatenate([fold.query for fold in folds])), np.arange(600))
