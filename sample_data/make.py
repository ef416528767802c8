"""Make sample_data from MNIST: `python sample_data/make.py path/to/mnist.npz [folder]`.

600 training digits, 60 of each, 30 of which are put into a wrong folder; 200 clean test digits; truth.csv with the
true label of every training digit. PNGs are stored uncompressed, so that every version of Pillow writes the same bytes.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image

TRAIN_PER_DIGIT, TEST_PER_DIGIT, WRONG, SEED = 60, 20, 30, 0


def make(source: Path, folder: Path) -> None:
    """Write train/, test/ and truth.csv below `folder` from MNIST's arrays."""
    mnist = dict(np.load(source))  # an npz file decompresses a whole array at every access
    generator = np.random.default_rng(SEED)
    train = pick(mnist["y_train"], TRAIN_PER_DIGIT, generator)
    test = pick(mnist["y_test"], TEST_PER_DIGIT, generator)
    true = mnist["y_train"][train].astype(int)
    given = true.copy()
    wrong = generator.choice(len(train), WRONG, replace=False)
    given[wrong] = (true[wrong] + generator.integers(1, 10, WRONG)) % 10

    paths = [save(mnist["x_train"][i], folder / "train", label, i) for i, label in zip(train, given, strict=True)]
    for i in test:
        save(mnist["x_test"][i], folder / "test", mnist["y_test"][i], i)
    with (folder / "truth.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "true_label"])
        writer.writerows(sorted(zip(paths, true, strict=True)))


def pick(labels: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Indices of `count` images of each digit."""
    return np.concatenate([generator.choice(np.flatnonzero(labels == d), count, replace=False) for d in range(10)])


def save(image: np.ndarray, folder: Path, label: int, index: int) -> str:
    """Save one digit into its class folder; return its path below `folder`."""
    path = folder / str(label) / f"{index:05d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, compress_level=0)
    return f"{label}/{path.name}"


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent)
