"""A network's answers to many rows."""

from __future__ import annotations

import torch
from torch import Tensor

from labelaudit.data.examples import Examples
from labelaudit.models.flat import FlatModel
from labelaudit.progress import Advance, ignore


def predict(model: FlatModel, examples: Examples, rows: Tensor, batch_size: int, progress: Advance = ignore) -> Tensor:
    """Logits of the rows at the model's θ, shape (len(rows), C), on the CPU."""
    logits = []
    with torch.no_grad():
        for batch in rows.split(batch_size):
            logits.append(model(examples.batch(batch)[0]).cpu())
            progress(len(batch))
    return torch.cat(logits)
