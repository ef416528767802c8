"""Data lead nowhere outside their folder, only regular files are opened, and each real folder is walked once."""

from __future__ import annotations

import os
import shutil
import socket

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit import InputError, load_dataset
from labelaudit.config import SourceConfig
from labelaudit.data.hashing import hash_rows
from labelaudit.data.images import decode
from tests.support.paths import SAMPLE

DIGITS = sorted((SAMPLE / "train" / "3").iterdir())[:4]


@pytest.fixture
def place(tmp_path):
    """A folder of class folders, and beside it what is private."""
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for digit in DIGITS[:2]:
            shutil.copy(digit, tmp_path / "data" / name)
    (tmp_path / "private").mkdir()
    shutil.copy(DIGITS[3], tmp_path / "private" / "secret.png")
    return tmp_path


def problems_of(dataset):
    pixels = np.zeros((len(dataset), 1, 28, 28), np.uint8)
    found = decode(dataset.content, dataset.problems, 1, lambda image: image, pixels, lambda _: None)
    return found.problems, pixels


def parquet(folder, paths):
    images = pa.array(
        [{"bytes": None, "path": path} for path in paths], pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    )
    pq.write_table(pa.table({"image": images, "label": ["x", "y"] * (len(paths) // 2)}), folder / "d.parquet")
    return folder / "d.parquet"


@pytest.mark.parametrize(
    "path",
    ["{}/private/secret.png", "../private/secret.png", "a/../../private/secret.png", "/dev/zero", "/proc/self/environ"],
)
def test_a_parquet_image_struct_reads_nothing_outside(place, path):
    source = parquet(place / "data", ["a/" + DIGITS[0].name, path.format(place)])
    with pytest.raises(InputError, match=r"d.parquet, row 1: image path '.*' leads outside .*data"):
        load_dataset(source)


def test_a_parquet_image_struct_reads_what_is_inside(place):
    source = parquet(place / "data", ["a/" + DIGITS[0].name, "b/" + DIGITS[1].name])
    dataset = load_dataset(source)
    assert [dataset.content.read(row) for row in range(2)] == [file.read_bytes() for file in DIGITS[:2]]
    outside = parquet(place / "data", ["secret.png", str(place / "private" / "secret.png")])
    dataset = load_dataset(outside, SourceConfig(image_root=place / "private"))
    assert [dataset.content.read(row) for row in range(2)] == [DIGITS[3].read_bytes()] * 2


@pytest.mark.parametrize("form", ["parquet", "csv", "folder"])
def test_links_are_followed_only_while_they_stay_inside(place, form):
    data = place / "data"
    (data / "a" / "link.png").symlink_to(place / "private" / "secret.png")
    (data / "a" / "hop.png").symlink_to("link.png")
    (data / "a" / "fine.png").symlink_to(data / "b" / DIGITS[1].name)
    paths = ["a/link.png", "a/hop.png", "a/fine.png", "b/" + DIGITS[0].name]
    if form == "csv":
        (data / "m.csv").write_text("path,label\n" + "".join(f"{path},{path[0]}\n" for path in paths))
        dataset = load_dataset(data / "m.csv")
    else:
        dataset = load_dataset(parquet(data, paths) if form == "parquet" else data)
    problems, pixels = problems_of(dataset)
    names = (
        dict(zip(paths, range(4), strict=True))
        if form != "folder"
        else {name: dataset.ids.index(name) for name in paths}
    )
    for name in paths[:2]:
        assert problems[names[name]] == f"cannot be read: leads outside {data}"
        assert not pixels[names[name]].any()
    assert problems[names["a/fine.png"]] is None
    allowed = load_dataset(data, SourceConfig(image_root=place / "private"))
    assert problems_of(allowed)[0] == (None,) * len(allowed)


def test_a_linked_class_folder_outside_is_refused_unless_named(place):
    (place / "data" / "c").symlink_to(place / "private", target_is_directory=True)
    with pytest.raises(InputError, match=r"data/c is a link that leads outside .*data.*`image_root`"):
        load_dataset(place / "data")
    dataset = load_dataset(place / "data", SourceConfig(image_root=place / "private"))
    assert dataset.ids[-1] == "c/secret.png"
    assert dataset.content.read(4) == DIGITS[3].read_bytes()


def test_saved_hugging_face_folders_read_nothing_outside(place):
    features = datasets.Features({"image": datasets.Image(decode=False), "label": datasets.Value("string")})
    rows = {"image": [{"bytes": DIGITS[0].read_bytes(), "path": None}] * 2, "label": ["x", "y"]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(place / "saved")
    file = next((place / "saved").glob("*.arrow"))
    with pa.memory_map(str(file)) as source:
        table = pa.ipc.open_stream(source).read_all()
    kind = table.schema.field("image").type
    image = pa.array([{"bytes": None, "path": str(place / "private" / "secret.png")}] * 2, kind)
    with pa.OSFile(str(place / "new.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.set_column(table.column_names.index("image"), table.schema.field("image"), image))
    (place / "new.arrow").replace(file)
    with pytest.raises(InputError, match=r"row 0: image path '.*secret.png' leads outside .*saved"):
        load_dataset(place / "saved")


def test_what_is_no_regular_file_is_an_unreadable_row(place):
    """Opening a FIFO waits for a writer, for ever."""
    os.mkfifo(place / "data" / "a" / "fifo.png")
    (place / "data" / "a" / "zero.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "data" / "a" / "socket.png"))
        dataset = load_dataset(place / "data", SourceConfig(image_root="/"))
        problems = dict(zip(dataset.ids, problems_of(dataset)[0], strict=True))
    for name in ("a/fifo.png", "a/zero.png", "a/socket.png"):
        assert problems[name] == "cannot be read: not a regular file (a FIFO, device or socket)"
    assert [digest is None for digest in hash_rows(dataset, lambda _: None)].count(True) == 3


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_a_table_that_is_no_regular_file_is_refused_at_once(place, name):
    os.mkfifo(place / name)
    with pytest.raises(InputError, match=rf"{name} is not a regular file"):
        load_dataset(place / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot read .*v.npy"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'", "cannot read .*v.npy"),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"[" * 16, "cannot read .*v.npy"),
        (np.zeros((4, 0), np.float32), "not an array of numbers with two axes"),
        (np.zeros((4, 2), np.complex64), "not an array of numbers with two axes"),
        (np.zeros((3, 2), np.float32), "has 3 rows, .* has 4"),
    ],
)
def test_vectors_of_any_kind(place, content, message):
    if isinstance(content, bytes):
        (place / "v.npy").write_bytes(content)
    else:
        np.save(place / "v.npy", content)
    with pytest.raises(InputError, match=message):
        load_dataset(place / "data", SourceConfig(vectors=place / "v.npy"))


def test_vectors_that_are_a_fifo_are_refused_at_once(place):
    os.mkfifo(place / "v.npy")
    with pytest.raises(InputError, match=r"`vectors`: .*v.npy is not a regular file"):
        load_dataset(place / "data", SourceConfig(vectors=place / "v.npy"))


def test_a_tree_of_links_that_multiplies_is_walked_once(place):
    """Each level has two links to the next: 2⁴⁰ paths, but 41 folders."""
    data = place / "data"
    for level in range(40):
        (data / f".level{level}").mkdir()
    for level in range(39):
        for name in ("x", "y"):
            (data / f".level{level}" / name).symlink_to(data / f".level{level + 1}")
    shutil.copy(DIGITS[2], data / ".level39" / "deep.png")
    (data / "c").symlink_to(".level0")
    dataset = load_dataset(data)
    assert [name.rpartition("/")[2] for name in dataset.ids].count("deep.png") == 1
    assert any("39 links to folders left out" in note for note in dataset.notes)


def test_a_class_folder_that_is_linked_twice_is_read_once_under_its_own_name(place):
    (place / "data" / "0-first").symlink_to("b")
    dataset = load_dataset(place / "data")
    assert dataset.classes == ("a", "b")
    assert dataset.notes == ("1 link to folders left out, as 0-first: it leads to b, whose files are there already",)
