"""One scale for the logits of several networks, of which one may have been trained better than another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp

from labelaudit.detection.calibration import log_softmax
from labelaudit.training.thinning import thinned
from labelaudit.types import Floats, Labels

LARGEST = 1000.0  # factor, and its inverse the smallest
UNSEEN = 1.0  # rows of another class that might have been among the given ones: keeps a scale finite (Platt, 1999)
CLEARLY = 5.0  # nats by which its own scale has to be more likely for a network not to have that of all


def scales_of(logits: Sequence[Floats], labels: Sequence[Labels]) -> list[float]:
    """The factors s for which softmax(s · logits) predicts the labels best: inverse temperatures.

    A network that has hardly moved may know as much as one that was trained for long, with logits a thousandth as
    large. A network that knows nothing has a factor that makes its logits next to nothing. But a few rows tell no
    scale: one wrong label among twenty would make all logits of its network small, and with them what speaks against
    the label. A network has a scale of its own where that is clearly more likely, else the one that suits all.

    Args:
        logits: Of the rows that each network was not trained on, shapes (M, C); M > 0.
        labels: Their given labels, shapes (M,).
    """
    networks = [_HeldOutLogits(*of_network) for of_network in zip(logits, labels, strict=True)]
    common = _best(lambda log_scale: sum(network.slope(log_scale) for network in networks))
    log_scales = []
    for network in networks:
        own = _best(network.slope)
        log_scales.append(own if network.loss(common) - network.loss(own) > CLEARLY else common)
    return [float(np.exp(log_scale)) for log_scale in log_scales]


class _HeldOutLogits:
    """A network's logits: the cross-entropy of their labels by the logarithm of their scale, and its slope.

    Targets are 1 − (C − 1) · wrong and wrong. The centred logits of a row add up to 0.
    """

    def __init__(self, logits: Floats, labels: Labels) -> None:
        rows, classes = logits.shape
        wrong = UNSEEN / (rows + classes * UNSEEN)
        some = thinned(rows, classes)
        logits, labels = logits[some], labels[some]
        self.times: float = rows / len(labels)  # that each row counts, for those left out
        self.centred = logits - logits.mean(1, keepdims=True)
        # Of logits, by the targets
        self.expected = (1 - classes * wrong) * self.centred[np.arange(len(labels)), labels].sum()

    def loss(self, log_scale: float) -> float:
        """In nats."""
        scale = float(np.exp(log_scale))
        return self.times * float(logsumexp(scale * self.centred, axis=1).sum() - scale * self.expected)

    def slope(self, log_scale: float) -> float:
        """By the scale; it rises with it."""
        probabilities = np.exp(log_softmax(float(np.exp(log_scale)) * self.centred))
        return self.times * float((probabilities * self.centred).sum() - self.expected)


def _best(slope: Callable[[float], float]) -> float:
    """Where a slope is 0, or the bound next to it; a search for the least loss would end anywhere where it is flat."""
    bound = float(np.log(LARGEST))
    if slope(-bound) >= 0:
        return -bound
    return bound if slope(bound) <= 0 else float(brentq(slope, -bound, bound, xtol=1e-12))
