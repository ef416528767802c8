"""Datasets with wrong labels that are known: read, encoded, and a share of the labels flipped where none are wrong."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image
from torch import Tensor, nn

from labelaudit.config import TrainingConfig
from labelaudit.data.batches import standardise_each
from labelaudit.data.content import Cells, Vectors
from labelaudit.data.encoders import encode
from labelaudit.data.flips import flip_rows
from labelaudit.data.text_encoders import encode_texts, encode_words_alike
from labelaudit.models.paper import cnn
from labelaudit.types import Labels, Noise

CACHE = Path(__file__).parent / "cache"
BACKBONE, WEIGHTS = "tf_efficientnet_lite0", "tf_efficientnet_lite0.safetensors"
CIFAR_SPARE = 2000  # of the test set's rows are those that could be trusted
HELD_BACK = 15_000  # CIFAR-10N's rows below are for choosing settings, those from here on for reporting


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
    second = None if source.texts is None else _second_encoding(source.texts(data))
    return Task(inputs, given, true, source.network, source.training, (trusted_inputs, trusted_labels), table, second)


def _mnist(rows: int, digits: tuple[int, ...] = tuple(range(10))) -> Callable[..., Any]:
    def load(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, None]:
        images, labels = [], []
        with np.load(data / "mnist.npz") as arrays:
            for part, count in (("train", rows), ("test", trusted)):
                every = arrays[f"y_{part}"]
                chosen = np.random.default_rng(seed).permutation(np.flatnonzero(np.isin(every, digits)))[:count]
                images.append(arrays[f"x_{part}"][chosen])
                labels.append(every[chosen])
        inputs = standardise_each(torch.from_numpy(np.concatenate(images)).float()[:, None] / 255)
        return inputs, np.searchsorted(digits, np.concatenate(labels)), None

    return load


def _adult(rows: int) -> Callable[..., Any]:
    def load(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, None]:
        frame = _adult_rows(data, rows, seed, trusted)
        return torch.from_numpy(encode(Cells(_cells(frame)), np.arange(rows))), _indices(frame["income"]), None

    return load


def _adult_table(rows: int) -> Callable[[Path, int, int], pd.DataFrame]:
    return lambda data, seed, trusted: _cells(_adult_rows(data, rows, seed, trusted))


def _adult_rows(data: Path, rows: int, seed: int, trusted: int) -> pd.DataFrame:
    every = pd.read_parquet(data / "adult.parquet")
    parts = (("train", rows), ("test", trusted))
    return pd.concat(every[every["split"] == part].sample(count, random_state=seed) for part, count in parts)


def _cells(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=["split", "income"]).replace("?", None).reset_index(drop=True)


def _text_inputs(texts: pd.Series[str], labels: Labels) -> Tensor:
    return torch.from_numpy(encode_texts(tuple(texts), np.arange(len(texts)), labels).matrix.toarray())


def _second_encoding(texts: pd.Series[str]) -> Tensor:
    encoded = encode_words_alike(tuple(texts), np.arange(len(texts)))
    assert encoded is not None
    return torch.from_numpy(encoded.matrix.toarray())


def _texts(file: str) -> Callable[[Path], pd.Series[str]]:
    return lambda data: pd.read_parquet(data / file, columns=["text"])["text"]


def _news(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, None]:
    frame = pd.read_parquet(data / NEWS)
    labels = _indices(frame["target_name"])
    return _text_inputs(frame["text"], labels), labels, None


def _people_or_rules(file: str, column: str) -> Callable[..., Any]:
    """Texts, with labels that people gave or that rules made."""

    def load(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, Labels]:
        frame = pd.read_parquet(data / file)
        true, given = _two_columns(frame["label"], frame[column])
        return _text_inputs(frame["text"], given), true, given

    return load


def _labelme(column: str) -> Callable[..., Any]:
    def load(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, Labels]:
        frame = pd.read_parquet(data / "labelme_crowd.parquet")
        vectors = Vectors(np.stack(frame["vector"].to_list()).astype(np.float32))
        return torch.from_numpy(encode(vectors, np.arange(len(frame)))), *_two_columns(frame["label"], frame[column])

    return load


def _cifar(column: str) -> Callable[..., Any]:
    def load(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, Labels]:
        file, spare = data / "cifar10n_train_30k.parquet", data / "cifar10_test.parquet"
        features = _features(file, weights / WEIGHTS, HELD_BACK, None, 112)
        frame = pd.read_parquet(file, columns=list(dict.fromkeys(["label", column]))).iloc[HELD_BACK:]
        names = sorted(frame["label"].unique())
        true = frame["label"]
        if trusted:
            chosen = np.random.default_rng(seed).permutation(CIFAR_SPARE)[:trusted]
            features = torch.cat([features, _features(spare, weights / WEIGHTS, 0, CIFAR_SPARE, 112)[chosen]])
            true = pd.concat([true, pd.read_parquet(spare, columns=["label"])["label"].iloc[chosen]])
        return features, np.searchsorted(names, true), np.searchsorted(names, frame[column])

    return load


def _photographs(name: str) -> Callable[..., Any]:
    def load(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, None]:
        file = data / name
        features = _features(file, weights / WEIGHTS, 0, None, 224)
        return features, _indices(pd.read_parquet(file, columns=["label"])["label"]), None

    return load


def _sample(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, Labels]:
    folder = Path(__file__).parents[2] / "sample_data"
    frame = pd.read_csv(folder / "truth.csv", dtype=str)
    spare = np.random.default_rng(seed).permutation(sorted((folder / "test").glob("*/*.png")))[:trusted]
    images = [np.asarray(Image.open(path)) for path in [*(folder / "train" / path for path in frame["path"]), *spare]]
    inputs = standardise_each(torch.from_numpy(np.stack(images)).float()[:, None] / 255)
    true = [*frame["true_label"], *(path.parent.name for path in spare)]
    return inputs, np.array(true, dtype=np.int64), frame["path"].str[0].to_numpy(np.int64)


def _two_columns(true: pd.Series[Any], given: pd.Series[Any]) -> tuple[Labels, Labels]:
    """True and given labels as indices of the same classes."""
    names = np.unique(true)
    return np.searchsorted(names, true).astype(np.int64), np.searchsorted(names, given).astype(np.int64)


def _indices(values: pd.Series[Any]) -> Labels:
    return np.unique(values.to_numpy(), return_inverse=True)[1].astype(np.int64)


@lru_cache(maxsize=2)
def _features(file: Path, weights: Path, start: int, stop: int | None, size: int) -> Tensor:
    """What the pretrained network's last layer sees of the images of rows `start` … `stop` − 1; computed once."""
    cached = CACHE / f"{file.stem}-{start}-{stop}-{size}.npy"
    if not cached.is_file():
        network = timm.create_model(
            BACKBONE, pretrained=True, pretrained_cfg_overlay={"file": str(weights)}, num_classes=0
        ).eval()
        mean, std = (torch.tensor(network.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
        parts = []
        for encoded in np.array_split(pd.read_parquet(file)["jpeg"].to_numpy()[start:stop], 100):
            images = [Image.open(io.BytesIO(jpeg)).convert("RGB").resize((size, size)) for jpeg in encoded]
            pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
            with torch.no_grad():
                parts.append(network((pixels - mean) / std).numpy())
        CACHE.mkdir(exist_ok=True)
        np.save(cached, np.concatenate(parts))
    return torch.from_numpy(np.load(cached))


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
NEWS, SENTIMENT, HEADLINES = "20news_ibm_mac.parquet", "sentiment_crowd.parquet", "hausa_headlines.parquet"

SOURCES: dict[str, Source] = {
    "MNIST, 10% symmetric": Source(_mnist(4000), _small_cnn, _settings(0.01, 6), "symmetric", 0.1, 1000),
    "MNIST, 20% class to class": Source(_mnist(4000), _small_cnn, _settings(0.01, 6), "pair", 0.2, 1000),
    "MNIST 1/7, 256 rows, 10%": Source(_mnist(256, (1, 7)), _small_cnn, _settings(0.01, 6), "symmetric", 0.1, 1000),
    "Adult, 10%": Source(_adult(6000), _head, _settings(0.003, 6), "symmetric", 0.1, 1000, _adult_table(6000)),
    "20 Newsgroups, 10%": Source(_news, _head, _settings(0.003, 6), "symmetric", 0.1, texts=_texts(NEWS)),
    "CIFAR-10N aggregate": Source(_cifar("aggre_label"), _head, _settings(0.001, 10), spare=1000),
    "CIFAR-10N random1": Source(_cifar("random_label1"), _head, _settings(0.001, 10), spare=1000),
    "CIFAR-10N worse": Source(_cifar("worse_label"), _head, _settings(0.001, 10), spare=1000),
    "CIFAR-10, 20% class to class": Source(_cifar("label"), _head, _settings(0.001, 10), "pair", 0.2, 1000),
    "ants and bees, 10%": Source(
        _photographs("hymenoptera_224.parquet"), _head, _settings(0.001, 10), "symmetric", 0.1
    ),
    "bird and daisy, 10%": Source(
        _photographs("bird_daisy_224.parquet"), _head, _settings(0.001, 10), "symmetric", 0.1
    ),
    "Sentiment, majority of people": Source(
        _people_or_rules(SENTIMENT, "majority_label"), _head, _settings(0.003, 6), texts=_texts(SENTIMENT)
    ),
    "Sentiment, one person": Source(
        _people_or_rules(SENTIMENT, "one_label"), _head, _settings(0.003, 6), texts=_texts(SENTIMENT)
    ),
    "LabelMe, majority of people": Source(_labelme("majority_label"), _head, _settings(0.003, 10)),
    "LabelMe, one person": Source(_labelme("one_label"), _head, _settings(0.003, 10)),
    "Headlines, rules for half": Source(
        _people_or_rules(HEADLINES, "mixed_label"), _head, _settings(0.003, 6), texts=_texts(HEADLINES)
    ),
    "Headlines, rules": Source(
        _people_or_rules(HEADLINES, "rule_label"), _head, _settings(0.003, 6), texts=_texts(HEADLINES)
    ),
    "sample_data": Source(_sample, _small_cnn, _settings(0.01, 20), spare=200),
}
CLEAN: dict[str, Source] = {
    "MNIST, nothing wrong": Source(_mnist(4000), _small_cnn, _settings(0.01, 6)),
    "Adult, nothing wrong": Source(_adult(6000), _head, _settings(0.003, 6), table=_adult_table(6000)),
    "20 Newsgroups, nothing wrong": Source(_news, _head, _settings(0.003, 6), texts=_texts(NEWS)),
    "CIFAR-10, nothing wrong": Source(_cifar("label"), _head, _settings(0.001, 10)),
    "ants and bees, nothing wrong": Source(_photographs("hymenoptera_224.parquet"), _head, _settings(0.001, 10)),
    "Sentiment, nothing wrong": Source(
        _people_or_rules(SENTIMENT, "label"), _head, _settings(0.003, 6), texts=_texts(SENTIMENT)
    ),
    "LabelMe, nothing wrong": Source(_labelme("label"), _head, _settings(0.003, 10)),
    "Headlines, nothing wrong": Source(
        _people_or_rules(HEADLINES, "label"), _head, _settings(0.003, 6), texts=_texts(HEADLINES)
    ),
}
"""Where only the list of suspects can be measured: it should be empty."""
