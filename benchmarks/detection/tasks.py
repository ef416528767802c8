"""Datasets with wrong labels that are known: read, encoded, and a share of the labels flipped where none are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from torch import Tensor, nn

from benchmarks.detection.loaders import (
    HEADLINES,
    NEWS,
    SENTIMENT,
    adult,
    adult_table,
    cifar,
    labelme,
    mnist,
    news,
    people_or_rules,
    photographs,
    sample,
    second_encoding,
    texts,
    three_thresholds,
    two_thresholds,
)
from labelaudit.config import TrainingConfig
from labelaudit.data.flips import flip_rows
from labelaudit.models.paper import cnn
from labelaudit.types import Labels, Noise


@dataclass(frozen=True)
class Task:
    """A labelled dataset.

    Attributes:
        inputs: Float32, what the network gets, shape (N, …).
        given: Class indices, some of them wrong, shape (N,).
        true: The right ones, shape (N,).
        network: Makes a network for some inputs and a number of classes.
        training: Settings of the fine-tune, the same for every method.
        trusted: Inputs (M, …) and right labels (M,) of M further rows; none where nothing is trusted.
        table: The columns of all rows, the trusted ones last; None where the rows are no table.
        second_inputs: The second encoding of texts, float32, shape (N, …); None of other rows.
    """

    inputs: Tensor
    given: Labels
    true: Labels
    network: Callable[[Tensor, int], nn.Module]
    training: TrainingConfig
    trusted: tuple[Tensor, Labels]
    table: pd.DataFrame | None = None
    second_inputs: Tensor | None = None

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.given.max()) + 1


@dataclass(frozen=True)
class Source:
    """Where a task comes from.

    Attributes:
        load: Reads (inputs, true labels, given labels or None) from the data and weights folders, by a seed and a
            number of trusted rows; these stand at the end of the inputs and true labels.
        network: See `Task`.
        training: See `Task`.
        noise: How labels are flipped, None where people already made mistakes.
        rate: The share that is.
        spare: How many rows could be trusted.
        table: Reads the columns from the data folder, by a seed and a number of trusted rows; None for no table.
        texts: Reads the texts from the data folder; None of other rows.
    """

    load: Callable[[Path, Path, int, int], tuple[Tensor, Labels, Labels | None]]
    network: Callable[[Tensor, int], nn.Module]
    training: TrainingConfig
    noise: Noise | None = None
    rate: float = 0.0
    spare: int = 0
    table: Callable[[Path, int, int], pd.DataFrame] | None = None
    texts: Callable[[Path], pd.Series[str]] | None = None


def make_task(name: str, data: Path, weights: Path, seed: int, trusted: int = 0) -> Task:
    """Read a task, and flip its labels if it has no mistakes of its own; the same ones with trusted rows or without."""
    source = (SOURCES | CLEAN)[name]
    inputs, true, given = source.load(data, weights, seed, trusted)
    (inputs, trusted_inputs), (true, trusted_labels) = (
        (values[: len(true) - trusted], values[len(true) - trusted :]) for values in (inputs, true)
    )
    if source.noise is not None:
        given = flip_rows(true, int(true.max()) + 1, int(source.rate * len(true)), source.noise, seed)
    given = true if given is None else given
    table = None if source.table is None else source.table(data, seed, trusted)
    second = None if source.texts is None else second_encoding(source.texts(data))
    return Task(inputs, given, true, source.network, source.training, (trusted_inputs, trusted_labels), table, second)


def _small_cnn(inputs: Tensor, classes: int) -> nn.Module:
    return cnn(classes, inputs.shape[1], inputs.shape[2])


def _head(inputs: Tensor, classes: int) -> nn.Module:
    layer = nn.Linear(inputs.shape[1], classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _settings(learning_rate: float, epochs: int) -> TrainingConfig:
    return TrainingConfig(learning_rate=learning_rate, epochs=epochs, batch_size=32)


TRUSTED = (100, 1000)
DROPPED = "World"  # the class that most rules name wrongly

SOURCES: dict[str, Source] = {
    "MNIST, 10% symmetric": Source(mnist(4000), _small_cnn, _settings(0.01, 6), "symmetric", 0.1, 1000),
    "MNIST, 20% class to class": Source(mnist(4000), _small_cnn, _settings(0.01, 6), "pair", 0.2, 1000),
    "MNIST 1/7, 256 rows, 10%": Source(mnist(256, (1, 7)), _small_cnn, _settings(0.01, 6), "symmetric", 0.1, 1000),
    "Adult, 10%": Source(adult(6000), _head, _settings(0.003, 6), "symmetric", 0.1, 1000, adult_table(6000)),
    "20 Newsgroups, 10%": Source(news(), _head, _settings(0.003, 6), "symmetric", 0.1, texts=texts(NEWS)),
    "CIFAR-10N aggregate": Source(cifar("aggre_label"), _head, _settings(0.001, 10), spare=1000),
    "CIFAR-10N random1": Source(cifar("random_label1"), _head, _settings(0.001, 10), spare=1000),
    "CIFAR-10N worse": Source(cifar("worse_label"), _head, _settings(0.001, 10), spare=1000),
    "CIFAR-10, 20% class to class": Source(cifar("label"), _head, _settings(0.001, 10), "pair", 0.2, 1000),
    "ants and bees, 10%": Source(photographs("hymenoptera_224.parquet"), _head, _settings(0.001, 10), "symmetric", 0.1),
    "bird and daisy, 10%": Source(photographs("bird_daisy_224.parquet"), _head, _settings(0.001, 10), "symmetric", 0.1),
    "Sentiment, majority of people": Source(
        people_or_rules(SENTIMENT, "majority_label"), _head, _settings(0.003, 6), texts=texts(SENTIMENT)
    ),
    "Sentiment, one person": Source(
        people_or_rules(SENTIMENT, "one_label"), _head, _settings(0.003, 6), texts=texts(SENTIMENT)
    ),
    "20 Newsgroups, 20% of one class": Source(news(one_class=0.2), _head, _settings(0.003, 6), texts=texts(NEWS)),
    "LabelMe, majority of people": Source(labelme("majority_label"), _head, _settings(0.003, 10)),
    "LabelMe, one person": Source(labelme("one_label"), _head, _settings(0.003, 10)),
    "Headlines, rules for half": Source(
        people_or_rules(HEADLINES, "mixed_label"), _head, _settings(0.003, 6), texts=texts(HEADLINES)
    ),
    "Headlines, rules": Source(
        people_or_rules(HEADLINES, "rule_label"), _head, _settings(0.003, 6), texts=texts(HEADLINES)
    ),
    "Headlines of four classes, rules for half": Source(
        people_or_rules(HEADLINES, "mixed_label", DROPPED),
        _head,
        _settings(0.003, 6),
        texts=texts(HEADLINES, "mixed_label", DROPPED),
    ),
    "Headlines of four classes, rules": Source(
        people_or_rules(HEADLINES, "rule_label", DROPPED),
        _head,
        _settings(0.003, 6),
        texts=texts(HEADLINES, "rule_label", DROPPED),
    ),
    "Adult, labelled by two thresholds": Source(
        adult(6000, two_thresholds), _head, _settings(0.003, 6), table=adult_table(6000)
    ),
    "Adult, labelled by three thresholds": Source(
        adult(6000, three_thresholds), _head, _settings(0.003, 6), table=adult_table(6000)
    ),
    "sample_data": Source(sample, _small_cnn, _settings(0.01, 20), spare=200),
}
CLEAN: dict[str, Source] = {
    "MNIST, nothing wrong": Source(mnist(4000), _small_cnn, _settings(0.01, 6)),
    "Adult, nothing wrong": Source(adult(6000), _head, _settings(0.003, 6), table=adult_table(6000)),
    "20 Newsgroups, nothing wrong": Source(news(), _head, _settings(0.003, 6), texts=texts(NEWS)),
    "CIFAR-10, nothing wrong": Source(cifar("label"), _head, _settings(0.001, 10)),
    "ants and bees, nothing wrong": Source(photographs("hymenoptera_224.parquet"), _head, _settings(0.001, 10)),
    "Sentiment, nothing wrong": Source(
        people_or_rules(SENTIMENT, "label"), _head, _settings(0.003, 6), texts=texts(SENTIMENT)
    ),
    "LabelMe, nothing wrong": Source(labelme("label"), _head, _settings(0.003, 10)),
    "Headlines, nothing wrong": Source(
        people_or_rules(HEADLINES, "label"), _head, _settings(0.003, 6), texts=texts(HEADLINES)
    ),
}
"""Where only the list of suspects can be measured: it should be empty."""
