"""Which evidence there is, what it counts, and which kind all else is calibrated by."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelaudit import scan
from labelaudit.audit.collect import Collected
from labelaudit.audit.evidence import evidence_of, losses_beside, noise_of, weigh_trees
from labelaudit.detection.accuracy import Predictions
from labelaudit.detection.noise import estimate_noise
from tests.support.progress import Notes

LABELS = np.tile([0, 1], 20)


def log_odds_of_labels(size, wrong_each):
    """Evidence that is right but for each so-manyth row."""
    signs = np.where(LABELS == 1, 1.0, -1.0)
    signs[::wrong_each] *= -1
    return np.stack([-size * signs, size * signs], axis=1)


def collected_of(*, several_folds, trees=None, refitted=None):
    collected = Collected(len(LABELS), 2, LABELS, several_folds=several_folds)
    collected.from_training, collected.from_influence = log_odds_of_labels(3, 39), log_odds_of_labels(1, 7)
    if several_folds:
        collected.held_out = log_odds_of_labels(1, 5)
    collected.by_trees, collected.refitted = trees, refitted
    if several_folds and trees is not None:
        by_network, by_trees = losses_beside(collected.held_out, trees, LABELS)
        collected.trees_lead = by_network - by_trees
    return collected


@pytest.mark.parametrize(
    ("several_folds", "trees", "expected"),
    [
        (True, None, {"held out": 1, "training": 2, "influence": 1}),
        (False, None, {"training": 2, "influence": 1}),
        (True, log_odds_of_labels(1, 9), {"trees": 4, "held out": 1, "training": 2, "influence": 1}),
        (True, log_odds_of_labels(9, 3), {"held out": 1, "trees": 2, "training": 2, "influence": 1}),
        (False, log_odds_of_labels(1, 9), {"trees": 4, "training": 2, "influence": 1}),
    ],
    ids=["folds", "one fold", "better trees", "worse trees", "one fold and trees"],
)
def test_the_reference_comes_first_and_everything_has_its_weight(several_folds, trees, expected):
    found = evidence_of(collected_of(several_folds=several_folds, trees=trees), slice(None))
    assert [(kind, one.weight) for kind, one in found.items()] == list(expected.items())


def test_the_kind_that_predicts_better_with_the_noise_in_mind_is_the_reference():
    """Sure of all labels, and so of the wrong ones: without noise in mind, blunter evidence would seem better."""
    draw = np.random.default_rng(0)
    true = np.tile([0, 1, 2], 100)
    given = np.where(np.arange(300) < 30, (true + 1) % 3, true)
    sharp = 9 * np.eye(3)[true] + draw.normal(size=(300, 3))
    blunt = 4 * np.eye(3)[true] + 1.5 * draw.normal(size=(300, 3))
    better, worse = losses_beside(sharp, blunt, given)
    assert better < worse
    transition = estimate_noise(sharp, given).transition
    expected = -np.mean(  # at the given labels' best weight, which of so sharp evidence is some that leaves p one-hot
        np.log(transition[true, given])
    )
    assert better == pytest.approx(expected, abs=0.02)
    collected = Collected(300, 3, given, several_folds=True)
    collected.from_training, collected.from_influence = sharp, sharp
    for network, trees, first, are_worse in ((sharp, blunt, "held out", True), (blunt, sharp, "trees", False)):
        collected.held_out, collected.by_trees = network, trees
        weigh_trees(collected, np.arange(300))
        assert next(iter(evidence_of(collected, slice(None)))) == first
        assert (collected.by_trees is None) is are_worse
    collected.by_trees = collected.held_out * 0.7  # the same but for its scale: neither better nor worse
    weigh_trees(collected, np.arange(300))
    assert collected.by_trees is not None
    assert collected.trees_lead == pytest.approx(0, abs=1e-4)


def test_networks_trained_once_more_count_twice():
    found = evidence_of(collected_of(several_folds=True, refitted=log_odds_of_labels(9, 39)), slice(None))
    weights = {kind: one.weight for kind, one in found.items()}
    assert weights == {"held out": 1, "training": 2, "influence": 1, "refitted": 2}
    assert next(iter(found)) == "held out"  # what trained on cleaned rows is never the reference


def test_a_second_view_is_averaged_into_the_held_out_evidence():
    collected = collected_of(several_folds=True)
    collected.by_second_view = log_odds_of_labels(3, 9)
    found = evidence_of(collected, slice(None))
    np.testing.assert_allclose(found["held out"].values, (log_odds_of_labels(1, 5) + log_odds_of_labels(3, 9)) / 2)


def test_noise_is_estimated_by_the_second_view_and_believed_of_any_kind_that_has_not_seen_the_labels():
    draw = np.random.default_rng(0)
    true = np.tile([0, 1, 2], 60)
    given = np.where(np.arange(180) < 20, (true + 1) % 3, true)
    sharp = 3 * np.eye(3)[true] + draw.normal(size=(180, 3)) / 2
    blunt = np.eye(3)[true] + draw.normal(size=(180, 3))
    collected = Collected(180, 3, given, several_folds=True)
    collected.from_training, collected.from_influence = sharp, sharp
    collected.held_out, collected.by_second_view, collected.refitted = blunt, sharp, blunt
    evidence = evidence_of(collected, slice(None))
    noise = noise_of(collected, slice(None), given, evidence)
    expected = estimate_noise(sharp, given, [(blunt + sharp) / 2, blunt], is_weaker=True)
    assert noise.share == expected.share
    np.testing.assert_array_equal(noise.transition, expected.transition)
    collected.held_out = 3 * np.eye(3)[given] + draw.normal(size=(180, 3)) / 2  # has learnt how labels go wrong
    share = noise_of(collected, slice(None), given, evidence_of(collected, slice(None))).share
    assert (share.high, share.basis) == (1.0, "learnt rules")
    collected.held_out, collected.by_second_view = blunt, None
    evidence = evidence_of(collected, slice(None))
    assert noise_of(collected, slice(None), given, evidence).share == estimate_noise(blunt, given, [blunt]).share


def test_without_evidence_that_has_not_seen_the_labels_the_range_has_no_upper_end():
    collected = collected_of(several_folds=False)
    noise = noise_of(collected, slice(None), LABELS, evidence_of(collected, slice(None)))
    assert (noise.share.high, noise.share.basis) == (1.0, "in sample")


def test_only_the_rows_asked_for_are_in_it():
    collected, rows = collected_of(several_folds=True, trees=log_odds_of_labels(1, 9)), np.array([3, 8, 9, 20, 31])
    found = evidence_of(collected, rows)
    np.testing.assert_array_equal(found["trees"].values, collected.by_trees[rows])
    np.testing.assert_array_equal(found["training"].values, collected.from_training[rows])


@pytest.fixture(scope="module")
def band():
    """A table whose class is whether a number is far from 0, which no linear network can learn; 12 labels are wrong."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.uniform(-1, 1, (240, 2)), columns=["a", "b"])
    frame["label"] = np.where(frame["a"].abs() > 0.5, "far", "near")
    wrong = generator.choice(np.flatnonzero((frame["a"].abs() - 0.5).abs() > 0.1), 12, replace=False)
    frame.loc[wrong, "label"] = frame.loc[wrong, "label"].map({"far": "near", "near": "far"})
    return frame, set(wrong)


