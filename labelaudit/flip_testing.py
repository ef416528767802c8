"""`flip-test`: how well wrong labels are found, measured on labels that are known to be wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelaudit.checkpoints import RunFolder
from labelaudit.config import AuditConfig, Noise
from labelaudit.data.dataset import NO_LABEL
from labelaudit.data.noise import check_flips, plant_flips
from labelaudit.detection.metrics import Metrics, detection_metrics, list_metrics, suggestion_accuracy, summarise
from labelaudit.detection.noise import Floats
from labelaudit.detection.ranking import Ranking
from labelaudit.detection.signals import Signals
from labelaudit.errors import InputError
from labelaudit.progress import Progress, Silent
from labelaudit.report.report import Report
from labelaudit.scanning import audit_and_report, identity, open_pool, true_labels


@dataclass(frozen=True)
class FlipTest:
    """The outcome of a flip test.

    Attributes:
        reports: One for each seed; `is_flipped` says which labels were wrong.
        metrics: For each seed, for each method, its metrics.
        wrong: For each seed, the number of wrong labels among the scored rows.
    """

    reports: tuple[Report, ...]
    metrics: tuple[dict[str, Metrics], ...]
    wrong: tuple[int, ...]

    @property
    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Mean and standard deviation over the seeds, by method and metric."""
        return summarise(self.metrics)

    def to_json(self) -> dict[str, Any]:
        """Everything `metrics.json` holds."""
        first = self.reports[0].metadata
        return {
            "source": first["source"]["path"],
            "query": first["query"],
            "training": first["training"],
            "labelaudit_version": first["labelaudit_version"],
            "seeds": [report.metadata["seed"] for report in self.reports],
            "rows": self.reports[0].table.num_rows,
            "wrong_labels": list(self.wrong),
            "flips": first["flips"],
            "summary": self.summary,
            "per_seed": list(self.metrics),
        }


def flip_test(
    source: object,
    rate: float | None = None,
    noise: Noise = "symmetric",
    seeds: int = 3,
    test: object = None,
    known: str | Path | None = None,
    config: AuditConfig | None = None,
    progress: Progress | None = None,
    finished: Callable[[int, Report], None] = lambda number, report: None,
    run_folder: RunFolder | None = None,
) -> FlipTest:
    """Plant wrong labels (or take known ones), audit, and measure what is found, beside the usual baselines.

    Args:
        source: What to audit, as in `scan`.
        rate: The share of labels to flip, in (0, 0.5].
        noise: How they are flipped, see `plant_flips`.
        seeds: How many runs, with seeds `config.seed`, `config.seed` + 1, …; each plants other flips.
        test: A trusted test set, never flipped.
        known: A table of true labels. Nothing is planted then; the labels that differ are the wrong ones.
        config: All settings.
        progress: Shown the stages.
        finished: Called with each report as soon as there is one, so that nothing is lost if a later seed fails.
        run_folder: Where the run saves what it has from time to time, so that it can be gone on with after a kill.

    Raises:
        InputError: Neither or both of `rate` and `known` are given, or the data or a setting cannot be used.
    """
    config, progress = config or AuditConfig(), progress or Silent()
    check_flips(rate, known)  # before the images are read, not after
    started = time.perf_counter()
    pool = open_pool(source, test, config, progress)
    known_truth = None if known is None else true_labels(pool, Path(known))
    reading = time.perf_counter() - started
    checkpoints = None
    if run_folder is not None:
        flips = {"rate": rate, "noise": noise, "seeds": seeds, "known": known and str(known)}
        checkpoints = run_folder.open(identity(pool, config) | flips)
    reports, metrics, wrong = [], [], []
    for number in range(seeds):
        seeded = config.model_copy(update={"seed": config.seed + number})
        labels, truth = pool.labels.copy(), known_truth
        if rate is not None:
            truth = pool.labels[: len(pool.dataset)]
            labels[pool.audited] = plant_flips(labels[pool.audited], len(pool.classes), rate, noise, seeded.seed)
        assert truth is not None
        part = None if checkpoints is None else checkpoints.part(f"seed-{seeded.seed}")
        report, found, ranking = audit_and_report(pool, labels, truth, seeded, progress, reading, part)
        report.metadata["flips"] = {
            "rate": rate,
            "noise": noise if rate is not None else None,
            "known": known and str(known),
        }
        measured, count = measure(found.findings.signals, ranking, labels[: len(pool.dataset)], truth, seeded.seed)
        finished(number, report)
        reports.append(report)
        metrics.append(measured)
        wrong.append(count)
    return FlipTest(tuple(reports), tuple(metrics), tuple(wrong))


def measure(
    signals: Signals, ranking: Ranking, labels: NDArray[np.int64], truth: NDArray[np.int64], seed: int
) -> tuple[dict[str, Metrics], int]:
    """Measure our rankings and the baselines of the same run on the scored rows whose truth is known.

    Raises:
        InputError: No label, or every label, is wrong among them.
    """
    rows = np.flatnonzero(signals.scored & (truth != NO_LABEL))
    given, true = labels[rows], truth[rows]
    wrong = given != true
    if not wrong.any() or wrong.all():
        raise InputError(f"{wrong.sum()} of the {len(rows)} scored labels whose truth is known are wrong: there is "
                         "nothing to measure")  # fmt: skip
    methods: dict[str, Floats] = {
        "score": ranking.score[rows],
        "influence (DIT)": -signals.influence[rows],
        "final loss": signals.loss[rows],
        "mean margin (AUM)": -signals.margin[rows],
    }
    if signals.out_of_fold is not None:
        methods["out-of-fold loss"] = -np.log(signals.out_of_fold[rows, given])
    methods["random"] = np.random.default_rng(seed).random(len(rows))
    metrics = {name: detection_metrics(suspicion, wrong) for name, suspicion in methods.items()}
    metrics["score"]["suggestion_accuracy"] = suggestion_accuracy(ranking.suggested[rows], true, given)
    stated = ranking.expected_precision
    metrics["score"] |= list_metrics(ranking.suspect[rows], wrong, None if stated is None else stated[0])
    if signals.out_of_fold is not None:
        metrics["out-of-fold loss"]["suggestion_accuracy"] = suggestion_accuracy(
            signals.out_of_fold[rows].argmax(1), true, given
        )
    return metrics, int(wrong.sum())
