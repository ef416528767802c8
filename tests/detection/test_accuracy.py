from __future__ import annotations

import numpy as np

from labelaudit.detection.accuracy import Predictions, held_out_accuracy


def test_by_hand():
    log_p = np.log([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.4, 0.3, 0.3]])
    found = held_out_accuracy(Predictions.of(log_p, np.array([0, 0, 1, 0])))
    assert (found.overall, found.most_frequent) == (0.75, 0.75)
    assert found.rows.tolist() == [3, 1, 0]
    assert found.right.tolist() == [2, 1, 0]
