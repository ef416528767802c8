"""Mixed precision, and activations that are computed anew, end to end on a small vision transformer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from labelaudit.audit.needs import fold_needs
from labelaudit.commands.scan import scan
from labelaudit.errors import InputError
from labelaudit.models.flat import FlatModel
from labelaudit.settings import audit_config
from tests.support.data import CPU, batches_of, digit_folders, digits
from tests.support.networks import vit
from tests.support.progress import Notes

OPTIONS = {"model": "tests.support.networks:vit", "folds": 2, "epochs": 2, "batch_size": 8, "track": "all"}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return digit_folders(tmp_path_factory.mktemp("digits"), "01", 16)


def influences(source, progress=None, **options):
    report = scan(source, config=audit_config(**(OPTIONS | options)), progress=progress)
    return report.table["influence"].to_numpy()


def test_mixed_precision_ranks_as_float32_does(source):
    notes = Notes()
    mixed = influences(source, notes, dtype="bfloat16")
    plain = influences(source, derivatives="forward-over-reverse")
    assert spearmanr(mixed, plain).statistic > 0.99
    assert not (mixed == plain).any()
    assert [note for note in notes.notes if "bfloat16" in note] == []


class Cancelling(nn.Module):
    """Adds a large number, and takes away again what comes of it: bfloat16 has no digits left for the rest."""

    def __init__(self, num_classes: int, num_features: int) -> None:
        super().__init__()
        self.layer = nn.Linear(num_features, num_classes)

    def forward(self, inputs):
        inputs = inputs.flatten(1)
        return self.layer(inputs + 1000) - self.layer(torch.full_like(inputs, 1000))


def test_a_network_that_mixed_precision_breaks_is_told(source):
    notes = Notes()
    influences(
        source, notes, model="tests.audit.test_precision_and_memory:Cancelling", dtype="bfloat16", learning_rate=1e-4
    )
    assert any("`dtype` bfloat16 changes the influence of this network" in note for note in notes.notes)


def test_parameters_stay_float32_and_full_precision_is_full():
    torch.manual_seed(0)
    module = vit(3, 1, 28)
    model = FlatModel(module, CPU, torch.float32, mixed=True)
    inputs, _ = batches_of(*digits((1, 7, 4), 2), dtype=torch.float32).batch(torch.arange(6))
    mixed, functional = model(inputs), model.at(model.tracked, inputs)
    with model.full_precision():
        exact = model(inputs)
        assert torch.equal(model.at(model.tracked, inputs), exact)
    assert model.theta.dtype == mixed.dtype == functional.dtype == torch.float32
    for rounded in (mixed, functional):
        assert 1e-5 < (rounded - exact).abs().max() / exact.abs().max() < 0.05


def test_activations_that_do_not_fit_are_computed_anew(source, monkeypatch):
    """The first plan of each fold is refused for want of memory; the network then keeps less, and finds the same."""
    options = {"derivatives": "central-differences"}
    plain = influences(source, **options)
    activations: list[int] = []

    def refuse_the_first(plan, costs, mode, **limits):
        activations.append(costs.activations)
        if len(activations) % 2:
            raise InputError("the fine-tune needs more")
        return fold_needs(plan, costs, mode, **limits)

    monkeypatch.setattr("labelaudit.audit.needs.fold_needs", refuse_the_first)
    notes = Notes()
    anew = influences(source, notes, **options)
    assert activations[1] < activations[0] / 2
    said = "; activations are computed anew in backward passes"  # a busy machine adds to it
    assert any(said in note for note in notes.notes)
    np.testing.assert_allclose(anew, plain, rtol=1e-4, atol=1e-8)


def test_a_network_that_cannot_do_without_its_activations_is_refused(source, monkeypatch):
    def refuse(*arguments, **limits):
        raise InputError("the fine-tune needs more")

    monkeypatch.setattr("labelaudit.audit.needs.fold_needs", refuse)
    with pytest.raises(InputError, match="needs more"):
        influences(source, model="cnn", track="all", derivatives="central-differences")
