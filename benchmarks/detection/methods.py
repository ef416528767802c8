"""Ways to rank rows by how suspect their label is; each says what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors
from torch.nn.functional import cross_entropy

from benchmarks.detection.tasks import Task
from labelaudit.audit import Findings, audit_folds
from labelaudit.config import AuditConfig, InfluenceConfig
from labelaudit.data.examples import Features
from labelaudit.data.splits import cross_audit
from labelaudit.models.flat import FlatModel
from labelaudit.preparing import training_plan
from labelaudit.progress import Silent, ignore
from labelaudit.runtime import reproducible
from labelaudit.training.fine_tune import Run, fine_tune
from labelaudit.training.predict import predict
from labelaudit.training.recording import plan_recording
from labelaudit.training.window import Window

Floats = NDArray[np.float64]
CPU = torch.device("cpu")
NEIGHBOURS = 10


@dataclass(frozen=True)
class Ranked:
    """Suspicions of all methods, larger where a label is more suspect, and what each took.

    Attributes:
        suspicion: By method, shape (N,).
        seconds: By method.
        findings: Of our audit.
    """

    suspicion: dict[str, Floats]
    seconds: dict[str, float]
    findings: Findings


def rank_all(task: Task, seed: int) -> Ranked:
    """Rank a task's rows by every method, with the same network and the same settings of training."""
    suspicion: dict[str, Floats] = {}
    seconds: dict[str, float] = {}

    def timed(names: tuple[str, ...], rank: Callable[[], tuple[Floats, ...]]) -> None:
        started = time.perf_counter()
        found = rank()
        for name, values in zip(names, found, strict=True):
            suspicion[name], seconds[name] = values, time.perf_counter() - started

    everything = np.arange(len(task.given))
    findings: list[Findings] = []

    def plain() -> tuple[Floats, ...]:
        run = _train(task, everything, seed)
        logits = predict(run.model, run.examples, run.rows, 512).double()
        losses = cross_entropy(logits, run.examples.labels, reduction="none")
        return losses.numpy(), -run.margins.numpy()

    def ours() -> tuple[Floats, ...]:
        findings.append(_audit(task, seed, InfluenceConfig()))
        signals = findings[0].signals
        assert signals.out_of_fold is not None
        score = 1 - signals.posterior[everything, task.given]
        return score, -signals.influence, -np.log(signals.out_of_fold[everything, task.given])

    def paper() -> tuple[Floats, ...]:
        return (-_audit(task, seed, InfluenceConfig(query="loss", estimator="visited")).signals.influence,)

    def cleanlab(folds: int) -> Callable[[], tuple[Floats, ...]]:
        def rank() -> tuple[Floats, ...]:
            return _confident_learning(_out_of_fold(task, seed, folds), task.given)

        return rank

    timed(("final loss", "mean margin (AUM)"), plain)
    timed(("labelaudit score", "labelaudit influence (DIT)", "out-of-fold loss of the same run"), ours)
    timed(("DIT as in the paper",), paper)
    for folds in (2, 5):
        timed((f"self-confidence, {folds} folds", f"cleanlab, {folds} folds"), cleanlab(folds))
    timed((f"{NEIGHBOURS} nearest neighbours",), lambda: (_neighbours(task),))
    return Ranked(suspicion, seconds, findings[0])


def _audit(task: Task, seed: int, influence: InfluenceConfig) -> Findings:
    config = AuditConfig(training=task.training, influence=influence, seed=seed)
    examples = Features(task.inputs, torch.from_numpy(task.given))
    rows, classes = len(task.given), int(task.given.max()) + 1
    folds = cross_audit(np.arange(rows), task.given, seed)

    def network(number: int, network_seed: int) -> FlatModel:
        torch.manual_seed(network_seed)
        return FlatModel(task.network(classes), CPU, torch.float32)

    return audit_folds(examples, folds, network, rows, classes, config, Silent())


def _train(task: Task, rows: NDArray[np.int64], seed: int) -> Run:
    """A plain fine-tune: of the trajectory only the last step is kept."""
    torch.manual_seed(seed)
    model = FlatModel(task.network(int(task.given.max()) + 1), CPU, torch.float32)
    plan = training_plan(task.training)
    total = plan.epochs * plan.steps_per_epoch(len(rows))
    last = Window("last step", total - 1, total)
    recording = plan_recording([last], total, model.theta.nbytes, plan.optimizer, memory=1 << 30)
    examples = Features(task.inputs, torch.from_numpy(task.given))
    with reproducible():
        return fine_tune(model, examples, torch.from_numpy(rows), plan, seed, recording, ignore)


def _out_of_fold(task: Task, seed: int, folds: int) -> Floats:
    probabilities = np.empty((len(task.given), int(task.given.max()) + 1))
    splits = StratifiedKFold(folds, shuffle=True, random_state=seed).split(task.given, task.given)
    for number, (train, held_out) in enumerate(splits):
        run = _train(task, train, seed * folds + number)
        logits = predict(run.model, run.examples, torch.from_numpy(held_out), 512)
        probabilities[held_out] = logits.double().softmax(1).numpy()
    return probabilities


def _confident_learning(probabilities: Floats, given: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Self-confidence, and cleanlab's ranking: its issues first, both parts by its label quality."""
    confidence = get_label_quality_scores(given, probabilities, method="self_confidence")
    issues = find_label_issues(given, probabilities, n_jobs=1)
    quality = get_label_quality_scores(given, probabilities, method="normalized_margin")
    return -confidence, issues.astype(float) * 2 - quality


def _neighbours(task: Task) -> Floats:
    """The share of the nearest other rows, by the cosine of the inputs, with another label."""
    inputs = task.inputs.flatten(1).numpy()
    index = NearestNeighbors(n_neighbors=NEIGHBOURS + 1, metric="cosine").fit(inputs)
    near = index.kneighbors(inputs, return_distance=False)[:, 1:]
    return (task.given[near] != task.given[:, None]).mean(1).astype(np.float64)
