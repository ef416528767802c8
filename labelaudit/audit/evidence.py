"""Which evidence there is of each row's true label, and what each kind counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from labelaudit.audit.collect import Collected
from labelaudit.audit.doubts import beats_guessing
from labelaudit.detection.accuracy import Predictions
from labelaudit.detection.calibration import calibrate
from labelaudit.detection.fitted_rows import fitted_rows
from labelaudit.detection.noise import Noise, estimate_noise
from labelaudit.detection.posterior import Evidence
from labelaudit.detection.readings import Readings
from labelaudit.detection.share import widened_by_rules, without_upper_end
from labelaudit.detection.transition import EvenTransition
from labelaudit.runtime.large_arrays import largest
from labelaudit.types import Floats, Labels, Rows

WEIGHTS = {"held out": 1.0, "trees": 2.0, "training": 2.0, "influence": 1.0, "refitted": 2.0}  # chosen on tuning tasks
TREES_AS_REFERENCE = 4.0
TREES_WORSE = 0.01  # nats a label
FORETOLD, NOT_LEARNT = 0.01, 0.02  # of the labels that trees disagree with at most, and networks at least
RATE_OF_RULES = 0.1  # of wrong labels, of which nothing can be known
UNSEEN = ("held out", "trees", "refitted")
"""Evidence that has not seen the row's own label, by which the share of wrong labels can be estimated."""


def evidence_of(collected: Collected, rows: slice | Rows) -> dict[str, Evidence]:
    """The kinds of evidence of some rows, the reference first: what noise is estimated, and all else calibrated, by.

    - `held out`: log-probabilities by networks that did not train on the row; with several folds. Where there is a
      second encoding, the mean of those on either.
    - `trees`: those by gradient-boosted trees that did not; of tables.
    - `training`: those by networks that trained on it, averaged over the epochs.
    - `influence`: DIT under each label.
    - `refitted`: log-probabilities by networks that did not train on the row, nor on rows that, by all of the above,
      are probably wrong; of small networks in three folds or more, without trees, where there are such rows.

    The reference is what predicts the given labels better, of the two that have not seen the row's label
    (`trees_lead`). With one fold it is the training, or the trees.

    Args:
        collected: What the folds found.
        rows: Those that are judged; the whole slice takes no memory.
    """
    values = {
        "held out": _mean(collected.held_out, collected.by_second_view),
        "trees": collected.by_trees,
        "training": collected.from_training,
        "influence": collected.from_influence,
        "refitted": collected.refitted,
    }
    evidence = {kind: Evidence(found[rows], WEIGHTS[kind]) for kind, found in values.items() if found is not None}
    reference = "held out" if "held out" in evidence else "training"
    if "trees" in evidence and (reference == "training" or collected.trees_lead > 0):
        reference = "trees"
    found = evidence.pop(reference)
    if reference == "trees":
        found = Evidence(found.values, TREES_AS_REFERENCE)
    return {reference: found} | evidence


def noise_of(collected: Collected, rows: slice | Rows, labels: Labels, evidence: Mapping[str, Evidence]) -> Noise:
    """How labels go wrong, by evidence that has not seen them if there is some.

    Where there is a second encoding, by what networks on it predict: they are the weaker ones, which have learnt less
    of the labellers' habits, so that more of the wrong labels stand out; where clearly more do, the share's upper end
    is raised. Otherwise by the reference. Other kinds are asked as well whether there are wrong labels at all. Of
    labels that are all foretold, nothing is known of how they go wrong.

    Args:
        collected: What the folds found.
        rows: Those that are judged.
        labels: Their given class indices, shape (n,).
        evidence: Of these rows (`evidence_of`), the reference first.
    """
    readings = collected.readings
    reference, unseen = next(iter(evidence)), [kind for kind in UNSEEN if kind in evidence]
    if collected.by_second_view is not None:
        others = [evidence[kind].values for kind in unseen]
        weaker = estimate_noise(collected.by_second_view[rows], labels, others, is_weaker=True, readings=readings)
        if collected.held_out is not None:
            stronger = estimate_noise(collected.held_out[rows], labels, readings=readings)
            weaker = replace(weaker, share=widened_by_rules(weaker.share, stronger.share))
        return weaker.carried_over(evidence[reference].values, labels)
    others = [evidence[kind].values for kind in unseen if kind != reference]
    noise = estimate_noise(evidence[reference].values, labels, others, readings=readings)
    if collected.foretold:
        share = replace(noise.share, low=0.0, high=1.0, verdict="cannot tell")
        return replace(
            noise, share=share, transition=EvenTransition.of_rate(evidence[reference].values.shape[1], RATE_OF_RULES)
        )
    return noise if reference in UNSEEN else replace(noise, share=without_upper_end(noise.share))


def times_read(collected: Collected, evidence: Mapping[str, Evidence]) -> int:
    """How many kinds of evidence `noise_of` reads."""
    unseen = {kind for kind in UNSEEN if kind in evidence}
    if collected.by_second_view is not None:
        return 1 + len(unseen) + (collected.held_out is not None)
    return len(unseen | {next(iter(evidence))})


def _mean(first: Floats | None, second: Floats | None) -> Floats | None:
    return first if first is None or second is None else (first + second) / 2


def weigh_trees(collected: Collected, rows: Rows) -> None:
    """Find out which predicts the labels of some rows better, networks or trees, and leave out trees that say nothing.

    They do so where they only blur, and where they foretell nearly all labels: then either none is wrong, or trees have
    learnt the rule that made them, with its mistakes, and networks that have learnt less of it are what is left to rank
    by; unless the few labels that trees contradict stand out as wrong.

    Args:
        collected: What the folds found; its `trees_lead` and `foretold` are set, and its `by_trees` if they stay.
        rows: Those that are judged.
    """
    if collected.by_trees is None or collected.held_out is None:
        return
    labels = collected.labels[rows]
    collected.foretold = (
        _disagreeing(collected.by_trees[rows], labels) <= FORETOLD
        and _disagreeing(collected.held_out[rows], labels) >= NOT_LEARNT
        and beats_guessing(Predictions.together(collected.queries))
        and estimate_noise(collected.by_trees[rows], labels, readings=collected.readings).share.verdict != "measured"
    )
    if collected.foretold:
        collected.by_trees = None
        return
    by_network, by_trees = losses_beside(collected.held_out[rows], collected.by_trees[rows], labels, collected.readings)
    collected.trees_lead = by_network - by_trees
    if by_trees > by_network + TREES_WORSE:
        collected.by_trees = None


def _disagreeing(log_p: Floats, labels: Labels) -> float:
    return float((largest(log_p) != labels).mean())


def losses_beside(
    evidence: Floats, other: Floats, labels: Labels, readings: Readings | None = None
) -> tuple[float, float]:
    """Mean losses of the given labels, in nats, by evidence and by some of another kind, both of shape (N, C).

    Each is calibrated with the noise in mind that is estimated by the first: without, what is sure of the right labels
    would pay for every wrong one.
    """
    some = fitted_rows(evidence, labels)
    evidence, other, labels = evidence[some], other[some], labels[some]
    noise = estimate_noise(evidence, labels, readings=readings)

    def loss(values: Floats) -> float:
        values = values.astype(float)
        log_p = calibrate(values, labels, noise.transition).log_probabilities(values)
        return -float(np.log((np.exp(log_p) * noise.likelihood(labels)).sum(1)).mean())

    return loss(evidence), loss(other)
