from __future__ import annotations

import numpy as np

from labelaudit.detection.accuracy import HeldOutAccuracy, Predictions, held_out_accuracy, is_good


def test_by_hand():
    log_p = np.log([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.4, 0.3, 0.3]])
    found = held_out_accuracy(Predictions.of(log_p, np.array([0, 0, 1, 0])))
    assert (found.overall, found.most_frequent) == (0.75, 0.75)
    assert found.rows.tolist() == [3, 1, 0]
    assert found.right.tolist() == [2, 1, 0]


def test_good_is_three_quarters_of_what_there_is_to_gain():
    assert is_good(0.875, 0.5)
    assert not is_good(0.874, 0.5)
    assert is_good(0.976, 0.9)
    assert not is_good(0.97, 0.9)
    nothing = HeldOutAccuracy(0.6, 0.6, np.array([6, 4]), np.array([6, 0]))
    assert not nothing.is_good


def test_several_networks_predictions_are_of_rows_of_their_own():
    first = Predictions.of(np.log([[0.6, 0.4], [0.2, 0.8]]), np.array([0, 0]))
    second = Predictions.of(np.log([[0.3, 0.7]]), np.array([1]))
    both = Predictions.together([first, second])
    assert both.favourite.tolist() == [0, 1, 1]
    assert both.labels.tolist() == [0, 0, 1]
    assert both.right.tolist() == [True, False, True]
    assert both.classes == 2
    np.testing.assert_allclose(both.log_p, np.log([0.6, 0.2, 0.7]))
