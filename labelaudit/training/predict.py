"""A network's logits on many rows."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from labelaudit.data.batches import Batches
from labelaudit.models.flat import FlatModel
from labelaudit.progress import Advance, ignore

PROJECTED = 64  # numbers that stand for what the last layer gets
INPUT_BYTES = 1 << 20  # so much of small rows is put through at once, however few a mini-batch has


def predict(model: FlatModel, batches: Batches, rows: Tensor, batch_size: int, progress: Advance = ignore) -> Tensor:
    """Logits of the rows at the model's θ, shape (len(rows), C), on the CPU."""
    return torch.cat([logits.cpu() for logits in predict_batches(model, batches, rows, batch_size, progress)])


def predict_batches(
    model: FlatModel, batches: Batches, rows: Tensor, batch_size: int, progress: Advance = ignore
) -> Iterator[Tensor]:
    """Logits of the rows at the model's θ, batch by batch, each of shape (B, C)."""
    for batch in rows.split(batch_size * model.process_group.size):
        with torch.no_grad():
            logits = model(batches.batch(batch, shard=model.process_group.shard(len(batch)))[0])
        yield model.process_group.all_gather(logits, len(batch))
        progress(len(batch))


def inference_batch_size(batches: Batches, batch_size: int) -> int:
    """How many rows to put through where nothing is kept for a backward pass: a mini-batch, or more if small."""
    row = batches.batch(torch.zeros(1, dtype=torch.int64))[0]
    return max(batch_size, INPUT_BYTES // max(1, row.nbytes))


class LastLayerInputs:
    """Remembers logits and a short random projection of what the last linear layer gets, of rows that are put through.

    Rows that look alike to the network are near each other in it (Johnson and Lindenstrauss).
    """

    def __init__(self, model: FlatModel) -> None:
        self._model = model
        self._latest: Tensor | None = None
        self._parts: list[Tensor] = []
        self._logits: list[Tensor] = []

    def __enter__(self) -> LastLayerInputs:
        layers = [module for module in self._model.module.modules() if isinstance(module, nn.Linear)]
        self._hooks = [layer.register_forward_pre_hook(self._keep_inputs) for layer in layers]
        return self

    def __exit__(self, *exception: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _keep_inputs(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._latest = inputs[0].detach()

    def collect(self, logits: Tensor) -> None:
        """Keep the rows of the batch that was just predicted."""
        process_group = self._model.process_group
        shard = process_group.shard(len(logits))
        found, self._latest = self._latest, None
        usable = found is not None and len(found) == shard.stop - shard.start
        if found is None or not process_group.min(usable):  # no such layer, or not one answer for each row
            found = logits[shard]
        found = found.flatten(1).float()
        if found.shape[1] > PROJECTED:
            generator = torch.Generator().manual_seed(found.shape[1])
            found = found @ torch.randn(found.shape[1], PROJECTED, generator=generator).to(found.device)
        self._parts.append(process_group.all_gather(found, len(logits)).cpu())
        self._logits.append(logits.cpu())

    @property
    def logits(self) -> Tensor:
        """The logits of all that was collected, shape (rows, C)."""
        return torch.cat(self._logits)

    @property
    def rows(self) -> Tensor:
        """All that was collected, float32, shape (rows, at most `PROJECTED`)."""
        return torch.cat(self._parts)


def extract_features(
    model: FlatModel, batches: Batches, rows: Tensor, batch_size: int, progress: Advance = ignore
) -> LastLayerInputs:
    """The rows as the network has them at the model's θ."""
    with LastLayerInputs(model) as seen:
        for logits in predict_batches(model, batches, rows, batch_size, progress):
            seen.collect(logits)
    return seen
