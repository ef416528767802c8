"""How many planted near copies are found, and what else: `python -m benchmarks.near_copies`.

Copies are recompressed (JPEG, quality 60), or shifted by two pixels to two sides and mirrored; of texts, every tenth
word is left out, or a fifth of another text is added. Beside them: perceptual hashes (imagehash's pHash with Hamming
distances up to 4 and 10), and the rule of cleanlab's Datalab on features of a pretrained network. Rows found that were
not planted count against precision, although data have near copies of their own.
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import imagehash
import numpy as np
import pandas as pd
import timm
import torch
import typer
from cleanlab import Datalab
from PIL import Image

from benchmarks.folders import DATA, WEIGHTS, DataFolder, WeightsFolder
from labelaudit.audit.audit_data import read_data
from labelaudit.config import AuditConfig, ModelConfig
from labelaudit.data.content import Vectors
from labelaudit.data.copies import Copies
from labelaudit.data.sources import load_dataset
from labelaudit.likeness.compare import compare_rows
from labelaudit.progress import NullProgress, Stopwatch

Pairs = set[tuple[int, int]]
RESULTS = Path(__file__).parent / "results" / "near_copies.json"
PLANTED, SEEDS = 200, 3
WITH_FEATURES = 2000  # rows up to which a pretrained network's features are computed
IMAGES = {
    "CIFAR-10, test set": ("cifar10_test.parquet", 10_000),
    "CIFAR-10, training set": ("cifar10n_train_30k.parquet", 30_000),
    "MNIST, test set": ("mnist.npz", 10_000),
    "birds and daisies": ("bird_daisy_224.parquet", 939),
    "ants and bees": ("hymenoptera_224.parquet", 397),
}
TEXTS = {
    "20 Newsgroups, two groups": "20news_ibm_mac.parquet",
    "film reviews, sentences": "sentiment_crowd.parquet",
    "Hausa headlines": "hausa_headlines.parquet",
}


def images_of(data: Path, file: str, rows: int) -> list[Image.Image]:
    """The images of a data set."""
    if file.endswith(".npz"):
        return [Image.fromarray(pixels) for pixels in np.load(data / file)["x_test"][:rows]]
    encoded = pd.read_parquet(data / file, columns=["jpeg"])["jpeg"].head(rows)
    return [Image.open(io.BytesIO(content)).convert("RGB") for content in encoded]


def recompressed(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """The image as a JPEG of quality 60."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(io.BytesIO(file.getvalue())).convert(image.mode)


