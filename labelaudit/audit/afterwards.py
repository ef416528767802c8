"""What the fine-tuned networks say of rows once all folds are done: classes for rows without a label, telling words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from labelaudit.audit.collect import Networks
from labelaudit.audit.judge import Findings
from labelaudit.data.batches import Batches, TextFeatures
from labelaudit.models.flat import FlatModel
from labelaudit.models.sharded import ShardedModel
from labelaudit.training.predict import inference_batch_size, predict
from labelaudit.types import Floats, Labels, Rows

EXPLAINED = 1000  # rows, from the most suspect on
TERMS = 6  # for each of the two classes
LEAST_SHARE = 0.02  # of what speaks for a class, from which on a term is named
BATCH = 256


@dataclass(frozen=True)
class Terms:
    """The words of a text that speak for its given class, and those that speak for the most probable other one."""

    given: tuple[str, ...]
    suggested: tuple[str, ...]


Network = Callable[[int, int], FlatModel]
"""Makes the network of a fold from the fold's index and a seed."""


def restore(network: Network, networks: Networks, number: int, seed: int) -> FlatModel:
    """The fine-tuned network of a fold."""
    network_seed = int(np.random.SeedSequence([seed, number]).generate_state(2)[0])
    model = network(number, network_seed)
    theta = networks.thetas[number]
    with torch.no_grad():
        model.theta.copy_(model.scatter_from_leader(theta, (), theta.dtype))
    return model


def predict_unlabelled(
    rows: Rows, network: Network, findings: Findings, batches: Batches, seed: int, batch_size: int
) -> Mapping[int, Floats]:
    """Calibrated class probabilities of rows that have no label, averaged over the folds' networks, by row number."""
    if len(rows) == 0:
        return {}
    total: Floats = np.zeros((len(rows), findings.signals.posterior.shape[1]))
    at_once = inference_batch_size(batches, batch_size, total.shape[1])
    for number, temperature in enumerate(findings.temperatures):
        model = restore(network, findings.networks, number, seed)
        logits = predict(model, batches, torch.from_numpy(rows), at_once).double()
        total += (logits / temperature).softmax(1).numpy()
    return dict(zip(rows.tolist(), total / len(findings.temperatures), strict=True))


def telling_terms(
    network: Network, findings: Findings, batches: Batches, labels: Labels, seed: int
) -> Mapping[int, Terms]:
    """The terms of the most suspect texts that speak for the given class, and for the most probable other one.

    How much a term speaks for one class against another is its value times the derivative of the difference of the two
    logits with respect to it: for logistic regression, exactly its part in that difference. The network is one that was
    not trained on the row, where there is one.

    Args:
        network: Makes the networks.
        findings: What was found.
        batches: All rows.
        labels: Their class indices.
        seed: Of the audit.

    Returns:
        Row number → its terms; nothing of rows that are no texts.
    """
    if not isinstance(batches, TextFeatures):
        return {}
    posterior, networks = findings.signals.posterior, findings.networks
    rows = np.flatnonzero(findings.signals.scored)
    rows = rows[np.argsort(posterior[rows, labels[rows]], kind="stable")[:EXPLAINED]]
    others = posterior[rows].copy()
    others[np.arange(len(rows)), labels[rows]] = -1
    pairs = np.stack([labels[rows], others.argmax(1)], axis=1)
    found: dict[int, Terms] = {}
    folds = len(networks.thetas)
    for number in range(folds):
        asked = np.flatnonzero(networks.fold_of[rows] == (number + 1) % folds)  # held out by this network
        if len(asked) == 0:
            continue
        model = restore(network, networks, number, seed)
        if isinstance(model, ShardedModel):
            return {}
        for part in np.array_split(asked, -(-len(asked) // BATCH)):
            contributions = _contributions(model, batches, rows[part], pairs[part])
            for row, values in zip(rows[part].tolist(), contributions, strict=True):
                found[row] = Terms(_largest(values, batches.encoded.terms), _largest(-values, batches.encoded.terms))
    return found


def _contributions(model: FlatModel, batches: Batches, rows: Rows, pairs: Labels) -> Floats:
    """How much each term speaks for the first class of a pair against the second, shape (n, D)."""
    inputs = batches.batch(torch.from_numpy(rows))[0].detach().requires_grad_()
    logits = model(inputs).gather(1, torch.from_numpy(pairs).to(inputs.device))
    (gradient,) = torch.autograd.grad((logits[:, 0] - logits[:, 1]).sum(), inputs)
    contributions: Floats = (gradient * inputs).detach().double().cpu().numpy()
    return contributions


def _largest(values: Floats, terms: tuple[str, ...]) -> tuple[str, ...]:
    """The terms with the largest positive values."""
    positive = values.clip(0)
    order = np.argsort(-positive, kind="stable")[:TERMS]
    return tuple(terms[place] for place in order if positive[place] > LEAST_SHARE * positive.sum())
