from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from labelaudit.data.sources import load_dataset
from labelaudit.errors import InputError
from tests.support.paths import SAMPLE


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_sample_data():
    dataset = load_dataset(SAMPLE / "train")
    assert (dataset.kind, len(dataset)) == ("image folder", 600)
    assert dataset.classes == tuple("0123456789")
    assert dataset.ids[0] == "0/00119.png"
    assert dataset.content.read(0) == (SAMPLE / "train/0/00119.png").read_bytes()


def test_class_is_the_first_folder_and_order_is_by_path(tmp_path):
    touch(tmp_path, "dog/b.JPG", "dog/deep/er/a.Tiff", "cat/z.webp", "cat/.hidden.png", "cat/notes.txt", "loose.gif")
    dataset = load_dataset(tmp_path)
    assert dataset.ids == ("cat/z.webp", "dog/b.JPG", "dog/deep/er/a.Tiff", "loose.gif")
    assert dataset.labels == ("cat", "dog", "dog", None)
    assert dataset.notes == ("1 other file left out (1 .txt)", "1 image in no class folder: kept as unlabelled")


def test_names_that_are_not_utf8_become_escapes(tmp_path):
    (tmp_path / "a").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a/\xff.png")).write_bytes(b"x")
    touch(tmp_path, "b/1.png")
    dataset = load_dataset(tmp_path)
    assert dataset.ids == ("a/\\xff.png", "b/1.png")
    assert dataset.content.read(0) == b"x"


def test_a_link_to_a_folder_above_is_not_followed(tmp_path):
    touch(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert load_dataset(tmp_path).ids == ("a/1.png", "b/1.png")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "no images in"),
        (["readme.txt"], "it holds 1 file of other kinds"),
        (["1.png", "2.png"], "no class folders"),
        (["train/1.png", "test/2.png"], "look like splits, not classes"),
    ],
)
def test_folders_without_classes_are_refused(tmp_path, files, message):
    touch(tmp_path, *files)
    with pytest.raises(InputError, match=re.escape(message)):
        load_dataset(tmp_path)


def test_what_is_not_there_or_no_data_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_dataset(tmp_path / "nothing")
    touch(tmp_path, "data.dat")
    with pytest.raises(InputError, match="neither a folder of images nor a table"):
        load_dataset(tmp_path / "data.dat")
