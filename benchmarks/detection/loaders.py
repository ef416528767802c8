"""Inputs, true and given labels of the benchmark's data sets, read and encoded; and rules that label them."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image
from torch import Tensor

from labelaudit.data.batches import standardise_each
from labelaudit.data.content import Cells, Vectors
from labelaudit.data.encoders import encode
from labelaudit.data.text_encoders import encode_texts, encode_words_alike
from labelaudit.types import Labels

CACHE = Path(__file__).parent / "cache"
BACKBONE, WEIGHTS = "tf_efficientnet_lite0", "tf_efficientnet_lite0.safetensors"
CIFAR_SPARE = 2000  # of the test set's rows are those that could be trusted
HELD_BACK = 15_000  # CIFAR-10N's rows below are for choosing settings, those from here on for reporting
NEWS, SENTIMENT, HEADLINES = "20news_ibm_mac.parquet", "sentiment_crowd.parquet", "hausa_headlines.parquet"


def mnist(rows: int, digits: tuple[int, ...] = tuple(range(10))) -> Callable[..., Any]:
    """Digits, standardised one by one."""

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


def adult(rows: int, rule: Callable[[pd.DataFrame], pd.Series[bool]] | None = None) -> Callable[..., Any]:
    """Incomes, with labels that a rule gave or none."""

    def load(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, Labels | None]:
        frame = _adult_rows(data, rows, seed, trusted)
        given = None if rule is None else rule(frame).to_numpy(np.int64)
        return torch.from_numpy(encode(Cells(_cells(frame)), np.arange(rows))), _indices(frame["income"]), given

    return load


def two_thresholds(frame: pd.DataFrame) -> pd.Series[bool]:
    """Graduates from 35 years on earn more than 50,000 dollars: a fifth of these labels are wrong."""
    return (frame["education_num"] >= 13) & (frame["age"] >= 35)


def three_thresholds(frame: pd.DataFrame) -> pd.Series[bool]:
    """So do those for whom two of three hold: graduates, 45 hours a week, 38 years."""
    holds = [frame["education_num"] >= 13, frame["hours_per_week"] >= 45, frame["age"] >= 38]
    return sum(one.astype(int) for one in holds) >= 2


def adult_table(rows: int) -> Callable[[Path, int, int], pd.DataFrame]:
    """The columns of incomes, for trees."""
    return lambda data, seed, trusted: _cells(_adult_rows(data, rows, seed, trusted))


def _adult_rows(data: Path, rows: int, seed: int, trusted: int) -> pd.DataFrame:
    every = pd.read_parquet(data / "adult.parquet")
    parts = (("train", rows), ("test", trusted))
    return pd.concat(every[every["split"] == part].sample(count, random_state=seed) for part, count in parts)


def _cells(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=["split", "income"]).replace("?", None).reset_index(drop=True)


def _text_inputs(texts: pd.Series[str], labels: Labels) -> Tensor:
    return torch.from_numpy(encode_texts(tuple(texts), np.arange(len(texts)), labels).matrix.toarray())


def second_encoding(texts: pd.Series[str]) -> Tensor:
    """The texts of a task as the second view of an audit has them."""
    encoded = encode_words_alike(tuple(texts), np.arange(len(texts)))
    assert encoded is not None
    return torch.from_numpy(encoded.matrix.toarray())


def texts(file: str, column: str = "label", dropped: str | None = None) -> Callable[[Path], pd.Series[str]]:
    """The texts of a file."""
    return lambda data: _text_rows(data, file, column, dropped)["text"]


def news(one_class: float = 0.0) -> Callable[..., Any]:
    """Two newsgroups; a share of the first one's labels is wrong."""

    def load(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, Labels | None]:
        frame = pd.read_parquet(data / NEWS)
        true = _indices(frame["target_name"])
        given = true.copy()
        rows = np.flatnonzero(true == 0)
        given[np.random.default_rng(seed).choice(rows, int(one_class * len(rows)), replace=False)] = 1
        return _text_inputs(frame["text"], given), true, given if one_class else None

    return load


def people_or_rules(file: str, column: str, dropped: str | None = None) -> Callable[..., Any]:
    """Texts, with labels that people gave or that rules made; without the rows that have a class or are given it."""

    def load(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, Labels]:
        frame = _text_rows(data, file, column, dropped)
        true, given = _two_columns(frame["label"], frame[column])
        return _text_inputs(frame["text"], given), true, given

    return load


def _text_rows(data: Path, file: str, column: str, dropped: str | None) -> pd.DataFrame:
    frame = pd.read_parquet(data / file)
    if dropped is None:
        return frame
    return frame[(frame["label"] != dropped) & (frame[column] != dropped)]


def labelme(column: str) -> Callable[..., Any]:
    """Vectors of photographed scenes, with labels that people gave."""

    def load(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, Labels]:
        frame = pd.read_parquet(data / "labelme_crowd.parquet")
        vectors = Vectors(np.stack(frame["vector"].to_list()).astype(np.float32))
        return torch.from_numpy(encode(vectors, np.arange(len(frame)))), *_two_columns(frame["label"], frame[column])

    return load


def cifar(column: str) -> Callable[..., Any]:
    """What a pretrained network sees of small photographs, with labels that people gave."""

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


def photographs(name: str) -> Callable[..., Any]:
    """What a pretrained network sees of photographs."""

    def load(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, None]:
        file = data / name
        features = _features(file, weights / WEIGHTS, 0, None, 224)
        return features, _indices(pd.read_parquet(file, columns=["label"])["label"]), None

    return load


def sample(data: Path, weights: Path, seed: int, trusted: int) -> tuple[Tensor, Labels, Labels]:
    """The package's own sample."""
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
