"""Rows that hold the same, whatever they are, and copies with different labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelaudit.config import SourceConfig
from labelaudit.data.content import Cells, Texts, Vectors
from labelaudit.data.copies import Copies, contradicting, find_copies, kept_together
from labelaudit.data.dataset import Dataset
from labelaudit.data.hashing import hash_rows
from labelaudit.data.sources import load_dataset
from labelaudit.progress import ignore
from tests.support.data import digit_folders


def dataset_of(content, problems=None) -> Dataset:
    rows = len(content.values) if not isinstance(content, Cells) else len(content.frame)
    names = tuple(f"row-{row}" for row in range(rows))
    return Dataset("data", "rows", names, ("a",) * rows, problems or (None,) * rows, content)


def copies_in(*contents, problems=None) -> Copies:
    parts = [dataset_of(content, problems) for content in contents]
    return find_copies(parts, tuple(digest for part in parts for digest in hash_rows(part, ignore)))


def test_texts_are_alike_whatever_their_white_space_and_the_way_characters_are_spelled():
    texts = ("caf\u00e9 au lait", "tea", " cafe\u0301  au\nlait ", "Tea", "ﬁne", "fine", "tea")
    found = copies_in(Texts(texts))
    assert found.groups.tolist() == [0, 1, 0, -1, 2, 2, 1]
    assert not found.by_chance


def test_what_is_empty_or_unreadable_is_no_copy():
    content, problems = Texts(("", " ", None, "a", "a", "a")), (None, None, "no text", None, None, "cut off")
    assert copies_in(content, problems=problems).groups.tolist() == [-1, -1, -1, 0, 0, -1]
    assert copies_in(Vectors(np.zeros((4, 0), np.float32))).groups.tolist() == [-1] * 4
    assert copies_in(Cells(pd.DataFrame(index=range(4)))).groups.tolist() == [-1] * 4


def test_cells_are_alike_whatever_type_their_column_has():
    frame = pd.DataFrame({"a": [1, 1.0, 2, 1], "b": ["x", "x", "x", "y"]})
    assert copies_in(Cells(frame)).groups.tolist() == [0, 0, -1, -1]


def test_images_are_alike_as_files(tmp_path):
    data = digit_folders(tmp_path / "data", "01", 3)
    first = sorted((data / "0").iterdir())[0]
    (data / "1" / "again.png").write_bytes(first.read_bytes())
    dataset = load_dataset(data, SourceConfig())
    groups = find_copies([dataset], hash_rows(dataset, ignore)).groups
    names = [name for name, group in zip(dataset.ids, groups, strict=True) if group == 0]
    assert sorted(names) == [f"0/{first.name}", "1/again.png"]
    assert (groups >= 0).sum() == 2


def test_rows_that_the_test_set_has_too():
    found = copies_in(Texts(("a", "b", "c", "c")), Texts(("b", "d", "b ", "c")))
    assert found.in_test().tolist() == [False, True, True, True]
    assert found.audited_too().tolist() == [True, False, True, True]
    assert found.groups.tolist() == [-1, -1, 0, 0]  # of audited rows alone


@pytest.mark.parametrize(
    ("columns", "values", "by_chance"), [(3, 4, True), (200, 4, False), (3, 10**9, True), (8, 10**9, False)]
)
@pytest.mark.parametrize("kind", ["cells", "vectors"])
def test_many_rows_that_are_alike_may_be_so_by_chance_where_they_say_little(columns, values, by_chance, kind):
    """Two bits a column, or log₂ 380 = 8.6 where values are unique; 6 · log₂ 400 = 52 are asked for."""
    numbers = np.random.default_rng(0).integers(0, values, (400, columns)).astype(np.float32)
    numbers[:20] = numbers[20:40]
    content = Vectors(numbers) if kind == "vectors" else Cells(pd.DataFrame(numbers).add_prefix("column"))
    found = copies_in(content)
    assert (found.groups >= 0).sum() >= 40
    assert found.by_chance is by_chance


def test_what_is_alike_by_chance_is_not_kept_together():
    frame = pd.DataFrame({"town": [*"abcd"] * 10})
    copies = copies_in(Cells(frame))
    assert copies.by_chance
    assert kept_together(copies, ()).tolist() == [-1] * 40
    groups = ("p", "p", *[None] * 38)
    assert kept_together(copies, groups).tolist() == [0, 0, *[-1] * 38]


def test_a_few_rows_that_are_alike_are_copies_even_in_a_small_table():
    numbers = np.arange(400, dtype=np.float32)[:, None]
    numbers[1] = numbers[0]
    assert not copies_in(Vectors(numbers)).by_chance


def test_copies_with_different_labels():
    groups = np.array([0, 0, 1, 1, 1, -1, 2, 2, 2, 3, 3])
    labels = np.array([0, 0, 4, 4, 0, 9, 1, -1, 1, -1, -1])
    assert np.flatnonzero(contradicting(groups, labels)).tolist() == [2, 3, 4]
    assert not contradicting(np.full(3, -1), np.array([0, 1, 2])).any()


def test_what_has_to_share_a_fold_are_copies_and_groups_directly_or_by_others():
    copies = copies_in(Texts(("a", "b", "a", "c", "d", "e", "f", "f")))
    assert kept_together(copies, ()).tolist() == [0, -1, 0, -1, -1, -1, 1, 1]
    groups = ("p", "q", "q", "q", None, "r", None, None)
    found = kept_together(copies, groups)  # row 0 is like row 2, which is of the group of rows 1 and 3
    assert found[[0, 1, 2, 3]].tolist() == [found[0]] * 4
    assert found[[4, 5]].tolist() == [-1, -1]
    assert found[6] == found[7] != found[0]
    assert len(set(found.tolist())) == 3


def test_near_copies_share_a_fold_too():
    copies = copies_in(Texts(("a", "b", "a", "c", "d", "e", "f", "f")))
    near = np.array([-1, 3, -1, 3, -1, 0, 0, 0])
    found = kept_together(copies, (), near)
    assert found[[0, 2]].tolist() == [found[0]] * 2
    assert found[[1, 3]].tolist() == [found[1]] * 2
    assert found[[5, 6, 7]].tolist() == [found[5]] * 3
    assert found[4] == -1
    assert len(set(found.tolist())) == 4
    groups = ("p", *[None] * 3, "p", *[None] * 3)
    assert len(set(kept_together(copies, groups, near).tolist())) == 3
