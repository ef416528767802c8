"""Table VI: flipped photographs of one class among those of another, found after an epoch of fine-tuning."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from labelaudit.audit.audit_data import AuditData, read_data
from labelaudit.audit.inputs import ImageInputs
from labelaudit.config import AuditConfig, ModelConfig
from labelaudit.data.batches import Batches, Features
from labelaudit.data.sources import load_dataset
from labelaudit.errors import InputError
from labelaudit.influence.estimate import dynamic_influence
from labelaudit.influence.query_loss import QueryLoss
from labelaudit.influence.scoring import Scoring
from labelaudit.models.flat import FlatModel
from labelaudit.models.timm_models import class_tokens, cut_off_head
from labelaudit.progress import NullProgress, ignore
from labelaudit.reproduction.experiments import Outcome, plan_of
from labelaudit.reproduction.recipe import Cell, ImagePool, Recipe, Setting
from labelaudit.runtime.machine import choose_device, free_memory, reproducible
from labelaudit.training.fine_tune import fine_tune
from labelaudit.training.predict import predict
from labelaudit.training.recording import plan_recording
from labelaudit.training.window import parse_windows

FEATURE_BATCH = 32


def check_pool(recipe: Recipe, data: Path, weights: Path) -> None:
    """Look whether the pool's files are there.

    Raises:
        InputError: They are not; the message says what is needed and where.
    """
    images = _images(recipe)
    if not (data / images.file).is_file():
        raise InputError(
            f"it needs {images.file} in {data}: two classes, one of them called {images.flipped_class!r}, as Parquet "
            "with encoded images and a column of labels (for the paper's own data, bramblings and daisies of ImageNet)"
        )
    if images.weights is not None and not (weights / images.weights).is_file():
        raise InputError(f"it needs {images.weights} in {weights}, the network's pretrained weights")


def rank_pool(
    recipe: Recipe, cell: Cell, setting: Setting, seed: int, data: Path, weights: Path, device: str
) -> Outcome:
    """Flip, fine-tune, sweep back over the last epoch, and count the flipped rows among the k most suspect.

    The query rows are held out and keep their labels. Of the flipped class all flipped rows, and of the others as
    many as the pool has room for, are trained on and ranked.
    """
    images = _images(recipe)
    pool = _open(images, cell.model, data, weights)
    generator = np.random.default_rng(seed)
    is_flipped_class = pool.labels == pool.classes.index(images.flipped_class)
    query, rest = [], []
    for of_class in (is_flipped_class, ~is_flipped_class):
        rows = generator.permutation(np.flatnonzero(of_class))
        query.append(rows[: images.query_per_class])
        rest.append(rows[images.query_per_class :])
    if cell.flips > len(rest[0]):
        raise InputError(
            f"{cell.flips} flips are more than the {len(rest[0])} rows of {images.flipped_class!r} beside the query"
        )
    others = generator.permutation(np.concatenate([rest[0][cell.flips :], rest[1]]))[: images.pool - cell.flips]
    rows = np.concatenate([rest[0][: cell.flips], others])
    labels = pool.labels.copy()
    labels[rest[0][: cell.flips]] = 1 - labels[rest[0][: cell.flips]]

    place = choose_device(device)
    inputs = _inputs(pool)
    batches: Batches = inputs.batches(torch.from_numpy(labels), rows, place, torch.float32, "none")
    network = inputs.spec.network(2, seed)
    if setting.trained == "head":
        seen = standardised(_features(images, cell.model, setting.blocks, data, weights, place), torch.from_numpy(rows))
        batches = Features(seen, batches.labels)
        network = _head(seen.shape[1])
    train, query_rows = torch.from_numpy(rows), torch.from_numpy(np.concatenate(query))
    with reproducible():
        model = FlatModel(network, place, torch.float32)
        plan = plan_of(setting)
        per_epoch = plan.steps_per_epoch(len(rows))
        window = parse_windows("last", setting.epochs, per_epoch, setting.removal, setting.query_at)[0]
        recording = plan_recording(
            [window], window.stop, model.theta.nbytes, plan.optimizer, memory=free_memory(place) // 2
        )
        run = fine_tune(model, batches, train, plan, seed, recording, ignore)
        query_loss = QueryLoss(setting.query, batches, query_rows, plan.batch_size)
        scoring = Scoring(setting.estimator, setting.scoring_steps)
        influence = dynamic_influence(run, window, query_loss, scoring=scoring).values[0].numpy()
        logits = predict(model, batches, train, plan.batch_size)
        loss = cross_entropy(logits.double(), batches.labels[train], reduction="none").numpy()
        accuracy = (query_loss.log_probabilities.argmax(1) == batches.labels[query_rows]).double().mean().item()
    flipped = np.arange(len(rows)) < cell.flips
    found = {"DIT": -influence, "final loss": loss}
    counts = {n: flipped[np.argsort(-s, kind="stable")[: cell.flips]].sum() for n, s in found.items()}
    rates = {f"{name}, found in %": 100 * float(count) / cell.flips for name, count in counts.items()}
    return Outcome(rates | {"pool": float(len(rows)), "query accuracy": accuracy})


def _images(recipe: Recipe) -> ImagePool:
    if recipe.images is None:
        raise InputError("a recipe for image-pool needs a section [images]")
    return recipe.images


@lru_cache(maxsize=1)
def _open(images: ImagePool, model: str, data: Path, weights: Path) -> AuditData:
    """Decode the images, once for all cells and seeds."""
    file = None if images.weights is None else weights / images.weights
    config = AuditConfig(model=ModelConfig(name=model, weights=file, image_size=images.image_size))
    return read_data(load_dataset(data / images.file, config.source), None, config, NullProgress())


def _inputs(pool: AuditData) -> ImageInputs:
    assert isinstance(pool.inputs, ImageInputs)
    return pool.inputs


def standardised(features: Tensor, rows: Tensor) -> Tensor:
    """Features (N, D), each with mean 0 and mean square 1/D over some of the rows (M,).

    What all images have in common would otherwise rule every gradient; and at this size a bias has about the weight
    of all features together, so that a query can say that one class has lost labels to the other.
    """
    deviation, mean = torch.std_mean(features[rows], dim=0, correction=0)
    scaled: Tensor = (features - mean) / deviation.clamp_min(1e-6) / features.shape[1] ** 0.5
    return scaled


def _head(width: int) -> nn.Module:
    head = nn.Linear(width, 2)
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    return head


@lru_cache(maxsize=1)
def _features(images: ImagePool, model: str, blocks: int, data: Path, weights: Path, place: torch.device) -> Tensor:
    """What a head sees of all images in the pretrained network (see `Setting`), computed once; shape (N, D)."""
    pool = _open(images, model, data, weights)
    inputs = _inputs(pool)
    backbone = inputs.spec.network(2, seed=0).to(place).eval()
    features = class_tokens(backbone, blocks) if blocks else cut_off_head(backbone)[0]
    with torch.no_grad():
        parts = [
            features(inputs.spec.normalise(inputs.pixels[rows].to(place).float() / 255))
            for rows in torch.arange(len(pool.labels)).split(FEATURE_BATCH)
        ]
    return torch.cat(parts)
