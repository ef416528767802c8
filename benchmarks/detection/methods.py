"""Ways to rank rows by how suspect their label is; each says what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import torch
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors
from torch.nn.functional import cross_entropy

from benchmarks.detection.ours import audit
from benchmarks.detection.peers import self_influence_by_kronfluence, tracin
from benchmarks.detection.tasks import Task
from benchmarks.detection.training import train
from labelaudit.audit.judge import Findings
from labelaudit.config import InfluenceConfig
from labelaudit.data.batches import Features
from labelaudit.progress import ignore
from labelaudit.training.predict import predict
from labelaudit.training.trees import Trees
from labelaudit.types import Floats

Ranked = dict[str, tuple[Floats, float]]
NEIGHBOURS = 10


@dataclass(frozen=True)
class Group:
    """Methods that one computation serves.

    Attributes:
        names: What they are called.
        rank: Gives the suspicions of each, larger where a label is more suspect, shape (N,), by the task and a seed.
        uses_trusted: Whether trusted rows make a difference; None for a method that is nothing without them.
    """

    names: tuple[str, ...]
    rank: Callable[[Task, int], tuple[Floats, ...]]
    uses_trusted: bool | None = False


def rank_all(task: Task, seed: int, chosen: Collection[str]) -> tuple[Ranked, Findings | None]:
    """Rank a task's rows by some groups of methods, with the same network and the same settings of training.

    Returns:
        The suspicions of each method and the seconds of one processor they took; what our audit found, if it is one.
    """
    ranked: Ranked = {}
    findings = None
    for name in chosen:
        started = time.process_time()
        if name == OURS:
            findings = audit(task, seed, InfluenceConfig())
            found = _suspicions(findings, task)
        else:
            found = GROUPS[name].rank(task, seed)
        seconds = time.process_time() - started
        names = GROUPS[name].names[: len(found)]  # nothing out of fold with trusted rows, no trees without a table
        ranked |= {method: (values, seconds) for method, values in zip(names, found, strict=True)}
    return ranked, findings


def _suspicions(findings: Findings, task: Task) -> tuple[Floats, ...]:
    signals, everything = findings.signals, np.arange(len(task.given))
    suspicions = (1 - signals.posterior[everything, task.given], -signals.influence, signals.loss, -signals.margin)
    if signals.out_of_fold is None:
        return suspicions
    return *suspicions, -np.log(signals.out_of_fold[everything, task.given])


def _plain(task: Task, seed: int) -> tuple[Floats, ...]:
    run = train(task, np.arange(len(task.given)), seed)
    logits = predict(run.model, run.batches, run.rows, 512).double()
    losses = cross_entropy(logits, run.batches.labels, reduction="none")
    return losses.numpy(), -run.margins.numpy()


def _two_runs(task: Task, seed: int) -> tuple[Floats, ...]:
    """The mean margin over two runs on all rows, at about the cost of an audit."""
    runs = [train(task, np.arange(len(task.given)), 2 * seed + number) for number in range(2)]
    return (-np.mean([run.margins.numpy() for run in runs], axis=0),)


def _paper(task: Task, seed: int) -> tuple[Floats, ...]:
    return (-audit(task, seed, InfluenceConfig(query="loss", estimator="visited")).signals.influence,)


def _confident_learning(folds: int) -> Callable[[Task, int], tuple[Floats, ...]]:
    """Self-confidence, and cleanlab's ranking: its issues first, both parts by its label quality."""

    def rank(task: Task, seed: int) -> tuple[Floats, ...]:
        probabilities = np.empty((len(task.given), task.classes))
        splits = StratifiedKFold(folds, shuffle=True, random_state=seed).split(task.given, task.given)
        for number, (rows, held_out) in enumerate(splits):
            run = train(task, rows, seed * folds + number)
            logits = predict(run.model, run.batches, torch.from_numpy(held_out), 512)
            probabilities[held_out] = logits.double().softmax(1).numpy()
        confidence = get_label_quality_scores(task.given, probabilities, method="self_confidence")
        issues = find_label_issues(task.given, probabilities, n_jobs=1)
        quality = get_label_quality_scores(task.given, probabilities, method="normalized_margin")
        return -confidence, issues.astype(float) * 2 - quality

    return rank


def _neighbours(task: Task, seed: int) -> tuple[Floats, ...]:
    """The share of the nearest other rows, by the cosine of the inputs, with another label."""
    inputs = task.inputs.flatten(1).numpy()
    index = NearestNeighbors(n_neighbors=NEIGHBOURS + 1, metric="cosine").fit(inputs)
    near = index.kneighbors(inputs, return_distance=False)[:, 1:]
    return ((task.given[near] != task.given[:, None]).mean(1).astype(np.float64),)


def _trees(task: Task, seed: int) -> tuple[Floats, ...]:
    """The loss of the given labels to boosted trees that were not fitted on them; of tables."""
    if task.table is None:
        return ()
    rows = np.arange(len(task.given))
    log_p = Trees(task.table, rows).out_of_fold(task.given, rows, task.classes, seed, ignore)
    return (-log_p[rows, task.given],)


def _trusted_alone(task: Task, seed: int) -> tuple[Floats, ...]:
    """The loss of the given labels to a network that saw trusted rows only, in as many steps as the others take."""
    inputs, labels = task.trusted
    longer = task.training.model_copy(
        update={
            "batch_size": min(task.training.batch_size or len(labels), len(labels)),
            "epochs": -(-(task.training.epochs or 1) * len(task.given) // len(labels)),
        }
    )
    alone = Task(inputs, labels.astype(np.int64), labels, lambda _: task.network(task.classes), longer, task.trusted)
    run = train(alone, np.arange(len(labels)), seed)
    given = torch.from_numpy(task.given)
    logits = predict(run.model, Features(task.inputs, given), torch.arange(len(given)), 512).double()
    return (cross_entropy(logits, given, reduction="none").numpy(),)


OURS = "labelaudit"
GROUPS: dict[str, Group] = {
    "plain": Group(("final loss", "mean margin (AUM)"), _plain),  # a plain fine-tune and nothing else: the unit of cost
    "two runs": Group(("mean margin (AUM), 2 runs",), _two_runs),
    OURS: Group(
        (
            "labelaudit score",
            "labelaudit influence (DIT)",
            "final loss of the same run",
            "mean margin of the same run",
            "out-of-fold loss of the same run",
        ),
        lambda task, seed: _suspicions(audit(task, seed, InfluenceConfig()), task),
        True,
    ),
    "paper": Group(("DIT as in the paper",), _paper, True),
    "2 folds": Group(("self-confidence, 2 folds", "cleanlab, 2 folds"), _confident_learning(2)),
    "5 folds": Group(("self-confidence, 5 folds", "cleanlab, 5 folds"), _confident_learning(5)),
    "trees": Group(("boosted trees, 5 folds",), _trees),
    "neighbours": Group((f"{NEIGHBOURS} nearest neighbours",), _neighbours),
    "tracin": Group(("TracIn (captum)",), lambda task, seed: (tracin(task, seed),), True),
    "kronfluence": Group(
        ("self-influence (kronfluence)",), lambda task, seed: (self_influence_by_kronfluence(task, seed),)
    ),
    "trusted alone": Group(("trained on the trusted rows alone",), _trusted_alone, None),
}
