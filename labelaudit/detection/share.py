"""The share of wrong labels: a point, an interval, and how far it can be told at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HIDDEN = 4.0  # hidden wrong labels for each one found, per structure of T, if the network never wavers
EVEN = 0.15  # structure of T up to which wrong labels count as spread evenly
FEW, MANY = 2.0, 6.0  # the network's own errors for each wrong label found: all hidden ones are believed in, or none
CANNOT_TELL = 3.0  # so many own errors for each wrong label found may be all there is to find
RELATIVE_SLACK, SLACK, ROW_SLACK = 0.1, 0.005, 0.25  # of either end: of the share, absolute, and per √rows
LEAST_TOLD = 0.005  # lower ends below are 0: so few wrong labels cannot be told from none
DOUBT_OF_HIDDEN = 0.5  # further hidden ones that are possible, for each hidden one
DOUBT_OF_TWO = 0.4  # hidden ones that are possible for each one found of two classes, whose T has no structure to see


@dataclass(frozen=True)
class Share:
    """The share of wrong labels.

    Attributes:
        point: The estimate, in [0, 1].
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    point: float
    low: float
    high: float


@dataclass(frozen=True)
class Fitted:
    """The share of wrong labels by one model of the labels.

    Attributes:
        point: The most likely one.
        low: The least that is about as likely.
        high: The largest.
    """

    point: float
    low: float
    high: float


def hidden_ratio(structure: float, network_error: float, found: float) -> float:
    """Estimated wrong labels that were made where the network wavers, too, for each one that the model finds.

    People mistake certain classes for each other, in rows that are hard for a network as well. There the model takes
    the wrong label for the network's weakness. Evenly spread mistakes do not hide; and the surer a network is, the
    better it has learnt people's confusions, and the more of them are hidden. A network that errs much more often than
    labels are found wrong may have found its own errors. The constants were chosen on tuning data.

    Args:
        structure: How unevenly wrong labels are spread over the other classes, 0 … 1.
        network_error: How often the network's most probable class is wrong, by its own calibrated probabilities.
        found: The share of wrong labels that the model finds.
    """
    belief = float(np.clip((MANY * found - network_error) / ((MANY - FEW) * max(found, 1e-9)), 0, 1))
    return HIDDEN * belief * max(0.0, structure - EVEN) * max(0.0, 1 - 2 * network_error)


def estimate_share(
    wavering: Fitted, ratio: float, network_error: float, contradicted: float, rows: int, *, two_classes: bool
) -> Share:
    """The share where the network wavers because it does not know the true class.

    Args:
        wavering: By the model of such a network.
        ratio: See `hidden_ratio`.
        network_error: How often the network's most probable class is wrong, by its own calibrated probabilities.
        contradicted: Share of labels that differ from the held-out prediction; more cannot be wrong if these are right.
        rows: N.
        two_classes: Whether there are but two classes.
    """
    hidden = wavering.point * ratio
    point = wavering.point + hidden
    further = DOUBT_OF_TWO * point if two_classes else DOUBT_OF_HIDDEN * hidden
    low = 0.0 if network_error > CANNOT_TELL * wavering.point else wavering.low
    return _widened(point, low, max(wavering.high, point) + further, contradicted, rows)


def estimate_learnt_share(wavering: Fitted, learnt: Fitted, contradicted: float, rows: int) -> Share:
    """The share where the network wavers because it has learnt how labels are confused.

    The interval reaches half the way to what it would be if it did not; arguments as for `estimate_share`.
    """
    low = min(learnt.low, (learnt.low + wavering.low) / 2)
    return _widened(learnt.point, low, learnt.high, contradicted, rows)


def _widened(point: float, low: float, high: float, contradicted: float, rows: int) -> Share:
    """Let the ends of an interval be off by as much as they were on tuning data."""
    slack = SLACK + ROW_SLACK / np.sqrt(rows)
    high = high + RELATIVE_SLACK * point + slack
    high = max(min(high, contradicted), point * (1 + RELATIVE_SLACK))
    low = low * (1 - RELATIVE_SLACK) - slack
    return Share(float(point), float(low) if low >= LEAST_TOLD else 0.0, float(min(1.0, high)))
