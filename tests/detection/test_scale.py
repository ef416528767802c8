"""How the answers of an audit's networks are brought to one scale."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit.detection.scale import scales_of


def answers(right: int, wrong: int, margin: float = 1.0):
    """Logits of two classes that name class 0 by a margin, and labels of which some are of class 1."""
    return np.tile([margin, 0.0], (right + wrong, 1)), np.repeat([0, 1], [right, wrong])


def test_the_answers_are_as_sure_as_they_are_right():
    """By hand: a target is (n + 1)/(n + 2) for the label, and the best margin the log odds of the mean target."""
    for right, wrong in ((30, 0), (900, 100)):
        (scale,) = scales_of(*zip(answers(right, wrong), strict=True))
        rows = right + wrong
        share = (right * (rows + 1) + wrong) / (rows * (rows + 2))
        assert scale == pytest.approx(np.log(share / (1 - share)), rel=1e-3)


def test_a_network_that_has_hardly_moved_counts_as_much_as_another():
    logits, labels = zip(answers(900, 100), answers(900, 100, margin=1e-2), strict=True)
    one, other = scales_of(logits, labels)
    assert other == pytest.approx(100 * one, rel=0.05)


@pytest.mark.parametrize(("right", "wrong"), [(495, 505), (0, 1000)])
def test_a_network_that_is_more_often_wrong_than_right_has_the_least_scale(right, wrong):
    (scale,) = scales_of(*zip(answers(right, wrong, margin=0.1), strict=True))
    assert scale == pytest.approx(1 / 1000)


def test_a_network_that_is_never_wrong_has_a_scale_by_hand_up_to_the_largest():
    (scale,) = scales_of(*zip(answers(1000, 0, margin=1e-6), strict=True))
    assert scale == pytest.approx(1000)


def test_a_wrong_label_among_few_does_not_make_its_network_mute():
    """Of twenty rows, two are wrong in one network's part: its scale is that of all five."""
    logits, labels = zip(answers(18, 2), *[answers(20, 0)] * 4, strict=True)
    scales = scales_of(logits, labels)
    assert len(set(scales)) == 1
    alone = scales_of(logits[:1], labels[:1])[0]
    assert scales[0] > 1.3 * alone


def test_a_network_that_knows_nothing_says_next_to_nothing():
    """Its answers have nothing to do with the labels: half of them are right."""
    logits, labels = zip(answers(950, 50), answers(500, 500, margin=8.0), strict=True)
    known, nothing = scales_of(logits, labels)
    assert 8 * nothing < 0.01 * known
