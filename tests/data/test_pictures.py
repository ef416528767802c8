"""Image files as they come: formats, depths, transparency, folders of all shapes."""

from __future__ import annotations

import csv
import io
import unicodedata

import numpy as np
import pytest
from PIL import Image

from labelaudit.config import SourceConfig
from labelaudit.data.images import open_image
from labelaudit.data.sources import load_dataset
from labelaudit.errors import InputError

RAMP = np.tile(np.arange(0, 64, dtype=np.int64), (64, 1))


def encode(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def picture(number=0, size=12):
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (size, size, 3), dtype=np.uint8))


def fill(folder, names=("a.png", "b.png"), form="PNG"):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(encode(picture(number), form))
    return folder


@pytest.mark.parametrize("highest", [63, 255, 4095, 65535])
@pytest.mark.parametrize(("dtype", "form"), [(np.uint16, "PNG"), (np.uint16, "TIFF"), (np.int32, "TIFF")])
def test_deep_images_are_scaled_by_their_own_range(highest, dtype, form):
    content = encode(Image.fromarray((RAMP * highest // 63).astype(dtype)), form)
    found = np.asarray(open_image(content, 1)).astype(int)
    assert abs(found - RAMP * 255 / 63).max() <= 1 + 255 / highest


@pytest.mark.parametrize(("ink", "paper"), [("white", 0), ("black", 255)])
def test_a_shape_in_the_alpha_channel_alone_stays_visible(ink, paper):
    image = Image.new("RGBA", (20, 20), ink)
    alpha = np.zeros((20, 20), np.uint8)
    alpha[5:15, 5:15] = 255
    image.putalpha(Image.fromarray(alpha))
    found = np.asarray(open_image(encode(image, "PNG"), 1))
    assert (found[0, 0], found[10, 10]) == (paper, 255 - paper)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_all_modes_become_colour_and_grey(mode):
    image = picture().convert("L").convert(mode) if mode in ("I;16",) else picture().convert(mode)
    content = encode(image, "JPEG" if mode in ("CMYK", "YCbCr") else "PNG")
    assert open_image(content, 3).mode == "RGB"
    assert open_image(content, 1).mode == "L"


def test_turned_animated_and_truncated_files():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter
    wide = Image.new("RGB", (20, 10), "red")
    assert open_image(encode(wide, "JPEG", exif=exif), 3).size == (10, 20)
    frames = [Image.new("L", (8, 8), grey) for grey in (10, 200)]
    animated = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.asarray(open_image(animated, 1)).max() == 10
    with pytest.raises(OSError, match="truncated"):
        open_image(encode(picture(size=60), "JPEG")[:-400], 3)


def test_files_are_recognised_by_their_bytes(tmp_path):
    for name in ("cat", "dog"):
        fill(tmp_path / name, ("a.jfif", "noending", "b.JPG", "c.jpe", "d.dat"), "JPEG")
        fill(tmp_path / name, ("e.avif",), "AVIF")
        fill(tmp_path / name, ("f", "g.bmp"), "BMP")
        (tmp_path / name / "notes.txt").write_text("no picture")
        (tmp_path / name / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
        (tmp_path / name / ".DS_Store").write_bytes(b"\0\0")
    fill(tmp_path / ".cache" / "x")
    fill(tmp_path / "__MACOSX" / "x")
    dataset = load_dataset(tmp_path)
    assert len(dataset) == 16
    assert {file.removeprefix("cat/") for file in dataset.ids if file.startswith("cat")} == {
        "a.jfif",
        "noending",
        "b.JPG",
        "c.jpe",
        "d.dat",
        "e.avif",
        "f",
        "g.bmp",
    }
    assert "4 other files left out (2 .db, 2 .txt)" in dataset.notes
    assert dataset.classes == ("cat", "dog")


def test_what_is_no_image_is_named_by_ending_and_number(tmp_path):
    (tmp_path / "cat").mkdir()
    for name in ("a.heic", "b.heic", "c.svg"):
        (tmp_path / "cat" / name).write_bytes(b"\0" * 40)
    with pytest.raises(InputError, match=r"no images in .*it holds 3 files of other kinds: 2 .heic, 1 .svg"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    "names",
    [("train2017", "val2017"), ("train_set", "test_set"), ("train", "val", "unlabeled"), ("Training", "Testing"),
     ("train_images", "test_images"), ("train", "dev", "test")],
)  # fmt: skip  # data, read as a table
def test_folders_that_look_like_splits_are_no_classes(tmp_path, names):
    for name in names:
        for label in ("cat", "dog"):
            fill(tmp_path / name / label)
    with pytest.raises(InputError, match=f"look like splits, not classes .*for example {tmp_path}/(?i:train)"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path / names[0]).classes == ("cat", "dog")


@pytest.mark.parametrize("names", [("train", "bus", "car"), ("trainer", "valet"), ("test tube", "beaker")])
def test_classes_that_sound_like_splits(tmp_path, names):
    for name in names:
        fill(tmp_path / name)
    assert load_dataset(tmp_path).classes == tuple(sorted(names))


def test_class_folders_one_folder_further_down_are_named(tmp_path):
    for name in ("cat", "dog"):
        fill(tmp_path / "Images" / name)
    with pytest.raises(InputError, match=r"has folders for classes \(cat, dog\): name .*Images"):
        load_dataset(tmp_path)


def test_images_of_nested_folders_are_of_the_first(tmp_path):
    fill(tmp_path / "cat" / "siamese" / "young")
    fill(tmp_path / "dog")
    fill(tmp_path, ("lone.png",))
    dataset = load_dataset(tmp_path)
    assert dataset.labels == ("cat", "cat", "dog", "dog", None)
    assert "1 image in no class folder: kept as unlabelled" in dataset.notes


def test_a_class_folder_that_is_linked_twice_is_read_once(tmp_path):
    fill(tmp_path / "cat")
    fill(tmp_path / "dog")
    (tmp_path / "hound").symlink_to(tmp_path / "dog")
    dataset = load_dataset(tmp_path)
    assert dataset.labels == ("cat", "cat", "dog", "dog")
    assert any("hound" in note and "dog" in note for note in dataset.notes)


def test_class_folders_in_two_unicode_forms_are_named_as_twins(tmp_path):
    for form in ("NFC", "NFD"):
        fill(tmp_path / unicodedata.normalize(form, "café"))
    fill(tmp_path / "bar")
    dataset = load_dataset(tmp_path)
    assert len(dataset.classes) == 3
    assert any(
        note.startswith("class names that look like one") and note.count("(2 rows)") == 2 for note in dataset.notes
    )


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_a_metadata_table_in_the_folder_is_used(tmp_path):
    fill(tmp_path / "images")
    write_csv(tmp_path / "metadata.csv", [("file_name", "label"), ("images/a.png", "cat"), ("images/b.png", "dog")])
    dataset = load_dataset(tmp_path)
    assert dataset.labels == ("cat", "dog")
    assert dataset.kind == "image folder with metadata"
    assert any("metadata.csv" in note for note in dataset.notes)
    fill(tmp_path / "images", ("c.png", "d.png"))
    note = "2 images that metadata.csv does not name: left out (images/c.png, images/d.png)"
    assert load_dataset(tmp_path).notes[-1] == note


def test_paths_of_windows(tmp_path):
    fill(tmp_path / "images")
    write_csv(tmp_path / "m.csv", [("path", "label"), ("images\\a.png", "cat"), ("images\\b.png", "dog")])
    dataset = load_dataset(tmp_path / "m.csv")
    assert open_image(dataset.content.read(1), 3).size == (12, 12)


def test_one_path_with_two_labels_is_told_and_kept(tmp_path):
    fill(tmp_path / "images")
    rows = [("path", "label"), ("images/a.png", "cat"), ("images/b.png", "dog"), ("images/a.png", "dog")]
    write_csv(tmp_path / "m.csv", rows)
    dataset = load_dataset(tmp_path / "m.csv")
    assert dataset.labels == ("cat", "dog", "dog")
    assert len(set(dataset.ids)) == 3
    assert any("1 image is in several rows, 1 of them with different labels" in note for note in dataset.notes)


def test_given_class_names_must_be_the_folders(tmp_path):
    fill(tmp_path / "cat")
    fill(tmp_path / "dog")
    assert load_dataset(tmp_path, SourceConfig(classes=("dog", "cat"))).classes == ("dog", "cat")
    with pytest.raises(InputError, match="the class folder 'dog' is none of `classes`"):
        load_dataset(tmp_path, SourceConfig(classes=("cat", "cow")))
