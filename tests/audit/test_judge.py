"""How evidence becomes a verdict, on made-up findings of the folds whose effect can be worked out by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from scipy.special import logit

from labelaudit.audit.collect import Collected
from labelaudit.audit.doubts import why_unreliable
from labelaudit.audit.judge import judge
from labelaudit.audit.task import AuditTask, View
from labelaudit.data.batches import Features
from labelaudit.data.splits import Fold
from labelaudit.detection.accuracy import Predictions
from labelaudit.detection.calibration import calibrate, calibrate_to
from labelaudit.detection.noise import Noise, estimate_noise
from labelaudit.detection.share import Share
from tests.support.progress import Notes

EVEN = np.eye(2)

# Every combination of three kinds of evidence, as log odds of class 1, and labels that go with their sum but for each
# seventh row. Training and influence are alike: swapping them changes nothing but which row is which.
HELD_OUT, TRAINING, INFLUENCE = np.array(list(product((-3.0, -1.0, 1.0, 3.0), repeat=3))).T
ROWS = len(HELD_OUT)
LABELS = (HELD_OUT + TRAINING + INFLUENCE > 0).astype(np.int64)
LABELS[::7] = 1 - LABELS[::7]


def as_evidence(log_odds):
    return np.stack([-log_odds / 2, log_odds / 2], axis=1)


def collected_of(*, several_folds=True, unscored=0, query=None, loss=0.5):
    """Findings of `ROWS` rows after some that no fold trained on."""
    rows = unscored + ROWS
    labels = np.concatenate([np.zeros(unscored, np.int64), LABELS])
    collected = Collected(rows, 2, labels, several_folds=several_folds)
    collected.from_training[unscored:] = as_evidence(TRAINING)
    collected.from_influence[unscored:] = as_evidence(INFLUENCE)
    collected.influence[unscored:] = np.where(LABELS == 0, 10.0, 1000.0) + np.arange(ROWS)
    if several_folds:
        collected.held_out[unscored:] = as_evidence(HELD_OUT)
        collected.out_of_fold[unscored:] = 0.25
    collected.loss[unscored:], collected.margin[unscored:] = loss, 2.0
    query_labels, log_p = query or query_of(0.5)
    collected.queries = [Predictions.of(log_p[part], query_labels[part]) for part in (slice(30), slice(30, None))]
    collected.temperatures, collected.parameters, collected.tracked = [1.5, 0.75], 7, 5
    return collected


def noise_of(rate):
    return Noise(Share(rate, rate, rate), EVEN, 1.0)


def no_network(fold, seed):
    raise AssertionError("to judge needs no network")


def judged(collected, new_rows=None, progress=None, unscored=0, advice=lambda accuracy, most_frequent: None):
    rows = len(collected.loss)
    trained = np.arange(unscored, rows)
    halves = [Fold(trained[::2], trained[1::2]), Fold(trained[1::2], trained[::2])]
    view = View(Features(torch.zeros(rows, 1), torch.zeros(rows)), no_network)
    task = AuditTask(view, halves, rows, 2, new_rows=new_rows, advice=advice)
    return judge(task, collected, progress or Notes())


def slopes(score_log_odds, rows):
    """How much log odds of class 1 rise with those of (held out, training, influence), which must explain them."""
    columns = np.stack([HELD_OUT, TRAINING, INFLUENCE, LABELS == 0, LABELS == 1], axis=1).astype(float)[rows]
    found, _, rank, _ = np.linalg.lstsq(columns, score_log_odds[rows], rcond=None)
    np.testing.assert_allclose(columns @ found, score_log_odds[rows], atol=1e-6)
    assert rank == 5
    return found[:3]


def weights_of(reference, *shares):
    """The weights of the three kinds in the mean that has these shares of them.

    Calibration gives one to the reference and, by what that says of true labels, one to each other kind and one to the
    mean.
    """
    noise = estimate_noise(as_evidence(reference), LABELS)
    calibrated = calibrate(as_evidence(reference), LABELS, noise.transition)
    joint = calibrated.log_probabilities(as_evidence(reference)) + np.log(noise.likelihood(LABELS))
    target = np.exp(joint - np.logaddexp(joint[:, :1], joint[:, 1:]))
    kinds = np.stack([HELD_OUT, TRAINING, INFLUENCE])
    weights = np.array([calibrate_to(as_evidence(kind), target).weight for kind in kinds])
    weights[(kinds == reference).all(1)] = calibrated.weight
    weights *= shares
    return weights * calibrate_to(as_evidence(weights @ kinds), target).weight


def test_with_several_folds_training_counts_for_half_and_the_others_for_a_quarter_each():
    """Log odds are the weighted mean of the calibrated ones; what a label and the rate add is the same for all rows."""
    found = slopes(logit(judged(collected_of()).signals.posterior[:, 1]), np.arange(ROWS))
    assert found == pytest.approx(weights_of(HELD_OUT, 1 / 4, 2 / 4, 1 / 4), rel=1e-3)
    assert min(found) > 0.05  # or there would be nothing to see


def test_with_one_fold_training_counts_twice_what_influence_does():
    found = slopes(logit(judged(collected_of(several_folds=False)).signals.posterior[:, 1]), np.arange(ROWS))
    assert found == pytest.approx(weights_of(TRAINING, 0, 2 / 3, 1 / 3), rel=1e-3, abs=1e-9)


def test_newcomers_are_judged_without_their_training_and_the_others_with_it():
    new_rows = np.arange(0, ROWS, 3) + 4  # row numbers; the first four rows are of no fold
    findings = judged(collected_of(unscored=4), new_rows, unscored=4)
    odds = logit(findings.signals.posterior[4:, 1])
    new = np.zeros(ROWS, dtype=bool)
    new[new_rows - 4] = True
    assert slopes(odds, new) == pytest.approx(weights_of(HELD_OUT, 1 / 2, 0, 1 / 2), rel=1e-3, abs=1e-9)
    assert slopes(odds, ~new) == pytest.approx(weights_of(HELD_OUT, 1 / 4, 2 / 4, 1 / 4), rel=1e-3)


@pytest.mark.parametrize("several_folds", [True, False])
def test_rows_no_fold_trained_on_have_no_verdict_and_change_none(several_folds):
    alone, beside = (
        judged(collected_of(several_folds=several_folds, unscored=unscored), unscored=unscored) for unscored in (0, 3)
    )
    np.testing.assert_array_equal(beside.signals.posterior[3:], alone.signals.posterior)
    assert np.isnan(beside.signals.posterior[:3]).all()
    assert (beside.signals.scored == [False] * 3 + [True] * ROWS).all()
    assert (1 - alone.signals.posterior[np.arange(ROWS), LABELS]).mean() == pytest.approx(alone.noise.rate, abs=2e-6)


def test_what_the_folds_found_is_handed_on():
    collected = collected_of()
    findings = judged(collected)
    assert findings.signals.influence.tolist() == [(10, 1000)[label] + row for row, label in enumerate(LABELS)]
    assert (findings.signals.out_of_fold == 0.25).all()
    assert (findings.signals.loss == 0.5).all()
    assert (findings.signals.margin == 2).all()
    assert (findings.temperatures, findings.parameters, findings.tracked) == ((1.5, 0.75), 7, 5)
    assert findings.by_epoch is collected.by_epoch
    assert findings.sketches is collected.sketches
    assert findings.query_sketch is collected.query_sketch
    assert findings.networks.fold_of is collected.fold_of
    assert findings.noise.rate == estimate_noise(as_evidence(HELD_OUT), LABELS).rate


def query_of(loss, rows=40):
    """Query rows of two classes that are all predicted rightly, with the given loss in nats."""
    labels = np.arange(rows) % 2
    p = np.exp(-loss)
    return labels, np.log(np.where(np.eye(2)[labels] == 1, p, 1 - p))


@pytest.mark.parametrize(("training_loss", "told"), [(0.049, True), (0.051, False)])
def test_labels_known_by_heart_are_told_from_a_tenth_of_the_querys_loss_on(training_loss, told):
    progress = Notes()
    findings = judged(collected_of(query=query_of(0.5), loss=training_loss, unscored=2), progress=progress, unscored=2)
    assert findings.doubt is None
    note = (
        "the network knows its training labels by heart (mean loss 0.049 nats, 0.5 on the query): wrong labels may be "
        "missed; try fewer `epochs`"
    )
    assert progress.notes == ([note] if told else [])


def test_a_doubt_is_told_and_nothing_else():
    progress = Notes()
    ignorant = np.arange(40) % 2, np.log(np.full((40, 2), 0.5))
    findings = judged(collected_of(query=ignorant, loss=1e-6), progress=progress)
    assert progress.notes == [f"{findings.doubt}. The ranking is not reliable, and no row is called a suspect"]
    assert findings.doubt == (
        "the network learnt nothing: it predicts 50% of the labels it was not trained on, always naming the most "
        "frequent class 50%; try more `epochs`, another `learning_rate` or `model`"
    )


@pytest.mark.parametrize(("gained", "reliable"), [(8, False), (9, True)])
def test_a_gain_is_real_from_three_deviations_on(gained, reliable):
    """Of 50 rows of either class, all of class 0 are predicted rightly, and k of class 1.

    That is k / 100 = p more than by naming the most frequent class. Its deviation is √(p(1 − p) / 100): three of them
    are less than p where p / (1 − p) > 9 / 100, from k = 9 on. In nats nothing is gained.
    """
    labels = np.repeat([0, 1], 50)
    right = np.arange(100) < 50 + gained
    p = np.where(right, 0.501, 0.01)
    log_p = np.log(np.where(np.eye(2)[labels] == 1, p[:, None], 1 - p[:, None]))
    assert (why_unreliable(Predictions.of(log_p, labels), noise_of(0.1)) is None) == reliable


@pytest.mark.parametrize(("confident", "reliable"), [(8, False), (9, True)])
def test_a_gain_in_nats_is_enough(confident, reliable):
    """All 99 rows are predicted to be of class 0, as 66 are: no label is told that naming the class would not tell.

    k of these have p = 1, which is a gain of log 1.5 against their share of 2/3; all others have their share. Three
    deviations of the mean gain are less than it where k / (99 − k) > 9 / 99: from k = 9 on.
    """
    labels = np.repeat([0, 1], [66, 33])
    p0 = np.full(99, 2 / 3)
    p0[:confident] = 1 - 1e-9
    log_p = np.log(np.stack([p0, 1 - p0], axis=1))
    assert (why_unreliable(Predictions.of(log_p, labels), noise_of(0.1)) is None) == reliable


@pytest.mark.parametrize(("rate", "reliable"), [(0.6, True), (0.61, False)])
def test_more_than_three_fifths_of_wrong_labels_are_too_many(rate, reliable):
    labels, log_p = query_of(0.1)
    told = why_unreliable(Predictions.of(log_p, labels), noise_of(rate))
    assert told == (None if reliable else "an estimated 61% of the labels are wrong, too many to tell which")


def contradicted():
    """Networks trained once more see the noise; those before, whose evidence is blunted here, see none of it."""
    draw = np.random.default_rng(0)
    labels = np.arange(ROWS) % 2
    strength = np.linspace(8, -1, ROWS)  # of the evidence; below 0 it is wrong
    sharp = as_evidence(strength * (2 * labels - 1))
    given = np.where(np.arange(ROWS) < 6, 1 - labels, labels)
    blunt = as_evidence(0.5 * (2 * given - 1) + draw.normal(size=ROWS))
    collected = collected_of()
    collected.labels[:] = given
    collected.held_out[:], collected.refitted = blunt, sharp
    return collected


def test_every_kind_that_has_not_seen_the_labels_tells_of_the_share():
    collected = contradicted()
    blunt, sharp, given = collected.held_out, collected.refitted, collected.labels
    share = judged(collected).noise.share
    assert estimate_noise(blunt, given).share.verdict == "cannot tell"
    assert share == estimate_noise(blunt, given, [sharp]).share
    assert share.verdict == "measured"
    assert share.low < 6 / ROWS < share.high


def test_networks_known_to_be_too_weak_carry_no_list():
    asked = []

    def advice(accuracy, most_frequent):
        asked.append((accuracy, most_frequent))
        return "take a better one"

    collected = contradicted()
    strong, weak = judged(collected), judged(collected, advice=advice)
    assert asked == [(weak.accuracy.overall, weak.accuracy.most_frequent)]
    assert (strong.advice, weak.advice) == (None, "take a better one")
    assert (strong.noise.share.verdict, weak.noise.share.verdict) == ("measured", "cannot tell")
    assert (strong.carries_list, weak.carries_list) == (True, False)
    np.testing.assert_array_equal(strong.signals.posterior, weak.signals.posterior)