def test_trees_that_predict_worse_than_the_network_are_left_out_and_said_so():
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(120, 8)), columns=list("abcdefgh"))
    frame["label"] = np.where(frame.to_numpy().sum(1) > 0, "more", "less")  # a sum, which trees learn slowly
    notes = Notes()
    scan(frame, label_column="label", progress=notes)
    assert "boosted trees predict these labels worse than the network does, and are left out" in notes.notes


@pytest.mark.parametrize(("trees", "least", "most"), [("auto", 11, 12), ("off", 0, 3)])
def test_trees_find_what_a_linear_network_cannot(band, trees, least, most):
    frame, wrong = band
    found = scan(frame, label_column="label", trees=trees).to_pandas()
    assert least <= len(wrong & set(found.nsmallest(12, "rank").index)) <= most
    assert least <= len(wrong & set(found.index[found["suspect"]])) <= most


def foretold(right, network_right):
    """Trees that predict so many of 200 labels, and networks that predict fewer."""
    labels = np.tile([0, 1], 100)

    def log_p(right):
        favourite = np.where(np.arange(200) < right, labels, 1 - labels)
        return np.log(np.where(np.eye(2)[favourite] == 1, 0.9, 0.1))

    collected = Collected(200, 2, labels, several_folds=True)
    collected.held_out, collected.by_trees = log_p(network_right), log_p(right)
    collected.from_training = collected.from_influence = log_p(network_right)
    collected.queries = [Predictions.of(log_p(network_right), labels)]
    return collected


@pytest.mark.parametrize(
    ("right", "network_right", "expected"),
    [
        (200, 196, True),
        (200, 197, False),  # the networks have learnt the rule as well, if it is one
        (198, 196, True),
        (197, 195, False),  # three of 200 are more than one in a hundred
        (200, 100, False),  # the networks learnt nothing, and the trees are all there is
    ],
)
def test_trees_that_foretell_every_label_leave_the_ranking_to_networks_that_do_not(right, network_right, expected):
    collected = foretold(right, network_right)
    weigh_trees(collected, np.arange(200))
    assert collected.foretold is expected
    assert (collected.by_trees is None) is expected
    if expected:
        evidence = evidence_of(collected, slice(None))
        noise = noise_of(collected, slice(None), collected.labels, evidence)
        assert (noise.share.low, noise.share.high, noise.share.verdict) == (0, 1, "cannot tell")
        np.testing.assert_allclose(noise.transition.dense(), [[0.9, 0.1], [0.1, 0.9]])


def test_labels_that_two_thresholds_made_carry_no_list_and_no_range():
    """Trees learn the rule, the linear network nearly: the rule's mistakes do not show, and that is said."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(600, 4)).round(1), columns=list("abcd"))
    labels = np.where((frame["a"] > 0) & (frame["b"] > 0), "yes", "no")
    report = scan(frame, list(labels), epochs=5)
    assert (report.noise.verdict, report.noise.rate_low, report.noise.rate_high) == ("cannot tell", 0, 1)
    assert "boosted trees foretell nearly every label" in report.noise.doubt
    assert len(report.suspects()) == 0
