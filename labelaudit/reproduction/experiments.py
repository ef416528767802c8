"""What is done in a cell of the paper's Tables I to V, for one setting and one seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from labelaudit.data.batches import Features
from labelaudit.data.flips import flip_rows
from labelaudit.data.splits import cross_audit
from labelaudit.influence.agreement import agreement
from labelaudit.influence.dynamics import classify_patterns, training_stages
from labelaudit.influence.estimate import dynamic_influence, dynamic_influences
from labelaudit.influence.influence_function import Solver, influence_function
from labelaudit.influence.leave_one_out import leave_one_out
from labelaudit.influence.query_loss import QueryLoss
from labelaudit.influence.scoring import Scoring
from labelaudit.models.paper import Logistic, cnn
from labelaudit.reproduction.recipe import Cell, Experiment, Setting
from labelaudit.reproduction.tasks import Task
from labelaudit.training.fine_tune import Plan, Run
from labelaudit.training.optimizers import SGD
from labelaudit.training.predict import predict
from labelaudit.training.track import track
from labelaudit.training.window import Window
from labelaudit.types import Floats

Figures = dict[str, float]
QUERY_BATCH = 256


@dataclass(frozen=True)
class Outcome:
    """What one seed gives.

    Attributes:
        figures: The table's figures, by name.
        influence: Each sample's influence in each epoch, shape (N, epochs), where the table is about it.
    """

    figures: Figures
    influence: Floats | None = None


def two_class_network(model: str, inputs: Tensor) -> nn.Module:
    """The paper's network of that name for rows like `inputs` (N, …), with one output (Appendix F-A)."""
    features = inputs[0].numel()
    if model == "cnn":
        return Logistic(cnn(1, channels=inputs.shape[1], image_size=inputs.shape[2]))
    hidden = [] if model == "lr" else [nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU()]
    return Logistic(nn.Sequential(nn.Flatten(), *hidden, nn.Linear(8 if hidden else features, 1)))


def plan_of(setting: Setting) -> Plan:
    """How a setting trains."""
    optimizer = SGD(setting.momentum, setting.weight_decay)
    return Plan(optimizer, setting.epochs, setting.batch_size, setting.learning_rate, setting.schedule)


@dataclass(frozen=True)
class Trial:
    """One seed of one setting in one cell: the data, and how to train on it.

    Attributes:
        cell: Which network and dataset.
        setting: How.
        task: The rows.
        labels: 0 or 1 for all rows, some training labels flipped; int64.
        flipped: Which training rows those are, shape (N,).
        seed: Decides rows, flips, the network's start and the data order.
    """

    cell: Cell
    setting: Setting
    task: Task
    labels: Tensor
    flipped: NDArray[np.bool_]
    seed: int

    def train(self, rows: Tensor | None = None) -> Run:
        """Train on the task's training rows, or on some of them, and record everything."""
        rows = self.task.train if rows is None else rows
        dtype = torch.float32 if self.cell.model == "cnn" else torch.float64
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = two_class_network(self.cell.model, self.task.inputs).to(dtype)
        return track(network, Features(self.task.inputs.to(dtype), self.labels), rows, plan_of(self.setting), self.seed)

    def windows(self, run: Run, name: str) -> list[Window]:
        """Windows by name, in this setting's way of leaving out and measuring."""
        return run.windows(name, self.setting.removal, self.setting.query_at)

    def query(self, run: Run) -> QueryLoss:
        """The test rows' loss."""
        return QueryLoss(self.setting.query, run.batches, self.task.test, QUERY_BATCH)

    @property
    def scoring(self) -> Scoring:
        """How DIT's contributions are summed."""
        return Scoring(self.setting.estimator, self.setting.scoring_steps)

    @property
    def solver(self) -> Solver:
        """How the influence function's system is solved."""
        return Solver(self.setting.solver, self.setting.damping, self.setting.solver_iterations)


def make_trial(cell: Cell, setting: Setting, task: Task, seed: int) -> Trial:
    """Flip as many labels as the cell says."""
    labels = task.labels.clone()
    flipped = np.zeros(len(task.train), dtype=bool)
    if cell.flips:
        noisy = flip_rows(labels[task.train].numpy(), 2, cell.flips, "symmetric", seed)
        flipped = noisy != labels[task.train].numpy()
        labels[task.train] = torch.from_numpy(noisy)
    return Trial(cell, setting, task, labels, flipped, seed)


def influence_by_epoch(trial: Trial, run: Run) -> Floats:
    """Leave-one-out influence inside each epoch, retrained from its start (Section V-B); shape (N, epochs)."""
    query = trial.query(run)
    columns = [leave_one_out(run, window, query).values[0].numpy() for window in run.windows("each")]
    return np.stack(columns, axis=1)


def patterns(trial: Trial) -> Outcome:
    """Table I: the share of the samples, in per cent, whose influence has each pattern; by both readings of a trend."""
    influence = influence_by_epoch(trial, run := trial.train())
    by_value = classify_patterns(influence)
    by_magnitude = classify_patterns(influence, trend_of="magnitude")
    figures = dict(zip(by_value.names, by_value.share.tolist(), strict=True))
    figures |= {f"{n} (magnitude)": s for n, s in zip(by_magnitude.names, by_magnitude.share.tolist(), strict=True)}
    return Outcome(figures | _learnt(trial, run), influence)


