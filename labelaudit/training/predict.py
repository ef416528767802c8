"""A network's logits on many rows."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from labelaudit.data.batches import Batches
from labelaudit.models.flat import FlatModel
from labelaudit.progress import Advance, ignore
from labelaudit.runtime.large_arrays import cells, touched

PROJECTED = 64  # numbers that stand for what the last layer gets
INPUT_BYTES = 1 << 20  # so much of small rows, or of their logits, is put through at once, however few a mini-batch has


def predict(model: FlatModel, batches: Batches, rows: Tensor, batch_size: int, progress: Advance = ignore) -> Tensor:
    """Logits of the rows at the model's θ, shape (len(rows), C), on the CPU."""
    found = Gathered(len(rows))
    for logits in predict_batches(model, batches, rows, batch_size, progress):
        found.add(logits)
    return found.logits


class Gathered:
    """Logits of rows, or as many other numbers, put together batch by batch.

    Attributes:
        logits: On the CPU, shape (rows, C); (0,) before the first batch.
    """

    def __init__(self, rows: int) -> None:
        self.logits = torch.empty(0)
        self._rows, self._seen = rows, 0

    def add(self, logits: Tensor) -> None:
        """Take the logits of the next rows, shape (B, C)."""
        logits = logits.cpu()
        if self._seen == 0:
            self.logits = torch.from_numpy(cells(self._rows, logits.shape[1], dtype=logits.numpy().dtype))
        self.logits[self._seen : self._seen + len(logits)] = logits
        self._seen += len(logits)
        touched(logits.nbytes)


def predict_batches(
    model: FlatModel, batches: Batches, rows: Tensor, batch_size: int, progress: Advance = ignore
) -> Iterator[Tensor]:
    """Logits of the rows at the model's θ, batch by batch, each of shape (B, C)."""
    for batch in rows.split(batch_size * model.process_group.size):
        with torch.no_grad():
            logits = model(batches.batch(batch, shard=model.process_group.shard(len(batch)))[0])
        yield model.process_group.all_gather(logits, len(batch))
        progress(len(batch))


def inference_batch_size(batches: Batches, batch_size: int, classes: int) -> int:
    """How many rows to put through where nothing is kept for a backward pass: a mini-batch, or more if small."""
    row = batches.batch(torch.zeros(1, dtype=torch.int64))[0]
    return max(batch_size, INPUT_BYTES // max(1, row.nbytes, classes * row.itemsize))


def number_of_classes(model: FlatModel, batches: Batches, rows: Tensor) -> int:
    """How many logits the network has, C, by the first of some rows."""
    with torch.no_grad():
        return model(batches.batch(rows[:1])[0]).shape[1]


class LastLayerInputs:
    """Remembers the losses and a short random projection of what the last linear layer gets, of rows put through.

    Rows that look alike to the network are near each other in it (Johnson and Lindenstrauss).
    """

    def __init__(self, model: FlatModel, labels: Tensor) -> None:
        """Take the labels of the rows in the order in which they will be put through, shape (rows,)."""
        self._model, self._labels = model, labels
        self._latest: Tensor | None = None
        self._sketch = Gathered(len(labels))
        self._losses = torch.empty(len(labels), dtype=torch.float64)
        self._seen = 0

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
        self._sketch.add(process_group.all_gather(found, len(logits)))
        rows = slice(self._seen, self._seen + len(logits))
        self._losses[rows] = cross_entropy(logits.cpu().double(), self._labels[rows], reduction="none")
        self._seen += len(logits)

    @property
    def losses(self) -> Tensor:
        """The cross-entropy of all that was collected, in nats, float64, shape (rows,)."""
        return self._losses[: self._seen]

    @property
    def rows(self) -> Tensor:
        """All that was collected, float32, shape (rows, at most `PROJECTED`)."""
        return self._sketch.logits


def extract_features(
    model: FlatModel, batches: Batches, rows: Tensor, batch_size: int, progress: Advance = ignore
) -> LastLayerInputs:
    """The rows as the network has them at the model's θ."""
    with LastLayerInputs(model, batches.labels[rows]) as seen:
        for logits in predict_batches(model, batches, rows, batch_size, progress):
            seen.collect(logits)
    return seen
