"""From what the folds found to how probable it is that each label is wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labelaudit.audit.collect import Collected, Networks, collect
from labelaudit.audit.cross_fit import without_suspects
from labelaudit.audit.doubts import doubt_of, not_called_wrong, rows_of_failed_folds
from labelaudit.audit.evidence import evidence_of, noise_of, times_read, weigh_trees
from labelaudit.audit.forecast import Forecast
from labelaudit.audit.stages import JUDGING
from labelaudit.audit.task import AuditTask
from labelaudit.config import AuditConfig
from labelaudit.detection.accuracy import HeldOutAccuracy, Predictions, held_out_accuracy
from labelaudit.detection.contradictions import judge_together
from labelaudit.detection.noise import Noise
from labelaudit.detection.posterior import label_posterior
from labelaudit.detection.ranking import MORE_PROBABLY_WRONG
from labelaudit.detection.share import not_told
from labelaudit.detection.signals import Signals
from labelaudit.progress import Progress
from labelaudit.runtime.checkpoints import Checkpoints
from labelaudit.runtime.large_arrays import cells, of_given
from labelaudit.types import Floats


@dataclass(frozen=True)
class Findings:
    """What is said of the rows, whatever kind of data they are.

    Attributes:
        signals: Of each row.
        noise: What is estimated of the wrong labels.
        doubt: Why the scores are not to be relied on, None where they are.
        accuracy: How often the networks agree with labels they were not trained on.
        advice: What to do about networks that are too weak to tell wrong labels from hard rows; None if they are not.
        temperatures: The query's temperature in each fold.
        parameters: P, the number of trained parameters.
        tracked: P_t, those that influence goes through.
        networks: The fine-tuned networks.
        by_epoch: Influence of each row over the epochs, shape (N, E); (N, 0) unless asked for.
        query_sketch: Projected features of some query rows; none with several folds.
        sketches: Projected features of the rows, by the network that trained on them (`LastLayerInputs`), shape
            (N, at most 64).
    """

    signals: Signals
    noise: Noise
    doubt: str | None
    accuracy: HeldOutAccuracy
    advice: str | None
    temperatures: tuple[float, ...]
    parameters: int
    tracked: int
    networks: Networks
    by_epoch: Floats
    query_sketch: NDArray[np.float32]
    sketches: NDArray[np.float32]

    @property
    def carries_list(self) -> bool:
        """Whether rows may be called suspects by their scores."""
        return self.doubt is None and self.noise.share.verdict == "measured"


def audit_folds(
    task: AuditTask, config: AuditConfig, progress: Progress, checkpoints: Checkpoints | None = None
) -> Findings:
    """Fine-tune, record, sweep back and collect, fold by fold, and judge the labels by all of it.

    Args:
        task: What is to be audited.
        config: The settings, with none of the training's left open.
        progress: Told of each stage.
        checkpoints: Where the run is saved from time to time, and resumed from.

    Raises:
        InputError: A setting does not fit the data or the machine, or the training diverged.
        RunError: Nothing more can be written.
    """
    progress = Forecast(progress)
    collected = collect(task, config, progress, checkpoints)
    weigh_trees(collected, task.scored)
    if task.table is not None and collected.by_trees is None and not collected.foretold:
        progress.note("boosted trees predict these labels worse than the network does, and are left out")
    if task.may_be_refitted and collected.by_trees is None:
        posterior = label_probabilities(task, collected, progress)[1]
        wrong = 1 - of_given(posterior, collected.labels[: task.rows])
        if np.nanmax(wrong) > MORE_PROBABLY_WRONG:
            collected.refitted = without_suspects(task, wrong, config, progress, checkpoints)
    return judge(task, collected, progress)


def judge(task: AuditTask, collected: Collected, progress: Progress) -> Findings:
    """Estimate how labels go wrong, and how probable it is that each one is.

    `evidence_of` says from what.
    """
    noise, posterior = label_probabilities(task, collected, progress)
    labels = collected.labels
    not_called_wrong(posterior, labels, rows_of_failed_folds(task, collected, progress))
    signals = Signals(
        influence=collected.influence,
        posterior=posterior,
        out_of_fold=collected.out_of_fold,
        loss=collected.loss,
        margin=collected.margin,
    )
    accuracy = held_out_accuracy(Predictions.together(collected.queries))
    advice = task.advice(accuracy.overall, accuracy.most_frequent)
    if advice is not None:
        noise = replace(noise, share=not_told(noise.share))
    return Findings(
        signals=signals,
        noise=noise,
        doubt=doubt_of(collected, noise, progress),
        accuracy=accuracy,
        advice=advice,
        temperatures=tuple(collected.temperatures),
        parameters=collected.parameters,
        tracked=collected.tracked,
        networks=collected.networks,
        by_epoch=collected.by_epoch,
        query_sketch=collected.query_sketch,
        sketches=collected.sketches,
    )


def label_probabilities(task: AuditTask, collected: Collected, progress: Progress) -> tuple[Noise, Floats]:
    """How labels go wrong, and P(true label) of each row, NaN where no fold trained on it, shape (N, C)."""
    scored, labels = task.scored, collected.labels
    chosen = slice(None) if len(scored) == task.rows else scored  # a slice takes no memory
    given, rows = labels[scored], len(scored)
    evidence = evidence_of(collected, chosen)
    reference, *others = evidence.values()
    with progress.stage(JUDGING.capitalize(), rows * (times_read(collected, evidence) + 1)) as advance:
        collected.readings.advance = lambda amount: advance(amount * rows)
        noise = noise_of(collected, chosen, given, evidence)
        found = label_posterior(reference, others, given, noise, advance)
    if task.new_rows is not None and collected.held_out is not None:
        # Newcomers had fewer epochs to fit their labels, right or wrong: their training logits do not compare.
        del evidence["training"]
        reference, *others = evidence.values()
        without_training = label_posterior(reference, others, given, noise)
        places = np.searchsorted(scored, task.new_rows)
        found[places] = without_training[places]
    if task.copies is not None:
        noise = judge_together(found, given, task.copies.of_one_thing[scored], noise)
    if rows == task.rows:
        return noise, found
    posterior = cells(task.rows, task.classes, np.nan)
    posterior[scored] = found
    return noise, posterior
