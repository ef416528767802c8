"""What judging labels will take, measured before there is anything to judge."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

from labelaudit.detection.calibration import Calibration, calibrate, log_softmax
from labelaudit.detection.fitted_rows import few_a_class, rows_to_calibrate, rows_to_fit
from labelaudit.detection.noise import STEPS, explain, without_confusions
from labelaudit.detection.transition import EvenTransition

MANY_CLASSES = 300
ITERATIONS, INVERSIONS = (90, 220), (40, 75)  # of a reading, of few and of many classes: counted on twelve data sets
ITERATIONS_OF_ONE_RATE = 3  # in the time of as many of those
CALIBRATING = 6  # the same of calibrating one kind of evidence
JOINING = 1  # the same of joining one kind, of all rows
MOST_CELLS, MOST_CLASSES = 1 << 20, 400  # measured with; the rest in proportion
REPEATS, EVEN_RATE = 3, 0.1


@dataclass(frozen=True)
class JudgingCosts:
    """Seconds that judging takes.

    Attributes:
        reading: Finding in one kind of evidence how labels go wrong (`estimate_noise`).
        joining: Calibrating one kind of evidence, and joining it with others (`label_posterior`).
    """

    reading: float
    joining: float

    def seconds(self, read: int, joined: int) -> float:
        """Of so many kinds of evidence."""
        return read * self.reading + joined * self.joining


def measure_judging(rows: int, classes: int) -> JudgingCosts:
    """Time what judging so many rows and classes consists of, on made-up evidence.

    Args:
        rows: N.
        classes: C.
    """
    fitted, few = rows_to_fit(rows, classes), min(classes, MOST_CLASSES)
    some = max(1, min(fitted, MOST_CELLS // few))
    draw = np.random.default_rng(0)
    evidence, labels = log_softmax(draw.normal(size=(some, few))), draw.integers(few, size=some)
    transition, start = EvenTransition.of_rate(few, EVEN_RATE).dense(), Calibration.start(few)

    def iterate() -> None:
        explain(evidence, labels, transition, start)
        calibrate(evidence, labels, transition, start, STEPS)

    iteration = _seconds(iterate) * classes / (some * few)
    calibrating = (CALIBRATING * rows_to_calibrate(rows, classes) + JOINING * rows) * iteration
    if few_a_class(rows, classes):
        return JudgingCosts(ITERATIONS_OF_ONE_RATE * fitted * iteration, calibrating)
    inversion = _seconds(lambda: without_confusions(np.exp(evidence), transition)) * classes**2 / (some * few**2)
    iterations, inversions = ITERATIONS[classes > MANY_CLASSES], INVERSIONS[classes > MANY_CLASSES]
    return JudgingCosts((iterations * iteration + inversions * inversion) * fitted, calibrating)


def _seconds(run: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return median(times)
