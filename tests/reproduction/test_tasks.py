from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from labelaudit.errors import InputError
from labelaudit.reproduction.tasks import CATEGORIES, NUMBERS, TASK_NAMES, Task, load_task, read_idx
from tests.support.paths import SAMPLE

SIZES = {"train": 60, "validation": 40, "test": 30}
FILES = {"adult": "adult.parquet", "20news": "20news_ibm_mac.parquet", "mnist": "mnist.npz"}
Find = Callable[[str], Path]


@pytest.fixture(params=TASK_NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture
def folder(name: str, dataset_file: Find, tmp_path: Path) -> Path:
    """Where the data of task `name` lies; EMNIST's is made of sample digits."""
    if name == "emnist":
        write_emnist(tmp_path)
        return tmp_path
    return dataset_file(f"{FILES[name]}").parent


def sample(part: str, digit: int) -> np.ndarray:
    return np.stack([np.asarray(Image.open(file)) for file in sorted((SAMPLE / part / str(digit)).iterdir())])


def idx(array: np.ndarray) -> bytes:
    return b"".join(size.to_bytes(4) for size in (0x800 + array.ndim, *array.shape)) + array.astype(np.uint8).tobytes()


def write_emnist(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Sample digits 3, 1 and 7 as letters Z, A and B, in EMNIST's files; returns the upright images and labels."""
    written = {}
    for part in ("train", "test"):
        digits = [sample(part, digit) for digit in (3, 1, 7)]
        labels = np.repeat([26, 1, 2], [len(those) for those in digits])
        order = np.random.default_rng(0).permutation(len(labels))
        images, labels = np.concatenate(digits)[order], labels[order]
        written[part] = images, labels
        pixels, letters = idx(images.transpose(0, 2, 1)), idx(labels)
        if part == "train":
            (folder / "emnist-letters-train-images-idx3-ubyte.gz").write_bytes(gzip.compress(pixels, 1))
            (folder / "emnist-letters-train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(letters))
        else:
            (folder / "emnist-letters-test-images-idx3-ubyte").write_bytes(pixels)
            (folder / "emnist-letters-test-labels-idx1-ubyte").write_bytes(letters)
    return written


def adult(rows: int = 40) -> pd.DataFrame:
    """A table of Adult's columns; the first half is the training part."""
    generator = np.random.default_rng(0)
    columns = {column: generator.integers(0, 50, rows) for column in NUMBERS}
    columns |= {column: generator.choice(["a", "b", "?"], rows) for column in CATEGORIES}
    return pd.DataFrame(
        columns | {"income": ["<=50K", ">50K"] * (rows // 2), "split": np.repeat(["train", "test"], rows // 2)}
    )


def news(training: list[str], test: list[str]) -> pd.DataFrame:
    """Posts that are by turns about PCs and Macs."""
    names = ["comp.sys.ibm.pc.hardware", "comp.sys.mac.hardware"]
    return pd.DataFrame(
        {
            "text": training + test,
            "target_name": names * (len(training) // 2) + names * (len(test) // 2),
            "split": ["train"] * len(training) + ["test"] * len(test),
        }
    )


def originals(task: Task) -> list[tuple[str, int]]:
    """The dataset's part and row behind each row of the task."""
    tests = set(task.test.tolist())
    return [("test" if row in tests else "train", origin) for row, origin in enumerate(task.origins.tolist())]


def test_shape_of_a_task(name, folder):
    task = load_task(name, folder, seed=0, **SIZES)
    assert task.name == name
    assert task.inputs.dtype == torch.float64
    assert task.inputs.isfinite().all()
    assert task.labels.dtype == torch.int64
    assert [len(part) for part in (task.train, task.validation, task.test)] == [60, 40, 30]
    assert torch.cat([task.train, task.validation, task.test]).equal(torch.arange(130))
    assert len(task.inputs) == len(task.labels) == 130
    assert all(task.labels[part].unique().tolist() == [0, 1] for part in (task.train, task.validation, task.test))
    assert task.inputs.shape[1:] == (1, 28, 28) if "mnist" in name else task.inputs.ndim == 2
    assert len(set(originals(task))) == 130  # no row twice, in one part or in two


def test_the_seed_decides_which_rows(name, folder):
    first, again, other = (load_task(name, folder, seed, **SIZES) for seed in (3, 3, 4))
    for field in ("inputs", "labels", "origins"):
        assert getattr(first, field).equal(getattr(again, field))
    assert set(originals(first)) != set(originals(other))


def test_the_papers_sizes_are_the_default(dataset_file):
    task = load_task("mnist", dataset_file("mnist.npz").parent, seed=0)
    assert [len(part) for part in (task.train, task.validation, task.test)] == [256, 256, 256]


@pytest.mark.parametrize(
    ("name", "column", "classes"),
    [
        ("adult", "income", ("<=50K", ">50K")),
        ("20news", "target_name", ("comp.sys.ibm.pc.hardware", "comp.sys.mac.hardware")),
    ],
)
def test_labels_of_tables(name, column, classes, folder):
    frame = pd.read_parquet(folder / FILES[name])
    parts = {split: frame[frame["split"] == split] for split in ("train", "test")}
    task = load_task(name, folder, seed=1, **SIZES)
    assert task.classes == classes
    assert [classes[label] for label in task.labels] == [parts[part][column].iloc[row] for part, row in originals(task)]


@pytest.mark.parametrize(("name", "classes", "raw"), [("mnist", ("1", "7"), (1, 7)), ("emnist", ("A", "B"), (1, 2))])
def test_labels_and_pixels_of_images(name, classes, raw, folder):
    if name == "mnist":
        arrays = np.load(folder / "mnist.npz")
        parts = {part: (arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")}
    else:
        parts = write_emnist(folder)
    task = load_task(name, folder, seed=1, **SIZES)
    assert task.classes == classes
    for row, (part, origin) in enumerate(originals(task)):
        pixels, label = parts[part][0][origin] / 255, parts[part][1][origin]
        assert raw[task.labels[row]] == label
        standardised = (pixels - pixels.mean()) / pixels.std(ddof=1)
        np.testing.assert_allclose(task.inputs[row, 0].numpy(), standardised, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["adult", "20news"])
def test_scaled_by_the_training_rows(name, folder):
    task = load_task(name, folder, seed=2, **SIZES)
    columns = slice(0, len(NUMBERS)) if name == "adult" else slice(None)
    deviation, mean = torch.std_mean(task.inputs[task.train, columns], dim=0, correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-12, rtol=0)
    torch.testing.assert_close(deviation, torch.ones_like(mean))
    assert (task.inputs[task.test, columns].mean(dim=0).abs() > 1e-3).any()


@pytest.mark.parametrize("name", ["adult", "20news"])
def test_test_rows_do_not_touch_the_others(name, folder):
    """Another number of test rows keeps the same bits of the training and validation rows."""
    few, many = (load_task(name, folder, seed=2, **SIZES | {"test": test}) for test in (10, 100))
    assert few.inputs[:100].equal(many.inputs[:100])
    assert few.origins[:100].equal(many.origins[:100])


def test_adult_columns_by_hand(tmp_path):
    frame = adult()
    frame["sex"] = ["Male"] * 15 + ["?"] * 5 + ["Unseen"] * 20
    frame.to_parquet(tmp_path / "adult.parquet")
    task = load_task("adult", tmp_path, seed=0, train=16, validation=4, test=20)
    training = frame.iloc[task.origins[task.train].numpy()]
    numbers = training[list(NUMBERS)].to_numpy(float)
    expected = (frame[list(NUMBERS)].to_numpy(float)[20:] - numbers.mean(axis=0)) / numbers.std(axis=0)
    order = task.origins[task.test].numpy()
    np.testing.assert_allclose(task.inputs[task.test, : len(NUMBERS)].numpy(), expected[order], rtol=1e-12, atol=1e-12)

    # Seven columns of a and b, and Male: "?" counts as the commonest training category, one never seen as none.
    assert task.inputs.shape == (40, len(NUMBERS) + 7 * 2 + 1)
    assert (task.inputs[:20, len(NUMBERS) :].sum(dim=1) == 8).all()
    assert (task.inputs[task.test, len(NUMBERS) :].sum(dim=1) == 7).all()
    commonest = training["race"][training["race"] != "?"].mode()[0]
    start = len(NUMBERS) + 2 * CATEGORIES.index("race")
    race = frame["race"].iloc[20:].replace("?", commonest).to_numpy()[order]
    assert task.inputs[task.test, start + 1].tolist() == [float(value == "b") for value in race]


def test_words_are_those_of_some_training_texts(tmp_path):
    training = [f"memory lonely{number} pair{number // 2} {'the' * (number < 3)}" for number in range(20)]
    news(training, ["pair1 memory unseen", "pair2 pair3"] * 5).to_parquet(tmp_path / "20news_ibm_mac.parquet")
    task = load_task("20news", tmp_path, seed=0, train=18, validation=2, test=10)
    numbers = [number // 2 for number in task.origins[task.train].tolist()]
    pairs = [pair for pair in range(10) if numbers.count(pair) == 2]
    assert task.inputs.shape == (30, len(pairs))
    for column, pair in enumerate(pairs):
        present = task.inputs[task.train, column] > 0
        assert present.tolist() == [number == pair for number in numbers]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("adult", ("lacks adult.parquet", "archive.ics.uci.edu", "age, fnlwgt", "income, split (train or test)")),
        ("20news", ("lacks 20news_ibm_mac.parquet", "qwone.com", "text, target_name, split")),
        ("mnist", ("lacks mnist.npz", "mnist.npz, with the arrays x_train, y_train, x_test, y_test")),
        (
            "emnist",
            (
                "lacks emnist-letters-train-images-idx3-ubyte.gz, emnist-letters-train-labels-idx1-ubyte.gz, "
                "emnist-letters-test-images-idx3-ubyte.gz, emnist-letters-test-labels-idx1-ubyte.gz",
                "gzip.zip of https://www.nist.gov/itl/products-and-services/emnist-dataset",
            ),
        ),
    ],
)
def test_missing_files_are_named(tmp_path, name, parts):
    with pytest.raises(InputError) as caught:
        load_task(name, tmp_path, seed=0)
    assert all(part in str(caught.value) for part in (str(tmp_path), *parts))


def test_only_the_missing_files_are_named(tmp_path):
    write_emnist(tmp_path)
    (tmp_path / "emnist-letters-test-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match=r"lacks emnist-letters-test-labels-idx1-ubyte\.gz; needed"):
        load_task("emnist", tmp_path, seed=0)


def test_a_task_there_is_not(tmp_path):
    with pytest.raises(InputError, match="no task 'cifar'; there are: adult, 20news, mnist, emnist"):
        load_task("cifar", tmp_path, seed=0)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (adult().drop(columns=["sex", "split"]), "lacks the columns sex, split; it has: age"),
        (adult().replace({"race": {"?": None}}), "has empty cells in the columns race"),
    ],
)
def test_tables_that_are_not_what_they_should_be(tmp_path, frame, message):
    frame.to_parquet(tmp_path / "adult.parquet")
    with pytest.raises(InputError, match=re.escape(message)):
        load_task("adult", tmp_path, seed=0)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            (18, 3, 5),
            "adult: 18 train and 3 validation rows are too many: that part of the dataset has 20 (10 of <=50K",
        ),
        ((5, 5, 21), "adult: 21 test rows are too many: that part of the dataset has 20"),
        ((10, 1, 10), "with seed 0, the 1 validation rows are not of both classes"),
    ],
)
def test_too_few_rows(tmp_path, sizes, message):
    adult().to_parquet(tmp_path / "adult.parquet")
    with pytest.raises(InputError, match=re.escape(message)):
        load_task("adult", tmp_path, 0, *sizes)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x_train": np.zeros((2, 28, 28)), "y_train": np.zeros(2)},
            "lacks the arrays x_test, y_test; it has: x_train",
        ),
        (
            {"x_train": np.zeros((2, 28, 28)), "y_train": np.zeros(3), "x_test": np.zeros(2), "y_test": np.zeros(2)},
            "labels of shape (3,) need images of shape (3, 28, 28), not (2, 28, 28)",
        ),
    ],
)
def test_arrays_that_are_not_what_they_should_be(tmp_path, arrays, message):
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(InputError, match=re.escape(message)):
        load_task("mnist", tmp_path, seed=0)


