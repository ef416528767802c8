"""Torch datasets: images, vectors and texts, their labels, and items that fail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from labelaudit.data.sources import load_dataset
from labelaudit.errors import InputError
from tests.support.items import Items
from tests.support.pictures import COLOUR, pixels, seen


def test_a_torch_dataset_that_fails_at_an_item():
    items = [(COLOUR[n % 3] / 255, n % 2) for n in range(10)]
    items[7], items[8] = ValueError("corrupt\nfile"), None
    dataset = load_dataset(Items(items))
    assert dataset.labels == ("0", "1") * 3 + ("0", None, None, "1")
    assert dataset.problems[7] == "the dataset raised ValueError at item 7: corrupt"
    assert dataset.problems[8] == "the dataset's item is None"
    assert (pixels(dataset, 2) == COLOUR[2]).all()


def test_a_torch_dataset_that_always_fails_says_why():
    with pytest.raises(InputError, match=r"none of the first items of Items can be read: .* raised KeyError at item 0"):
        load_dataset(Items([KeyError("pixels")] * 9))


@pytest.mark.parametrize(
    "image",
    [
        COLOUR[1],
        COLOUR[1] / 255,
        torch.from_numpy(COLOUR[1]).permute(2, 0, 1),
        torch.from_numpy(COLOUR[1]).permute(2, 0, 1) / 255,
        Image.fromarray(COLOUR[1]),
    ],
)
def test_items_of_any_kind(image):
    dataset = load_dataset(Items([(image, 0), (image, torch.tensor(1)), (image, np.int64(1))]))
    assert (pixels(dataset, 1) == COLOUR[1]).all()
    assert dataset.labels == ("0", "1", "1")


def test_labels_of_items_may_be_one_hot_but_not_several():
    one_hot = [(COLOUR[0], torch.tensor([1.0, 0.0])), (COLOUR[1], np.array([0, 1])), (COLOUR[2], torch.tensor([1, 0]))]
    assert load_dataset(Items(one_hot)).labels == ("0", "1", "0")
    with pytest.raises(InputError, match="several labels a row"):
        load_dataset(Items([*one_hot, (COLOUR[0], torch.tensor([1, 1]))]))


def test_normalised_items_are_refused():
    with pytest.raises(InputError, match="images are normalised"):
        load_dataset(Items([((COLOUR[n] / 255 - 0.5) / 0.2, n % 2) for n in range(3)]))


def folders(path):
    for name in ("cat", "dog", "horse", "zebra"):
        (path / name).mkdir(parents=True)
        for n in range(2):
            Image.new("RGB", (8, 8), (n * 100, 0, 0)).save(path / name / f"{n}.png")
    return torchvision.datasets.ImageFolder(str(path))


def test_an_image_folder_of_torchvision(tmp_path):
    dataset = load_dataset(folders(tmp_path))
    assert dataset.labels == ("cat", "cat", "dog", "dog", "horse", "horse", "zebra", "zebra")
    assert dataset.ids[:3] == ("cat/0.png", "cat/1.png", "dog/0.png")


def test_parts_of_datasets_keep_names_and_ids(tmp_path):
    whole = folders(tmp_path)
    part = torch.utils.data.Subset(whole, [6, 0, 3])
    dataset = load_dataset(part)
    assert dataset.labels == ("zebra", "cat", "dog")
    assert dataset.ids == ("zebra/0.png", "cat/0.png", "dog/1.png")
    assert dataset.classes == ("cat", "dog", "zebra")
    assert load_dataset(torch.utils.data.Subset(part, [1, 2])).labels == ("cat", "dog")
    both = torch.utils.data.ConcatDataset([part, torch.utils.data.Subset(whole, [4])])
    assert load_dataset(both).labels == ("zebra", "cat", "dog", "horse")
    split = torch.utils.data.random_split(whole, [5, 3], torch.Generator().manual_seed(0))[0]
    assert set(load_dataset(split).labels) <= {"cat", "dog", "horse", "zebra"}


def test_a_transform_of_the_labels_is_believed(tmp_path):
    folders(tmp_path)
    merged = torchvision.datasets.ImageFolder(str(tmp_path), target_transform=lambda label: label // 2)
    assert load_dataset(merged).labels == ("cat + dog",) * 4 + ("horse + zebra",) * 4

    class Swapped(torchvision.datasets.ImageFolder):
        def __getitem__(self, row):
            image, label = super().__getitem__(row)
            return image, 3 - label

    assert load_dataset(Swapped(str(tmp_path))).labels[:2] == ("zebra", "zebra")


def test_a_normalised_image_folder_is_refused(tmp_path):
    folders(tmp_path)
    steps = [torchvision.transforms.ToTensor(), torchvision.transforms.Normalize([0.5] * 3, [0.2] * 3)]
    source = torchvision.datasets.ImageFolder(str(tmp_path), transform=torchvision.transforms.Compose(steps))
    with pytest.raises(InputError, match=r"normalised .* give the dataset without that transform"):
        load_dataset(source)


def test_tensor_datasets():
    data = torch.utils.data.TensorDataset(torch.eye(4), torch.tensor([0, 1, 0, 1]))
    dataset = load_dataset(data)
    assert dataset.labels == ("0", "1", "0", "1")
    assert dataset.content.values.tolist() == torch.eye(4).tolist()
    images = torch.utils.data.TensorDataset(torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 0, 1]))
    assert pixels(load_dataset(images), 0).shape == (8, 8, 3)


def test_parts_put_together_keep_their_paths_unless_these_repeat(tmp_path):
    whole = folders(tmp_path)
    parts = [torch.utils.data.Subset(whole, [6, 0]), torch.utils.data.Subset(whole, [3])]
    assert load_dataset(torch.utils.data.ConcatDataset(parts)).ids == ("zebra/0.png", "cat/0.png", "dog/1.png")
    assert load_dataset(torch.utils.data.ConcatDataset(parts[:1] * 2)).ids == ("row-0", "row-1", "row-2", "row-3")


def test_items_may_name_their_input_and_their_label():
    grey = np.full((4, 4), 60, np.uint8)
    items = [{"id": 7, "image": grey, "label": "cat"}, {"id": 8, "image": grey, "label": "dog"}]
    dataset = load_dataset(Items(items))
    assert dataset.labels == ("cat", "dog")
    assert seen(dataset, 0) == grey.tolist()
    assert load_dataset(Items([{"Text": "so", "target": 1}, {"Text": "no", "target": 0}])).content.values == (
        "so",
        "no",
    )
    for unclear in ({"image": grey, "text": "so", "label": 1}, {"image": grey}, {1: grey, "label": 1}):
        with pytest.raises(InputError, match=r"items are dicts of .*, not pairs of an image and a label"):
            load_dataset(Items([unclear]))


def test_images_of_more_than_eight_bits_keep_their_contrast():
    """Each from its own range, as in files; also below zero, as in computed tomography."""
    deep = np.array([[[-1000, 0], [1000, 3000]], [[0, 0], [10, 20]]])
    expected = [[[0, 64], [128, 255]], [[0, 0], [128, 255]]]
    for source in (
        (deep, ["a", "b"]),
        Items([(torch.from_numpy(image), name) for image, name in zip(deep, "ab", strict=True)]),
    ):
        dataset = load_dataset(source)
        assert [seen(dataset, row) for row in (0, 1)] == expected
        assert any("16 or 32-bit pixels are each scaled from their own range" in note for note in dataset.notes)
    small = load_dataset(Items([(torch.tensor([[0, 255], [9, 1]]), "a")] * 2))
    assert seen(small, 0) == [[0, 255], [9, 1]]
    assert not small.notes
    assert seen(load_dataset(Items([(np.eye(2) > 0, "a")] * 2)), 0) == [[255, 0], [0, 255]]


@pytest.mark.parametrize("image", [np.zeros((0, 4, 4)), np.zeros((4, 4), "c8"), np.zeros((2, 3, 4, 4)), [["x"]], 5])
def test_an_item_that_is_no_image_is_an_unreadable_row(image):
    dataset = load_dataset(Items([(np.ones((4, 4)), "a"), (image, "b")]))
    with pytest.raises(OSError, match=r"it is no image \(shape"):
        dataset.content.read(1)


def test_what_can_only_be_gone_through_is_refused_with_what_to_give_instead():
    loader = torch.utils.data.DataLoader(Items([(np.ones((4, 4)), "a")]))
    for source, hint in ((loader, "its `dataset`"), (iter([1]), "gone through, a list"), (5, "with a length")):
        with pytest.raises(InputError, match=f"{hint}$"):
            load_dataset(source)
