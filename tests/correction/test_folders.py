from __future__ import annotations

import csv
import os
import re
import shutil

import pytest

from labelaudit.correction.folders import check_folder_label, write_corrected_folder, write_manifest
from labelaudit.data.folder import open_folder
from labelaudit.errors import InputError
from tests.conftest import SAMPLE
from tests.correction.reports import tree


@pytest.fixture
def source(tmp_path):
    """Real digits, some of them of the same name in two classes, and what else lies in a folder."""
    folder = tmp_path / "source"
    digits = sorted((SAMPLE / "train" / "3").iterdir())
    for number, name in enumerate(("1/a.png", "1/b.png", "1/sub/a.png", "7/a.png", "7/c.png", "loose.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(digits[number], folder / name)
    (folder / "README.txt").write_text("about")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x").write_text("x")
    (folder / "empty").mkdir()
    return folder


MOVES = {"1/b.png": "7", "1/a.png": "7", "1/sub/a.png": "7", "7/c.png": "new class", "loose.png": "1"}


@pytest.mark.parametrize("mode", ["copy", "hardlink", "symlink"])
def test_files_move_and_nothing_is_lost(source, tmp_path, mode):
    before = tree(source)
    out = tmp_path / "out"
    new_ids = write_corrected_folder(source, out, MOVES, mode)
    assert new_ids == {
        "1/a.png": "7/a-1.png",
        "1/b.png": "7/b.png",
        "1/sub/a.png": "7/sub/a.png",
        "7/c.png": "new class/c.png",
        "loose.png": "1/loose.png",
    }
    after = tree(out)
    expected = {new_ids.get(name, name): digest for name, digest in before.items()}
    assert after == expected | {"new class": "folder", "7/sub": "folder"}
    assert tree(source) == before
    moved = out / "7/b.png"
    assert moved.is_symlink() == (mode == "symlink")
    assert moved.samefile(source / "1/b.png") == (mode != "copy")
    if mode == "copy":
        assert moved.stat().st_mtime == (source / "1/b.png").stat().st_mtime
    assert dict(zip(open_folder(out).ids, open_folder(out).labels, strict=True))["new class/c.png"] == "new class"


def test_files_that_change_places_need_no_other_names(source, tmp_path):
    assert write_corrected_folder(source, tmp_path / "out", {"1/a.png": "7", "7/a.png": "1"}, "copy") == {
        "1/a.png": "7/a.png",
        "7/a.png": "1/a.png",
    }


def test_names_that_differ_in_case_only_are_kept_apart(source, tmp_path):
    (source / "1/a.png").rename(source / "1/A.png")
    assert write_corrected_folder(source, tmp_path / "out", {"1/A.png": "7"}, "copy") == {"1/A.png": "7/A-1.png"}


def test_links_in_the_source(source, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (source / "7").rename(elsewhere)
    (source / "7").symlink_to(elsewhere)
    (source / "1" / "loop").symlink_to(source)
    (source / "1" / "gone.png").symlink_to("nowhere")
    new_ids = write_corrected_folder(source, tmp_path / "out", {"7/c.png": "1", "1/gone.png": "7"}, "copy")
    assert new_ids == {"7/c.png": "1/c.png", "1/gone.png": "7/gone.png"}
    assert (tmp_path / "out" / "7" / "gone.png").readlink().name == "nowhere"
    assert not (tmp_path / "out" / "7").is_symlink()
    assert sorted(path.name for path in elsewhere.iterdir()) == ["a.png", "c.png"]


def test_names_that_are_not_utf8(source, tmp_path):
    folder = os.fsdecode(b"caf\xe9")
    (source / "7").rename(source / folder)
    new_ids = write_corrected_folder(source, tmp_path / "out", {"1/b.png": r"caf\xe9", r"caf\xe9/c.png": "1"}, "copy")
    assert new_ids == {"1/b.png": r"caf\xe9/b.png", r"caf\xe9/c.png": "1/c.png"}
    assert (tmp_path / "out" / folder / "b.png").is_file()
    with pytest.raises(InputError, match=re.escape(r"'caf\\xe9/a.png' is not UTF-8")):
        write_manifest(source, tmp_path / "m.csv", {}, tmp_path)


@pytest.mark.parametrize(
    "label",
    ["", ".", "..", "../x", "a/b", "/etc", "a\\b", "nul\0", "new\nline", ".hidden", " x", "x ", "__MACOSX", "é" * 128],
)
def test_labels_that_are_no_folders(source, tmp_path, label):
    for refused in (
        lambda: check_folder_label(label),
        lambda: write_corrected_folder(source, tmp_path / "out", {"1/a.png": label}, "copy"),
        lambda: write_manifest(source, tmp_path / "m.csv", {"1/a.png": label}, tmp_path),
    ):
        with pytest.raises(InputError, match="cannot be the name of a class folder"):
            refused()
    assert not (tmp_path / "out").exists()


def test_a_class_of_the_name_of_a_file(source, tmp_path):
    with pytest.raises(InputError, match="a class folder cannot be made"):
        write_corrected_folder(source, tmp_path / "out", {"1/a.png": "README.txt"}, "copy")


def test_what_is_neither_file_nor_folder(source, tmp_path):
    os.mkfifo(source / "pipe")
    with pytest.raises(InputError, match="pipe is neither a file nor a folder"):
        write_corrected_folder(source, tmp_path / "out", {}, "copy")


def test_manifest_points_to_the_files_where_they_are(source, tmp_path):
    assert write_manifest(source, tmp_path / "m.csv", {"1/a.png": "7", "loose.png": "é,"}, tmp_path) is None
    with (tmp_path / "m.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["path", "label"],
        ["source/1/a.png", "7"],
        ["source/1/b.png", "1"],
        ["source/1/sub/a.png", "1"],
        ["source/7/a.png", "7"],
        ["source/7/c.png", "7"],
        ["source/loose.png", "é,"],
    ]
    (tmp_path / "there").mkdir()
    note = write_manifest(source, tmp_path / "there" / "m.csv", {}, tmp_path / "there")
    assert note == f"paths in the manifest are relative to {source}: read it with --image-root {source}"
    assert "\r\n1/a.png,1\r\n" in (tmp_path / "there" / "m.csv").read_bytes().decode()