def agreement_with_retraining(trial: Trial) -> Outcome:
    """Table II: full-window DIT and influence functions against leave-one-out."""
    run = trial.train()
    truth, estimates = _full_influences(trial, run)
    figures: Figures = {}
    for method, values in estimates.items():
        figures |= _agreement_figures(method, values, truth)
    return Outcome(figures | _learnt(trial, run))


def agreement_by_pattern(trial: Trial) -> Outcome:
    """Table III: the same, among the samples of each pattern."""
    run = trial.train()
    found = classify_patterns(influence_by_epoch(trial, run))
    truth, estimates = _full_influences(trial, run)
    figures: Figures = {}
    for number, name in enumerate(found.names):
        chosen = found.index == number
        if chosen.sum() >= 3:
            for method, values in estimates.items():
                figures |= _agreement_figures(f"{name}: {method}", values[chosen], truth[chosen])
    return Outcome(figures)


def similarity_of_stages(trial: Trial) -> Outcome:
    """Table IV: Kendall's τ between DIT in the early, middle and late stage of training, and in the whole."""
    run = trial.train()
    stages = training_stages(run.epoch_losses.numpy())
    per_epoch = run.plan.steps_per_epoch(len(run.rows))
    middle, late = (boundary * per_epoch for boundary in stages.boundaries)
    ends = {"early": (0, middle), "middle": (middle, late), "late": (late, run.total_steps)}
    ends["full"] = (0, run.total_steps)
    windows = [Window(name, *steps, trial.setting.removal, trial.setting.query_at) for name, steps in ends.items()]
    swept = dynamic_influences(run, windows, trial.query(run), scoring=trial.scoring)
    by_stage = {influence.window.name: influence.values[0].numpy() for influence in swept}
    pairs = ("early-middle", "early-late", "middle-late", "early-full", "middle-full", "late-full")
    figures = {pair: float(kendalltau(*(by_stage[name] for name in pair.split("-"))).statistic) for pair in pairs}
    figures |= {"middle stage begins": stages.boundaries[0] + 1, "late stage begins": stages.boundaries[1] + 1}
    return Outcome(figures | {"stages by change points": float(stages.adaptive)})


def found_flips(trial: Trial) -> Outcome:
    """Table V: how many of k flipped labels are among the k most suspect, by each way to rank."""
    run = trial.train()
    query = trial.query(run)
    windows = [trial.windows(run, name)[0] for name in ("first", "middle", "last", "full")]
    swept = dynamic_influences(run, windows, query, scoring=trial.scoring)
    names = ("first-epoch DIT", "middle-epoch DIT", "last-epoch DIT", "full DIT")
    suspicion = {name: -influence.values[0] for name, influence in zip(names, swept, strict=True)}
    suspicion["IF"] = -influence_function(run, windows[-1], query, solver=trial.solver).values[0]
    if trial.cell.leave_one_out:
        whole = run.windows("full")[0]  # the effect itself, not its linear part
        suspicion["LOO"] = -leave_one_out(run, whole, query).values[0]
    suspicion["final loss"] = _losses(run, run.rows)
    suspicion["mean margin (AUM)"] = -run.margins
    suspicion["out-of-fold loss"] = _out_of_fold_losses(trial)
    count = int(trial.flipped.sum())
    figures = {
        name: float(trial.flipped[np.argsort(-values.double().numpy(), kind="stable")[:count]].sum())
        for name, values in suspicion.items()
    }
    return Outcome(figures | _learnt(trial, run))


EXPERIMENTS: dict[Experiment, Callable[[Trial], Outcome]] = {
    "patterns": patterns,
    "agreement": agreement_with_retraining,
    "agreement-by-pattern": agreement_by_pattern,
    "stages": similarity_of_stages,
    "flips": found_flips,
}


def _full_influences(trial: Trial, run: Run) -> tuple[Floats, dict[str, Floats]]:
    """Leave-one-out over the whole run, and the estimates of it."""
    window, query = run.windows("full")[0], trial.query(run)  # the effect itself, not its linear part
    truth = leave_one_out(run, window, query).values[0].numpy()
    return truth, {
        "DIT": dynamic_influence(run, window, query).values[0].numpy(),
        "IF": influence_function(run, window, query, solver=trial.solver).values[0].numpy(),
    }


def _agreement_figures(method: str, values: Floats, truth: Floats) -> Figures:
    found = agreement(values, truth)
    return {f"{method} {name}": getattr(found, name) for name in ("pearson", "spearman", "kendall", "jaccard")}


def _losses(run: Run, rows: Tensor) -> Tensor:
    run.model.theta.copy_(run.final)
    logits = predict(run.model, run.batches, rows, QUERY_BATCH)
    return cross_entropy(logits.double(), run.batches.labels[rows], reduction="none")


def _out_of_fold_losses(trial: Trial) -> Tensor:
    """The loss of each training row by a network trained, in the same way, on the other half (N,)."""
    rows = trial.task.train
    losses = torch.empty(len(rows), dtype=torch.float64)
    for fold in cross_audit(np.arange(len(rows)), trial.labels[rows].numpy(), trial.seed):
        run = trial.train(rows[torch.from_numpy(fold.train)])
        losses[torch.from_numpy(fold.query)] = _losses(run, rows[torch.from_numpy(fold.query)])
    return losses


def _learnt(trial: Trial, run: Run) -> Figures:
    """How far the training got."""
    run.model.theta.copy_(run.final)
    logits = predict(run.model, run.batches, trial.task.test, QUERY_BATCH)
    right = logits.argmax(1) == trial.task.labels[trial.task.test]
    return {"test accuracy": right.double().mean().item(), "final training loss": run.epoch_losses[-1].item()}
