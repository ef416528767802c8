"""When what the networks say is not to be relied on."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

from labelaudit.audit.collect import Collected
from labelaudit.audit.task import AuditTask
from labelaudit.data.images import ImageSummary
from labelaudit.detection.accuracy import Predictions, held_out_accuracy, is_good
from labelaudit.detection.noise import Noise
from labelaudit.detection.posterior import with_wrong
from labelaudit.detection.ranking import MORE_PROBABLY_WRONG
from labelaudit.models.choice import are_photographs
from labelaudit.models.registry import NEEDS_PRETRAINED
from labelaudit.models.spec import TrainingDefaults
from labelaudit.progress import Progress
from labelaudit.types import Floats, Labels, Rows

MEMORISED_RATIO = 0.1  # ratio of training to query loss below which wrong labels count as memorised
DEVIATIONS = 3  # standard errors above 0 for a network's gain over guessing to be real
DEVIATIONS_OF_FOLD, CHANCE_OF_FOLD = 2, 0.02  # the same of one fold among several, and of its accuracy by chance
MADE_BY_RULES = (
    "boosted trees foretell nearly every label from the columns, as they do where a rule made them: none may be wrong, "
    "or all that the rule gets wrong"
)
MAX_NOISE_RATE = 0.6  # share of wrong labels above which labels carry almost no information


def doubt_of(collected: Collected, noise: Noise, progress: Progress) -> str | None:
    """Why the scores are not to be relied on, None where they are; told as a note, as is memorised training data."""
    queries = Predictions.together(collected.queries)
    doubt = why_unreliable(queries, noise)
    if doubt is None and collected.foretold:
        doubt = MADE_BY_RULES
    if doubt is not None and (trees := collected.by_trees) is not None:
        grown = np.isfinite(trees[:, 0])
        by_trees = doubt_of_trees(Predictions.of(trees[grown], collected.labels[: len(trees)][grown]), noise)
        if by_trees is None:
            progress.note(f"{doubt}. Boosted trees predict them; the scores are theirs, and influence says little")
        doubt = by_trees
    training_loss = np.nanmean(collected.loss)
    query_loss = -queries.log_p.mean()
    if doubt is not None:
        progress.note(f"{doubt}. The ranking is not reliable, and no row is called a suspect")
    elif training_loss < MEMORISED_RATIO * query_loss:
        progress.note(
            f"the network knows its training labels by heart (mean loss {training_loss:.2g} nats, "
            f"{query_loss:.2g} on the query): wrong labels may be missed; try fewer `epochs`"
        )
    return doubt


def doubt_of_trees(predictions: Predictions, noise: Noise) -> str | None:
    """Say why trees alone, where the network learnt nothing, do not tell either, if they do not.

    What one kind of model is sure of, and wrong about, looks like a wrong label unless another kind sees it, too.

    Args:
        predictions: Of rows they were not fitted on.
        noise: How labels go wrong.
    """
    doubt = why_unreliable(predictions, noise)
    found = held_out_accuracy(predictions)
    if doubt is not None or found.is_good:
        return doubt
    return (
        f"the network learnt nothing, and boosted trees predict {found.overall:.0%} of the labels they were not fitted "
        f"on, too few to tell wrong ones from hard rows by themselves (always naming the most frequent class: "
        f"{found.most_frequent:.0%}); try more `epochs`, another `learning_rate` or `model`"
    )


def why_unreliable(predictions: Predictions, noise: Noise) -> str | None:
    """Say why the scores mean nothing, if they do: the network does not predict labels, or too many are wrong.

    Args:
        predictions: Of rows it was not trained on.
        noise: How the audited ones go wrong.
    """
    frequency, in_nats = _over_frequencies(predictions)
    most_frequent = int(frequency.argmax())
    right = predictions.right
    in_accuracy = right.astype(float) - (predictions.labels == most_frequent)
    if not any(_is_gain(gain, DEVIATIONS) for gain in (in_accuracy, in_nats)):
        return (
            f"the network learnt nothing: it predicts {right.mean():.0%} of the labels it was not trained on, always "
            f"naming the most frequent class {frequency[most_frequent]:.0%}; try more `epochs`, another "
            "`learning_rate` or `model`"
        )
    if noise.rate > MAX_NOISE_RATE:
        return f"an estimated {noise.rate:.0%} of the labels are wrong, too many to tell which"
    return None


def advice_on_weak(
    images: ImageSummary | None, defaults: TrainingDefaults, accuracy: float, most_frequent: float
) -> str | None:
    """What to do about a network that predicts few of the labels it was not trained on; None if it does well enough.

    Only of photographs is it known what would help.

    Args:
        images: What the network takes; None if the rows are no images to it.
        defaults: The training that suits the network.
        accuracy: Share of the labels that it predicts.
        most_frequent: The share that always naming the most frequent class would reach.
    """
    if images is None or not are_photographs(images) or not defaults.from_nothing:
        return None
    if is_good(accuracy, most_frequent):
        return None
    return f"this network is weak, and takes hard rows for wrong ones: {NEEDS_PRETRAINED}"


def rows_of_failed_folds(task: AuditTask, collected: Collected, progress: Progress) -> Rows:
    """The rows that were asked of a fold whose network learnt nothing, where most of the others did; said in a note.

    What such a network contradicts is no sign of a wrong label. Where boosted trees judge the rows as well, none are.
    """
    nothing: Rows = np.zeros(0, dtype=np.int64)
    if len(task.folds) == 1 or collected.by_trees is not None:
        return nothing
    found = zip(task.folds, collected.queries, strict=True)
    failed = [fold.query for fold, predictions in found if not beats_guessing(predictions)]
    if not failed or 2 * len(failed) > len(task.folds):  # of most of them, the doubt is of the whole audit
        return nothing
    rows = np.concatenate(failed)
    progress.note(
        f"{len(failed)} of the {len(task.folds)} networks learnt nothing: none of the {len(rows):,} rows that only "
        "such a one was asked about is called a suspect by its score"
    )
    return rows


def beats_guessing(predictions: Predictions) -> bool:
    """Whether one fold's network predicts labels better than the class frequencies, in accuracy or in nats."""
    frequency, in_nats = _over_frequencies(predictions)
    right = int(predictions.right.sum())
    chance = binomtest(right, len(predictions.labels), frequency.max(), alternative="greater").pvalue
    return bool(chance < CHANCE_OF_FOLD) or _is_gain(in_nats, DEVIATIONS_OF_FOLD)


def _over_frequencies(predictions: Predictions) -> tuple[Floats, Floats]:
    """The class frequencies, shape (C,), and by how many nats each label is predicted better than by them, (M,)."""
    labels = predictions.labels
    frequency = np.bincount(labels, minlength=predictions.classes) / len(labels)
    return frequency, predictions.log_p - np.log(frequency[labels])


def _is_gain(gain: Floats, deviations: float) -> bool:
    """Whether the mean is so many standard errors above 0."""
    return bool(gain.mean() > deviations * gain.std() / np.sqrt(len(gain)))


def not_called_wrong(posterior: Floats, labels: Labels, rows: Rows) -> None:
    """Let none of these rows be more probably wrong than right, in place.

    Args:
        posterior: P(true label c), shape (N, C).
        labels: Given class indices, shape (N,).
        rows: Which rows.
    """
    over = rows[1 - posterior[rows, labels[rows]] > MORE_PROBABLY_WRONG]
    posterior[over] = with_wrong(posterior[over], labels[over], np.full(len(over), MORE_PROBABLY_WRONG))
