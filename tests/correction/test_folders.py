from __future__ import annotations

import csv
import os
import re
import shutil
from pathlib import Path

import pytest

from labelaudit.correction.folders import check_folder_label, write_corrected_folder, write_manifest
from labelaudit.data.folder import open_folder
from labelaudit.errors import InputError
from tests.support.paths import SAMPLE
from tests.support.reports import tree


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
    (source / ".store").mkdir()
    (source / "7").rename(source / ".store" / "seven")
    (source / "7").symlink_to(source / ".store" / "seven")
    (source / "1" / "loop").symlink_to(source)
    (source / "1" / "gone.png").symlink_to("nowhere")
    (source / "1" / "again").symlink_to(source / "1" / "sub")
    new_ids = write_corrected_folder(source, tmp_path / "out", {"7/c.png": "1", "1/gone.png": "7"}, "copy")
    assert new_ids == {"7/c.png": "1/c.png", "1/gone.png": "7/gone.png"}
    out = tmp_path / "out"
    assert (out / "7" / "gone.png").readlink() == Path("../1/nowhere")
    assert not (out / "7").is_symlink()
    assert (out / "1" / "loop").readlink() == Path("..")
    assert (out / "1" / "again").readlink() == Path("sub")
    assert sorted(path.name for path in (source / ".store" / "seven").iterdir()) == ["a.png", "c.png"]


@pytest.mark.parametrize("target", ["../../out-there/new.png", "/etc/passwd", "../../elsewhere"])
def test_links_that_leave_the_source_are_refused_dangling_or_not(source, tmp_path, target):
    """A link to nothing in the source may lead to something beside the copy, and files be written through it."""
    (tmp_path / "elsewhere").mkdir()
    (source / "1" / "zz.png").symlink_to(target)
    before = tree(tmp_path / "elsewhere")
    for labels in ({}, {"1/a.png": "7"}):
        with pytest.raises(InputError, match=r"zz.png is a link that leads outside .*source"):
            write_corrected_folder(source, tmp_path / "out", labels, "copy")
    assert tree(tmp_path / "elsewhere") == before
    assert not (tmp_path / "out-there").exists()


def test_nothing_is_written_through_a_link_of_the_source(source, tmp_path):
    """A class folder that is a link to nothing in the source, and is made by a file that moves there."""
    (source / "new").symlink_to("1/to-be-made")
    with pytest.raises(InputError, match=r"a class folder cannot be made: .*new is a file's name"):
        write_corrected_folder(source, tmp_path / "out", {"1/a.png": "new"}, "copy")
    assert not (tmp_path / "out" / "1" / "to-be-made").exists()


def test_a_manifest_holds_no_formulas(source, tmp_path):
    (source / "=1+1").mkdir()
    (source / "-1").mkdir()
    for name in ("=1+1/=cmd.png", "-1/x.png"):
        shutil.copy(source / "1" / "a.png", source / name)
    notes = write_manifest(source, source.parent / "m.csv", {}, source)
    assert notes == ["classes that a spreadsheet would run as formulas have an apostrophe before them: =1+1"]
    with (tmp_path / "m.csv").open(encoding="utf-8", newline="") as file:
        rows = dict(csv.reader(file))
    assert rows["./=1+1/=cmd.png"] == "'=1+1"
    assert rows["./-1/x.png"] == "-1"
    assert not any(cell.startswith(("=", "+", "@")) for row in rows.items() for cell in row)


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
    with pytest.raises(InputError, match=r"a class folder cannot be made"):
        write_corrected_folder(source, tmp_path / "out", {"1/a.png": "README.txt"}, "copy")


def test_what_is_neither_file_nor_folder(source, tmp_path):
    os.mkfifo(source / "pipe")
    with pytest.raises(InputError, match="pipe is neither a file nor a folder"):
        write_corrected_folder(source, tmp_path / "out", {}, "copy")


def test_manifest_points_to_the_files_where_they_are(source, tmp_path):
    assert write_manifest(source, tmp_path / "m.csv", {"1/a.png": "7", "loose.png": "é,"}, tmp_path) == []
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
    (note,) = write_manifest(source, tmp_path / "there" / "m.csv", {}, tmp_path / "there")
    assert note == f"paths in the manifest are relative to {source}: read it with `image_root` {source}"
    assert "\r\n1/a.png,1\r\n" in (tmp_path / "there" / "m.csv").read_bytes().decode()
