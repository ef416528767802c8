"""How long to train a small network: until its predictions of held-out rows stop getting better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil

import numpy as np
from torch import Tensor
from torch.nn.functional import cross_entropy

from labelaudit.data.batches import Batches
from labelaudit.models.flat import FlatModel
from labelaudit.progress import Advance, ignore
from labelaudit.training.fine_tune import Plan, take_step
from labelaudit.training.predict import inference_batch_size, number_of_classes, predict
from labelaudit.training.thinning import thinned

FEWEST_EPOCHS, FEWEST_STEPS = 3, 60  # from which on predictions are looked at
MOST_STEPS = 1500  # of each run
SPACING = 1.3  # each number of epochs looked at is so many times the last one
PATIENCE = 4  # looks without a smaller loss that end the search
LITTLE_LOSS = 0.01  # nats, with which it ends as well: there is nothing left to learn
TEMPERATURES = (1.0, 1.3, 1.7, 2.2, 3.0, 4.0, 5.0, 7.0, 10.0)  # of which the best one counts: only the order matters


@dataclass(frozen=True)
class Pilot:
    """A run to judge by.

    Attributes:
        model: The network at θ_0; trained in place.
        rows: Training rows, int64, shape (N,).
        held_out: Rows to judge by, int64, shape (M,).
        seed: Decides the data order.
    """

    model: FlatModel
    rows: Tensor
    held_out: Tensor
    seed: int


def epochs_to_convergence(pilots: Sequence[Pilot], batches: Batches, plan: Plan, advance: Advance = ignore) -> int:
    """The number of epochs with the least cross-entropy on held-out rows, on the average of some runs.

    Logits are divided by the temperature that suits the held-out rows: a network that is only too sure of itself has
    not got worse. Numbers of epochs are looked at in steps of `SPACING`, from `FEWEST_STEPS` steps to `MOST_STEPS`.

    Args:
        pilots: The runs.
        batches: Where inputs and labels are.
        plan: The fine-tune, whose epochs are the answer where these have too many steps to search.
        advance: Told of each step.
    """
    per_epoch = max(plan.steps_per_epoch(len(pilot.rows)) for pilot in pilots)
    longest, look = MOST_STEPS // per_epoch, max(FEWEST_EPOCHS, ceil(FEWEST_STEPS / per_epoch))
    if look >= longest:
        return plan.epochs
    search = replace(plan, epochs=longest, schedule="constant")
    runs = [(pilot, search.steps(pilot.rows, pilot.seed), _moments(pilot.model, plan)) for pilot in pilots]
    best_epochs, best_loss, since, before = look, float("inf"), 0, 0
    while look <= longest and since < PATIENCE and best_loss > LITTLE_LOSS:
        for pilot, steps, moments in runs:
            for step in islice(steps, (look - before) * plan.steps_per_epoch(len(pilot.rows))):
                take_step(pilot.model, batches, search, step, moments)
                advance(1)
        loss = float(np.mean([_held_out_loss(pilot, batches, plan) for pilot in pilots]))
        since += 1
        if loss < best_loss:
            best_epochs, best_loss, since = look, loss, 0
        before, look = look, ceil(look * SPACING)
    return best_epochs


def _moments(model: FlatModel, plan: Plan) -> Tensor:
    return model.theta.new_zeros(plan.optimizer.moments, len(model.theta))


def _held_out_loss(pilot: Pilot, batches: Batches, plan: Plan) -> float:
    """Mean cross-entropy at the best temperature."""
    at_once = inference_batch_size(batches, plan.batch_size, number_of_classes(pilot.model, batches, pilot.held_out))
    logits = predict(pilot.model, batches, pilot.held_out, at_once)
    some = thinned(*logits.shape)
    logits, labels = logits[some].double(), batches.labels[pilot.held_out[some]]
    return min(cross_entropy(logits / temperature, labels).item() for temperature in TEMPERATURES)
