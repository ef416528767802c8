"""Manifests that name images without their ending or folder."""

from __future__ import annotations

import pandas as pd
import pytest

from labelaudit.data.sources import load_dataset
from labelaudit.errors import InputError
from tests.support.data import digit_files


def png(number):
    return digit_files(7)[number].read_bytes()


NAMES = ["im0", "im1", "im2", "im3"]


def manifest(tmp_path, *, folders=("train",), names=NAMES, column="id", ending=".png", **columns):
    for folder in folders:
        (tmp_path / folder).mkdir(exist_ok=True)
        for number, name in enumerate(NAMES):
            (tmp_path / folder / f"{name}{ending}").write_bytes(png(number))
    frame = pd.DataFrame({column: names, **(columns or {"breed": ["pug", "pug", "boxer", "boxer"]})})
    frame.to_csv(tmp_path / "labels.csv", index=False)
    return tmp_path / "labels.csv"


@pytest.mark.parametrize(
    ("folder", "column"), [("train", "id"), (".", "id"), ("images", "image_id"), ("x", "file_name"), ("y", "id_code")]
)
def test_images_are_found_in_the_one_folder_that_has_them_all(tmp_path, folder, column):
    found = load_dataset(manifest(tmp_path, folders=[folder], column=column))
    assert found.kind == "manifest"
    assert found.ids == tuple(NAMES)
    assert found.labels == ("pug", "pug", "boxer", "boxer")
    assert found.problems == (None,) * 4
    place = "*.png" if folder == "." else f"{folder}/*.png"
    assert f"the names in column {column!r} are those of images, {place}" in found.notes
    again = load_dataset(tmp_path / "labels.csv", found.settings)  # as `check` and `apply` read it
    assert again.ids == found.ids
    assert found.content.read(2) == again.content.read(2) == png(2)


def test_whole_numbers_name_images_too(tmp_path):
    (tmp_path / "train").mkdir()
    for number in range(4):
        (tmp_path / "train" / f"{number}.png").write_bytes(png(number))
    pd.DataFrame({"id": range(4), "label": list("abab")}).to_csv(tmp_path / "t.csv", index=False)
    assert load_dataset(tmp_path / "t.csv").kind == "manifest"


@pytest.mark.parametrize(
    ("folders", "names", "message"),
    [
        (["train", "other"], NAMES, "name one as `image_root`"),
        (["train"], ["im0", "im1", "im2", "gone"], "but 1 are not there, such as 'gone'"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_folder(tmp_path, folders, names, message):
    with pytest.raises(InputError, match=message) as raised:
        load_dataset(manifest(tmp_path, folders=folders, names=names))
    assert "train" in str(raised.value)


def test_a_table_of_more_columns_is_what_it_is(tmp_path):
    path = manifest(tmp_path, a=[1.0, 2.5, 3.0, 4.5], b=[4.0, 3.5, 2.0, 1.5], label=["x", "x", "y", "y"])
    assert load_dataset(path).kind == "table"


def test_ids_that_name_no_images_are_only_ids(tmp_path):
    path = manifest(tmp_path, names=list("wxyz"), a=[1.0, 2.5, 3.0, 4.5], label=["x", "x", "y", "y"])
    assert load_dataset(path).kind == "table"


def test_the_only_column_beside_texts_is_the_label_if_its_values_come_again(tmp_path):
    texts = [f"some words in row {row}" for row in range(6)]
    pd.DataFrame({"text": texts, "mood": ["good", "bad", "good"] * 2}).to_csv(tmp_path / "t.csv", index=False)
    found = load_dataset(tmp_path / "t.csv")
    assert found.labels == ("good", "bad", "good") * 2
    assert any("guessed labels: column 'mood'" in note for note in found.notes)
    pd.DataFrame({"text": texts, "mood": list("abcdef")}).to_csv(tmp_path / "u.csv", index=False)
    with pytest.raises(InputError, match="no label column I know"):
        load_dataset(tmp_path / "u.csv")


@pytest.mark.parametrize(
    ("before", "after"),
    [("/home/her/data/train/", "/home/her/data/"), ("D:\\data\\train\\", "D:\\data\\"), ("/train/", "/")],
)
def test_paths_of_another_machine_are_refused_with_what_to_take_off(tmp_path, before, after):
    path = manifest(tmp_path, names=[f"{before}{name}.png" for name in NAMES], column="path", label=list("aabb"))
    with pytest.raises(InputError) as raised:
        load_dataset(path)
    assert f"There is {tmp_path / 'train' / 'im0.png'}: take {after!r} off the paths" in str(raised.value)
    with pytest.raises(InputError) as raised:
        load_dataset(
            manifest(tmp_path, names=[f"/elsewhere/{n}.jpg" for n in NAMES], column="path", label=list("aabb"))
        )
    assert "off the paths" not in str(raised.value)
