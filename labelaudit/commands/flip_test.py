"""`flip-test`: how well wrong labels are found, measured on labels that are known to be wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelaudit.audit.audit import audit
from labelaudit.audit.audit_data import AuditData
from labelaudit.audit.judge import Findings
from labelaudit.audit.lost_rows import audit_lasting_rows
from labelaudit.commands.scan import audit_and_report, identity, open_data, true_labels
from labelaudit.config import AuditConfig
from labelaudit.data.dataset import NO_LABEL
from labelaudit.data.flips import check_flips, plant_flips
from labelaudit.detection.metrics import (
    Metrics,
    detection_metrics,
    list_metrics,
    share_metrics,
    suggestion_metrics,
    summarise,
)
from labelaudit.detection.promises import expected_precision
from labelaudit.detection.ranking import Ranking
from labelaudit.errors import InputError
from labelaudit.progress import NullProgress, Progress
from labelaudit.report.report import Report
from labelaudit.runtime.checkpoints import Checkpoints, RunFolder
from labelaudit.runtime.distributed import process_group
from labelaudit.types import Floats, Noise, checked


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


@checked
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

    Returns:
        The reports, one for each seed, and the metrics of each ranking.

    Raises:
        InputError: Neither or both of `rate` and `known` are given, or the data or a setting cannot be used.
    """
    config, progress = config or AuditConfig(), progress or NullProgress()
    if rate is not None:
        check_confusions(noise, test, config)
    check_flips(rate, known)  # before the images are read, not after
    if seeds < 1:
        raise InputError(f"a flip test needs at least one (it is {seeds})", option="seeds")
    started = time.perf_counter()
    data, config = open_data(source, test, config, progress)
    with process_group().raise_together():
        known_truth = None if known is None else true_labels(data, Path(known))
    reading = time.perf_counter() - started
    checkpoints = None
    if run_folder is not None:
        flips = {"rate": rate, "noise": noise, "seeds": seeds, "known": known and str(known)}
        checkpoints = run_folder.open(identity(data, config) | flips)
    wavering = None
    if rate is not None and noise == "confusion":
        data, wavering = held_out_probabilities(data, config, progress, checkpoints)
    reports, metrics, wrong = [], [], []
    for number in range(seeds):
        seeded = config.model_copy(update={"seed": config.seed + number})
        labels, truth = data.labels.copy(), known_truth
        if rate is not None:
            truth = data.labels[: len(data.dataset)]
            labels[data.audited] = plant_flips(
                labels[data.audited], len(data.classes), rate, noise, seeded.seed, wavering
            )
        assert truth is not None
        part = None if checkpoints is None else checkpoints.part(f"seed-{seeded.seed}")
        report, found, ranking = audit_and_report(data, labels, truth, seeded, progress, reading, part)
        report.metadata["flips"] = {
            "rate": rate,
            "noise": noise if rate is not None else None,
            "known": known and str(known),
        }
        measured, count = measure(found.findings, ranking, labels[: len(data.dataset)], truth, seeded.seed)
        finished(number, report)
        reports.append(report)
        metrics.append(measured)
        wrong.append(count)
    return FlipTest(tuple(reports), tuple(metrics), tuple(wrong))


def held_out_probabilities(
    data: AuditData, config: AuditConfig, progress: Progress, checkpoints: Checkpoints | None
) -> tuple[AuditData, Floats]:
    """Audit the labels as they are, to learn where a network that has not seen a row wavers, and to which classes.

    Returns:
        The rows that could still be read, and probabilities of the audited ones, shape (n, C).
    """
    progress.note("`noise` confusion: the labels are audited once as they are, to learn where the network wavers")
    part = None if checkpoints is None else checkpoints.part("unflipped")
    data, found = audit_lasting_rows(
        data, lambda lasting, saved: audit(lasting, lasting.labels, config, progress, saved), config, progress, part
    )
    out_of_fold = found.findings.signals.out_of_fold
    assert out_of_fold is not None  # `check_confusions` has seen to it that there are several folds
    return data, out_of_fold[data.audited]


def check_confusions(noise: Noise, test: object, config: AuditConfig) -> None:
    """Refuse `confusion` where no network stays that has not seen a row.

    Raises:
        InputError: There is but one fold.
    """
    if noise == "confusion" and (test is not None or config.test_fraction is not None):
        option = "`test_fraction`" if test is None else "`test`"
        raise InputError(
            "`noise` confusion needs predictions of rows by networks that were not trained on them, and with "
            f"{option} there are none: leave it out, or take another `noise`"
        )


def measure(
    findings: Findings, ranking: Ranking, labels: NDArray[np.int64], truth: NDArray[np.int64], seed: int
) -> tuple[dict[str, Metrics], int]:
    """Measure our rankings and the baselines of the same run on the scored rows whose truth is known.

    Raises:
        InputError: No label, or every label, is wrong among them.
    """
    signals, share = findings.signals, findings.noise.share
    rows = np.flatnonzero(signals.scored & (truth != NO_LABEL))
    given, true = labels[rows], truth[rows]
    wrong = given != true
    if not wrong.any() or wrong.all():
        raise InputError(
            f"{wrong.sum()} of the {len(rows)} scored labels whose truth is known are wrong: there is "
            "nothing to measure"
        )
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
    metrics["score"] |= suggestion_metrics(ranking.suggested[rows], true, given)
    metrics["score"] |= list_metrics(ranking.suspect[rows], wrong, expected_precision(ranking))
    metrics["score"] |= share_metrics(share, wrong)
    if signals.out_of_fold is not None:
        others = signals.out_of_fold[rows].copy()
        others[np.arange(len(rows)), given] = -1
        metrics["out-of-fold loss"] |= suggestion_metrics(others.argmax(1), true, given)
    return metrics, int(wrong.sum())
