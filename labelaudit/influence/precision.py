"""Whether influence in bfloat16 ranks rows as influence in float32 does."""

from __future__ import annotations

from dataclasses import replace

import torch
from scipy.stats import pearsonr
from torch import Tensor

from labelaudit.influence.derivatives import forward_over_reverse
from labelaudit.influence.query_loss import QueryLoss
from labelaudit.training.fine_tune import Run

MIN_AGREEMENT = 0.99
BATCHES = 4


def agreement_with_float32(run: Run, query: QueryLoss) -> float:
    """Compare rows' loss changes <∇ℓ_j, q>, in mixed precision and in float32, on a few mini-batches.

    Args:
        run: A run with mixed precision, its model at θ_T.
        query: q is the gradient on one mini-batch of its rows.

    Returns:
        Pearson correlation; 0 where it is undefined.
    """
    model, size = run.model, run.plan.batch_size
    direction = replace(query, rows=query.rows[:size], fixed_temperature=query.temperature).gradient(model)

    def changes(rows: Tensor) -> Tensor:
        inputs, labels = run.batches.batch(rows, shard=model.process_group.shard(len(rows)))
        batch = forward_over_reverse(model, inputs, labels, direction, hessian=False, rows=len(rows))
        return batch.loss_changes()[0].gather(1, run.batches.labels[rows][:, None])

    batches = run.rows[: BATCHES * size].split(size)
    mixed = torch.cat([changes(rows) for rows in batches]).flatten()
    with model.full_precision():
        exact = torch.cat([changes(rows) for rows in batches]).flatten()
    if any((values == values[0]).all() for values in (mixed, exact)):
        return 0.0  # nothing is left to rank by
    return float(pearsonr(mixed, exact).statistic)  # unlike ranks, it is not moved by rows that are all but level
