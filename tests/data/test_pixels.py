from __future__ import annotations

import numpy as np
import pytest
import torch

from labelaudit import scan
from labelaudit.data.pixels import DecodedAnew, LostRowsError, allocate, choose_place
from labelaudit.errors import InputError
from labelaudit.progress import ignore
from tests.support.paths import SAMPLE

SHAPE = (10, 3, 20, 20)  # 12,000 bytes


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Set what is free, in bytes."""
    monkeypatch.setenv("LABELAUDIT_CACHE", str(tmp_path / "cache"))

    def free(memory: int, disk: int) -> None:
        monkeypatch.setattr("labelaudit.data.pixels.free_memory", lambda device: memory)
        monkeypatch.setattr("labelaudit.data.pixels.free_disk", lambda folder: disk)

    return free


def test_memory_where_it_is_plentiful_else_the_disk(machine):
    machine(24_000, 0)
    assert choose_place(SHAPE, "auto", None) == "memory"
    machine(23_999, 15_000)
    assert choose_place(SHAPE, "auto", None) == "disk"
    assert choose_place(SHAPE, "memory", None) == "memory"
    assert choose_place(SHAPE, "disk", None) == "disk"
    assert choose_place(SHAPE, "none", None) == "none"


@pytest.mark.parametrize(
    ("cache", "limit", "message"),
    [
        ("auto", None, r"10 images of 20×20 pixels need 0.0 MB; 0.0 MB of the disk of .* try `image_cache` none"),
        ("memory", None, r"0.0 MB of memory may be used: try `image_cache` disk, `image_cache` none"),
        ("disk", 1e-6, "of the disk of"),
    ],
)
def test_what_fits_nowhere_is_refused_with_what_would(machine, cache, limit, message):
    machine(14_000, 14_000 if limit is None else 10**9)
    with pytest.raises(InputError, match=message):
        choose_place(SHAPE, cache, limit)


def test_a_file_is_memory_and_leaves_nothing(machine, tmp_path):
    pixels = allocate(SHAPE, "disk")
    pixels[3, 1] = 7
    assert torch.from_numpy(pixels)[torch.tensor([3, 0])][:, 1, 0, 0].tolist() == [7, 0]
    assert list((tmp_path / "cache" / "pixels").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("LABELAUDIT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"cannot write below .*cache/pixels.*LABELAUDIT_CACHE"):
        allocate(SHAPE, "disk")


def test_decoded_anew_it_is_what_was_asked_for_and_a_lost_row_is_told_once():
    gone: dict[int, str] = {}

    def decode(rows, pixels, progress):
        if pixels is not None:
            pixels += np.array(rows, dtype=np.uint8)[:, None, None, None]
        return {row: why for row, why in gone.items() if row in rows}

    images = DecodedAnew(decode, SHAPE)
    four_and_two = torch.tensor([4, 2])
    assert images[four_and_two].shape == (2, 3, 20, 20)
    assert images[four_and_two][:, 0, 0, 0].tolist() == [4, 2]
    gone |= {4: "vanished", 1: "changed"}
    with pytest.raises(LostRowsError, match="1 image has changed or vanished since the run began: row 4, vanished"):
        images[four_and_two]
    assert images[four_and_two][:, 0, 0, 0].tolist() == [0, 2]
    del gone[4]  # it is back, but not trained on by some networks only
    assert images.look(ignore) == {4: "vanished", 1: "changed"}
    assert images[four_and_two][:, 0, 0, 0].tolist() == [0, 2]


def test_wherever_images_are_kept_the_report_is_the_same(monkeypatch, tmp_path):
    monkeypatch.setenv("LABELAUDIT_CACHE", str(tmp_path))
    source, test = tmp_path / "data", tmp_path / "test"
    for digit in "01":
        for folder, part in ((source, slice(8)), (test, slice(8, 12))):
            (folder / digit).mkdir(parents=True)
            for file in sorted((SAMPLE / "train" / digit).iterdir())[part]:
                (folder / digit / file.name).write_bytes(file.read_bytes())
    (source / "0" / "broken.png").write_bytes(b"no image")
    reports = [
        scan(source, model="lr", epochs=1, max_unreadable=1.0, test=test, image_cache=cache).table
        for cache in ("memory", "disk", "none")
    ]
    assert reports[0].equals(reports[1])
    assert reports[0].equals(reports[2])