def shifted(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """The image two pixels to the left or right, and up or down, and mirrored."""
    pixels = np.asarray(image)
    padded = np.pad(pixels, ((2, 2), (2, 2)) + ((0, 0),) * (pixels.ndim - 2), mode="edge")
    down, right = (2 + generator.choice([-2, 2]) for _ in range(2))
    part = padded[down : down + pixels.shape[0], right : right + pixels.shape[1]]
    return Image.fromarray(np.ascontiguousarray(part[:, ::-1]))


def shorter(text: str, generator: np.random.Generator) -> str:
    """The text without a tenth of its words."""
    return " ".join(word for word in text.split() if generator.random() > 0.1)


def longer(other: str) -> Callable[[str, np.random.Generator], str]:
    """What appends as many words of another text as make a fifth."""
    return lambda text, generator: " ".join([*text.split(), *other.split()[: max(1, len(text.split()) // 5)]])


def planted(rows: list[Any], seed: int, *changes: Callable[[Any, np.random.Generator], Any]) -> tuple[list[Any], Pairs]:
    """The rows with changed copies of some, and which pairs these are; as many of each change."""
    generator = np.random.default_rng(1000 + seed)
    each = min(PLANTED, len(rows) // 3) // len(changes)
    chosen = generator.choice(len(rows), each * len(changes), replace=False)
    copies = [changes[place // each](rows[row], generator) for place, row in enumerate(chosen)]
    return [*rows, *copies], {(int(row), len(rows) + place) for place, row in enumerate(chosen)}


class Comparing(Stopwatch):
    """Adds up how long rows are compared."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Time the stage if it is that one."""
        watch = Stopwatch(NullProgress())
        with watch.stage(name, total) as advance:
            yield advance
        if name == "Comparing rows":
            self.seconds += watch.seconds


def by_labelaudit(source: list[Any]) -> tuple[Pairs, float]:
    """Pairs that share a group of near copies or copies, and the seconds of the comparison."""
    dataset = load_dataset((source, ["a", "b"] * (len(source) // 2) + ["a"] * (len(source) % 2)))
    config = AuditConfig(model=ModelConfig(name="cnn" if dataset.kind == "images" else "lr"))
    watch = Comparing(NullProgress())
    data = read_data(dataset, None, config, watch)
    return _within(data.likeness.groups) | _within(data.copies.groups), watch.seconds


def by_hash(images: list[Image.Image], most: int) -> tuple[Pairs, float]:
    """Pairs whose perceptual hashes differ in so many bits at most."""
    started = time.perf_counter()
    bits = torch.tensor(np.array([imagehash.phash(image).hash.ravel() for image in images]), dtype=torch.float32)
    found: Pairs = set()
    for start in range(0, len(bits), 2000):
        part = bits[start : start + 2000]
        same = part @ bits.T + (1 - part) @ (1 - bits).T
        pairs = (same >= bits.shape[1] - most).nonzero() + torch.tensor([start, 0])
        found |= {(one, other) for one, other in pairs.tolist() if one < other}
    return found, time.perf_counter() - started


def by_datalab(features: np.ndarray) -> tuple[Pairs, float]:
    """Pairs of the sets of near duplicates that cleanlab's Datalab finds."""
    started = time.perf_counter()
    lab = Datalab({"label": [0, 1] * (len(features) // 2) + [0] * (len(features) % 2)}, label_name="label", verbosity=0)
    lab.find_issues(features=features, issue_types={"near_duplicate": {}})
    sets = lab.get_info("near_duplicate")["near_duplicate_sets"]
    found = {(min(row, int(other)), max(row, int(other))) for row, others in enumerate(sets) for other in others}
    return found, time.perf_counter() - started


def features_of(images: list[Image.Image], weights: Path) -> np.ndarray:
    """What a pretrained EfficientNet-Lite0 sees of images at 224 pixels."""
    file = str(weights / "tf_efficientnet_lite0.safetensors")
    network = timm.create_model(
        "tf_efficientnet_lite0", pretrained=True, num_classes=0, pretrained_cfg_overlay={"file": file}
    ).eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(images), 50):
            some = [np.array(image.resize((224, 224)).convert("RGB")) for image in images[start : start + 50]]
            parts.append(network(torch.from_numpy(np.stack(some)).permute(0, 3, 1, 2) / 127.5 - 1))
    return torch.cat(parts).numpy()


def _within(groups: np.ndarray) -> Pairs:
    """All pairs of rows of one group."""
    return {
        (int(one), int(other))
        for members in pd.Series(np.arange(len(groups))).groupby(groups).agg(list).drop(-1, errors="ignore")
        for place, other in enumerate(members)
        for one in members[:place]
    }


def judged(result: tuple[Pairs, float], truth: Pairs, rows: int, kinds: tuple[str, str]) -> dict[str, Any]:
    """The share of each kind of copy that was found, how many other pairs of rows were, precision, and seconds."""
    found, seconds = result
    ordered = sorted(truth, key=lambda pair: pair[1])
    half = len(ordered) // 2
    others = {pair for pair in found - truth if max(pair) < rows}  # a copy of a natural near copy is one, too
    right = len(found & truth)
    return {
        kinds[0]: len(found & set(ordered[:half])) / half,
        kinds[1]: len(found & set(ordered[half:])) / half,
        "other_pairs": len(others),
        "precision": right / max(1, right + len(others)),
        "seconds": seconds,
    }


def measure(data: Path, weights: Path, only: str | None) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Data set, method and result, for each seed."""
    for name, (file, rows) in IMAGES.items():
        if only is not None and only not in name:
            continue
        for seed in range(SEEDS):
            images, truth = planted(images_of(data, file, rows), seed, recompressed, shifted)
            kinds, own = ("recompressed", "shifted_mirrored"), min(rows, len(images) - len(truth))
            yield name, "labelaudit", judged(by_labelaudit(images), truth, own, kinds)
            for most in (4, 10):
                yield name, f"pHash, up to {most} bits", judged(by_hash(images, most), truth, own, kinds)
            if len(images) <= WITH_FEATURES:
                found = by_datalab(features_of(images, weights))
                yield name, "cleanlab's Datalab on EfficientNet-Lite0", judged(found, truth, own, kinds)
    for name, file in TEXTS.items():
        if only is not None and only not in name:
            continue
        for seed in range(SEEDS):
            texts = pd.read_parquet(data / file)["text"].tolist()
            rows, truth = planted(texts, seed, shorter, longer(texts[seed]))
            kinds = ("words_left_out", "words_added")
            yield name, "labelaudit", judged(by_labelaudit(rows), truth, len(texts), kinds)


def hundred_thousand() -> dict[str, float]:
    """Seconds and memory for 100,000 rows of 512 numbers, in this process."""
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((100_000, 512), dtype=np.float32)
    copies = Copies(np.arange(len(vectors)), len(vectors), 0, by_chance=False)
    started = time.perf_counter()
    compare_rows([Vectors(vectors)], None, copies, (None,) * len(vectors), None, NullProgress())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {"seconds": round(time.perf_counter() - started, 1), "peak_gb": round(peak, 2)}


def main(
    data: DataFolder = DATA,
    weights: WeightsFolder = WEIGHTS,
    only: Annotated[str | None, typer.Option(help="Data sets whose names hold this; keep nothing.")] = None,
    only_time: Annotated[
        bool, typer.Option("--hundred-thousand", help="Only time the search of 100,000 vectors.")
    ] = False,
) -> None:
    """Measure, print and keep what was found."""
    if only_time:
        print(json.dumps(hundred_thousand()))
        return
    large = None
    if only is None:  # first, for a child's largest memory begins with this process's
        command = [sys.executable, "-m", "benchmarks.near_copies", "--hundred-thousand"]
        large = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        print(large, flush=True)
    found = []
    for name, method, result in measure(data, weights, only):
        found.append({"data": name, "method": method} | result)
        print(json.dumps(found[-1]), flush=True)
    if not found:
        raise typer.BadParameter(f"no data set's name holds {only!r}")
    table = pd.DataFrame(found).groupby(["data", "method"], sort=False).agg(["mean", "std"]).round(3)
    print(table.to_string())
    if large is not None:
        RESULTS.write_text(json.dumps({"runs": found, "100,000 x 512": large}, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
