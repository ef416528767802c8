"""A network's answers to many rows."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from labelaudit.data.examples import Examples
from labelaudit.models.flat import FlatModel
from labelaudit.progress import Advance, ignore

PROJECTED = 64  # numbers that stand for what the last layer gets


def predict(model: FlatModel, examples: Examples, rows: Tensor, batch_size: int, progress: Advance = ignore) -> Tensor:
    """Logits of the rows at the model's θ, shape (len(rows), C), on the CPU."""
    answers = _answers(model, examples, rows, batch_size, progress)
    return torch.cat([model.team.gather(answer, total).cpu() for answer, total in answers])


def predict_and_sketch(
    model: FlatModel, examples: Examples, rows: Tensor, batch_size: int, progress: Advance = ignore
) -> tuple[Tensor, Tensor]:
    """Logits of the rows as `predict` has them, and what `LastLayerInputs` remembers of them."""
    logits = []
    with LastLayerInputs(model) as seen:
        for answer, total in _answers(model, examples, rows, batch_size, progress):
            seen.collect(answer, total)
            logits.append(model.team.gather(answer, total).cpu())
    return torch.cat(logits), seen.rows


def _answers(
    model: FlatModel, examples: Examples, rows: Tensor, batch_size: int, progress: Advance
) -> Iterator[tuple[Tensor, int]]:
    """This process's logits of each part of the rows, and how many rows the part has."""
    for batch in rows.split(batch_size * model.team.size):
        with torch.no_grad():
            answer = model(examples.batch(batch, share=model.team.share(len(batch)))[0])
        yield answer, len(batch)
        progress(len(batch))


class LastLayerInputs:
    """Remembers, while rows are predicted, a short random projection of what the network's last linear layer gets.

    Rows that look alike to the network are near each other in it (Johnson and Lindenstrauss).
    """

    def __init__(self, model: FlatModel) -> None:
        self._model = model
        self._latest: Tensor | None = None
        self._parts: list[Tensor] = []

    def __enter__(self) -> LastLayerInputs:
        layers = [module for module in self._model.module.modules() if isinstance(module, nn.Linear)]
        self._hooks = [layer.register_forward_pre_hook(self._remember) for layer in layers]
        return self

    def __exit__(self, *exception: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _remember(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._latest = inputs[0]

    def collect(self, logits: Tensor, total: int) -> None:
        """Keep the rows of the batch that was just predicted; of so many rows, those with the given logits here."""
        found, self._latest = self._latest, None
        if found is None or len(found) != len(logits):  # no such layer, or not one answer for each row
            found = logits
        found = found.flatten(1).float()
        if found.shape[1] > PROJECTED:
            generator = torch.Generator().manual_seed(found.shape[1])
            found = found @ torch.randn(found.shape[1], PROJECTED, generator=generator).to(found.device)
        self._parts.append(self._model.team.gather(found, total).cpu())

    @property
    def rows(self) -> Tensor:
        """All that was collected, float32, shape (rows, at most `PROJECTED`)."""
        return torch.cat(self._parts)
