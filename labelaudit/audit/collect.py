"""Run the folds of an audit one after the other, and collect what each found of its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelaudit.audit.cross_fit import SECOND_VIEW, cross_fit
from labelaudit.audit.fold import FoldResult, FoldTask, audit_fold
from labelaudit.audit.forecast import Forecast
from labelaudit.audit.setup import training_plan
from labelaudit.audit.task import AuditTask
from labelaudit.config import AuditConfig
from labelaudit.data.splits import Fold
from labelaudit.detection.accuracy import Predictions
from labelaudit.detection.posterior import relabel_evidence
from labelaudit.detection.readings import Readings
from labelaudit.detection.scale import scales_of
from labelaudit.models.flat import FlatModel
from labelaudit.models.sharded_checkpoints import checkpoints_of
from labelaudit.progress import Progress
from labelaudit.runtime.checkpoints import Checkpoints
from labelaudit.runtime.distributed import process_group
from labelaudit.runtime.large_arrays import blocks, cells, of_given, put_log_softmax
from labelaudit.runtime.machine import reproducible
from labelaudit.training.trees import PARTS, Trees
from labelaudit.types import Floats, Labels, Rows


@dataclass(frozen=True)
class Networks:
    """The fine-tuned networks of an audit, one for each fold.

    Attributes:
        fold_of: Index of the fold that a row belongs to, −1 if none trained on it, shape (N,). Of several folds, a row
            belongs to the one after the fold that held it out: with two, to the fold that trained on it.
        thetas: Their parameters, each of shape (P,).
    """

    fold_of: NDArray[np.int64]
    thetas: tuple[Tensor, ...]


class Collected:
    """What the folds found, row by row; NaN where no fold says anything.

    What a fold finds of its training rows is averaged over the folds that trained on the row.

    Attributes:
        labels: Given class indices of all rows, −1 without one.
        influence: DIT of each row under its given label, shape (N,).
        from_influence: DIT under each label as evidence, comparable between folds, shape (N, C).
        from_training: Log-probabilities by the mean logits of the training, shape (N, C).
        held_out: Log-probabilities by the mean logits of networks that did not train on the row, shape (N, C); None
            with one fold. With several, the networks' logits are first brought to one scale (`scales_of`).
        out_of_fold: Calibrated final probabilities of such networks, shape (N, C); None with one fold.
        by_second_view: Log-probabilities of networks on the second encoding that did not train on the row, shape
            (N, C); None without one.
        refitted: Log-probabilities of networks that trained neither on the row nor on probably wrong ones, shape
            (N, C); None without them.
        by_trees: Log-probabilities of trees that were not fitted on the row, shape (N, C); None without trees.
        trees_lead: Nats a label by which trees predict better than networks, once it is known (`weigh_trees`).
        foretold: Whether trees predict nearly all labels, as those of a rule, and networks do not (`weigh_trees`).
        loss: Final training loss in nats, shape (N,).
        margin: Mean margin over the epochs (AUM), shape (N,).
        by_epoch: Influence over the epochs, shape (N, E); (N, 0) unless asked for.
        sketches: Projected features of the rows, by the network of the fold they belong to, shape (N, at most 64).
        query_sketch: Projected features of some query rows; none with several folds.
        fold_of: Index of the fold that a row belongs to (`Networks`), −1 if none trained on it, shape (N,).
        networks_of: How many networks trained on a row, shape (N,).
        thetas: Parameters of each fold's network.
        temperatures: The query's temperature in each fold.
        queries: Calibrated predictions of each fold's query rows.
        readings: What was found in evidence that has not seen the labels.
        parameters: P, the number of trained parameters.
        tracked: P_t, those that influence goes through.
    """

    def __init__(self, rows: int, classes: int, labels: Labels, *, several_folds: bool) -> None:
        self.labels = labels
        self.influence = np.full(rows, np.nan)
        self.from_influence, self.from_training = (cells(rows, classes, np.nan) for _ in range(2))
        self.held_out: Floats | None = cells(rows, classes, np.nan) if several_folds else None
        self.out_of_fold: Floats | None = cells(rows, classes, np.nan) if several_folds else None
        self.by_second_view: Floats | None = None
        self.refitted: Floats | None = None
        self.by_trees: Floats | None = None
        self.trees_lead = 0.0
        self.foretold = False
        self.loss, self.margin = np.full(rows, np.nan), np.full(rows, np.nan)
        self.by_epoch = np.full((rows, 0), np.nan)
        self.sketches, self.query_sketch = np.zeros((rows, 0), np.float32), np.zeros((0, 0), np.float32)
        self.fold_of, self.networks_of = np.full(rows, -1), np.zeros(rows, np.int64)
        self.thetas: list[Tensor] = []
        self.temperatures: list[float] = []
        self.queries: list[Predictions] = []
        self.readings = Readings()
        self._mean_logits: list[tuple[Fold, Floats, Floats]] = []  # of training and query rows
        self.parameters = self.tracked = 0

    def add(self, number: int, fold: Fold, own: Rows, found: FoldResult, model: FlatModel) -> None:
        """Add what a fold found of its training and query rows; `own` are those that belong to it."""
        train, query = fold.train, fold.query
        if number == 0:
            rows = len(self.loss)
            self.sketches = np.zeros((rows, found.sketch.shape[1]), np.float32)
            self.by_epoch = np.full((rows, found.by_epoch.shape[1]), np.nan)
        influence = found.influence.numpy()
        for mean, values in (
            (self.influence, of_given(influence, self.labels[train])),  # before it becomes evidence, in place
            (self.from_influence, relabel_evidence(influence)),
            (self.loss, found.loss.numpy()),
            (self.margin, found.margins.numpy()),
            (self.by_epoch, found.by_epoch.numpy()),
        ):
            self._add_to_mean(mean, train, values, self.networks_of)
        self.networks_of[train] += 1
        self._mean_logits.append((fold, found.mean_logits.numpy(), found.query_mean_logits.numpy()))
        log_p = found.query_log_probabilities.numpy()
        if self.out_of_fold is not None:
            for block in blocks(*log_p.shape):
                self.out_of_fold[query[block]] = np.exp(log_p[block])
        self.fold_of[own] = number
        belongs = self.fold_of[train] == number
        self.sketches[train[belongs]] = found.sketch.numpy()[belongs]
        self.query_sketch = found.query_sketch.numpy()
        self.thetas.append(model.gather_on_leader(found.theta))
        self.temperatures.append(found.temperature.item())
        self.queries.append(Predictions.of(log_p, self.labels[query]))
        self.parameters, self.tracked = model.parameters, model.tracked_parameters

    def finish(self) -> None:
        """Bring the networks' mean logits to one scale, once all are there, and make evidence of them."""
        scales = [1.0] * len(self._mean_logits)
        if self.held_out is not None:
            queries = [(logits, self.labels[fold.query]) for fold, _, logits in self._mean_logits]
            scales = scales_of(*zip(*queries, strict=True))
        networks_of = np.zeros_like(self.networks_of)
        for scale, (fold, of_training, of_query) in zip(scales, self._mean_logits, strict=True):
            put_log_softmax(of_training, scale, of_training)
            self._add_to_mean(self.from_training, fold.train, of_training, networks_of)
            networks_of[fold.train] += 1
            if self.held_out is not None:
                put_log_softmax(of_query, scale, self.held_out, fold.query)
        self._mean_logits.clear()

    def _add_to_mean(self, mean: Floats, rows: Rows, values: Floats, networks_of: NDArray[np.int64]) -> None:
        """Take one more network's values into the mean over those that trained on the rows, by `networks_of`."""
        for block in blocks(len(rows), values.size // max(len(rows), 1)):
            part, new = rows[block], values[block]
            before = networks_of[part].reshape(-1, *[1] * (values.ndim - 1))
            mean[part] = np.where(before == 0, new, mean[part] + (new - mean[part]) / (before + 1))

    @property
    def networks(self) -> Networks:
        """The fine-tuned networks."""
        return Networks(self.fold_of, tuple(self.thetas))


def collect(task: AuditTask, config: AuditConfig, progress: Forecast, checkpoints: Checkpoints | None) -> Collected:
    """Fine-tune, record and sweep back, fold by fold.

    Args:
        task: What is to be audited.
        config: The settings, with none of the training's left open.
        progress: Told of each stage.
        checkpoints: Where the run is saved from time to time, and resumed from.

    Raises:
        InputError: A setting does not fit the data or the machine, or the training diverged.
        RunError: Nothing more can be written.
    """
    folds, labels, size = task.folds, task.view.batches.labels.numpy(), task.size
    collected = Collected(task.rows, task.classes, labels, several_folds=len(folds) > 1)
    if task.table is not None:
        rows = task.scored if task.order is None else task.order[np.isin(task.order, task.scored)]
        collected.by_trees = cells(task.rows, task.classes, np.nan)
        together = None if task.together is None else task.together[rows]
        collected.by_trees[rows] = grow_trees(
            task.table, rows, labels, task.classes, config.seed, progress, checkpoints, together
        )
    for number, fold in enumerate(folds):
        network_seed, order_seed = np.random.SeedSequence([config.seed, number]).generate_state(2).tolist()
        model = task.view.network(number, network_seed)
        plan = training_plan(config.training)
        fold_task = FoldTask(model, task.view.batches, fold, plan, order_seed, number, size)
        part = None if checkpoints is None else checkpoints_of(model, checkpoints.part(f"fold-{number}"))
        with reproducible():
            found = audit_fold(fold_task, config, progress, part)
        own = fold.train if len(folds) == 1 else folds[number - 1].query
        collected.add(number, fold, own, found, model)
        del found, fold_task, model  # free their memory before the next fold
    collected.finish()
    if task.second_view is not None:
        collected.by_second_view = cross_fit(task, task.second_view, SECOND_VIEW, config, progress, checkpoints)
    return collected


def grow_trees(
    table: pd.DataFrame,
    rows: Rows,
    labels: Labels,
    classes: int,
    seed: int,
    progress: Progress,
    checkpoints: Checkpoints | None,
    together: Rows | None = None,
) -> Floats:
    """Out-of-fold log-probabilities of rows by boosted trees, shape (n, C); rank 0 grows them for all."""
    group = process_group()
    part = None if checkpoints is None else checkpoints.part("trees")
    found = None
    if group.is_leader and (saved := None if part is None else part.load("result")) is not None:
        found = saved["log_probabilities"]
    elif group.is_leader:
        with progress.stage("Growing trees", PARTS * len(rows)) as advance:
            found = torch.from_numpy(Trees(table, rows).out_of_fold(labels, rows, classes, seed, advance, together))
        if part is not None:
            part.save("result", {"log_probabilities": found})
    log_p: Floats = group.broadcast(found, torch.empty(len(rows), classes, dtype=torch.float64)).numpy()
    return log_p
