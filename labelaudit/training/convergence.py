"""How long to train a small network: until its predictions of held-out rows stop getting better."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from torch import Tensor
from torch.nn.functional import cross_entropy

from labelaudit.data.batches import Batches
from labelaudit.models.flat import FlatModel
from labelaudit.progress import Advance, ignore
from labelaudit.training.fine_tune import Plan, take_step
from labelaudit.training.predict import inference_batch_size, predict

ENOUGH_STEPS = 1500  # with as many or more the model's own number of epochs is taken as it is
MOST_STEPS = 6000
SPACING = 1.15  # each number of epochs looked at is so many times the last one
PATIENCE = 1.5  # the search ends at so many times the best number of epochs
LEAST_GAIN = 0.003  # relative fall of the held-out loss that counts as better
NOTHING_LEFT = 0.01  # nats: every held-out row is predicted


def epochs_to_convergence(
    model: FlatModel, batches: Batches, rows: Tensor, held_out: Tensor, plan: Plan, seed: int, advance: Advance = ignore
) -> int:
    """The number of epochs with the least mean cross-entropy on held-out rows, at least the plan's own.

    A fine-tune with a constant learning rate is run until the loss has not fallen for half as long again, is next to
    nothing, or `MOST_STEPS` are taken. Nothing is searched where the plan has `ENOUGH_STEPS` steps.

    Args:
        model: The network at θ_0; trained in place.
        batches: Where inputs and labels are.
        rows: Training rows, int64, shape (N,).
        held_out: Rows to judge by, int64, shape (M,).
        plan: The fine-tune; its epochs are the least that is answered.
        seed: Decides the data order.
        advance: Told of each step.
    """
    per_epoch = plan.steps_per_epoch(len(rows))
    longest = MOST_STEPS // per_epoch
    if plan.epochs * per_epoch >= ENOUGH_STEPS or longest <= plan.epochs:
        return plan.epochs
    moments = model.theta.new_zeros(plan.optimizer.moments, len(model.theta))
    at_once, labels = inference_batch_size(batches, plan.batch_size), batches.labels[held_out]
    search = replace(plan, epochs=longest, schedule="constant")
    best_epochs, best_loss, next_look = plan.epochs, float("inf"), plan.epochs
    for step in search.steps(rows, seed):
        take_step(model, batches, search, step, moments)
        advance(1)
        epochs, left = divmod(step.index + 1, per_epoch)
        if left or epochs < next_look:
            continue
        next_look = max(epochs + 1, ceil(epochs * SPACING))
        loss = cross_entropy(predict(model, batches, held_out, at_once).double(), labels).item()
        if not loss >= best_loss * (1 - LEAST_GAIN):
            best_epochs, best_loss = epochs, loss
        if best_loss < NOTHING_LEFT or epochs > PATIENCE * best_epochs:
            break
    return best_epochs