@pytest.mark.parametrize("bare_array", [False, True])
def test_mnist_that_is_no_archive(tmp_path, bare_array):
    if bare_array:
        with (tmp_path / "mnist.npz").open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        (tmp_path / "mnist.npz").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"cannot read .*mnist\.npz"):
        load_task("mnist", tmp_path, seed=0)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx(tmp_path, suffix):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    path = tmp_path / f"array{suffix}"
    path.write_bytes(gzip.compress(idx(array)) if suffix else idx(array))
    np.testing.assert_array_equal(read_idx(path, 3), array)


GOOD = idx(np.zeros((2, 3, 4)))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a", GOOD[:-1], "should hold 40 bytes, by its header, but holds 39"),
        ("a", GOOD + b"\0", "should hold 40 bytes, by its header, but holds 41"),
        ("a", GOOD[:9], "by its header, but holds 9"),
        ("a", idx(np.zeros(5)), "with 3 dimensions: it starts with '00000801', not '00000803'"),
        ("a", b"\0\0\x0d\x03" + GOOD[4:], "it starts with '00000d03'"),
        ("a", b"", "it starts with ''"),
        ("a.gz", GOOD, "cannot read"),
        ("a.gz", gzip.compress(GOOD, mtime=0)[:-9], "cannot read"),
        ("a.gz", gzip.compress(GOOD, mtime=0)[:10] + b"\xff" * 30, "cannot read"),
    ],
)
def test_idx_files_that_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_idx(tmp_path / name, 3)
