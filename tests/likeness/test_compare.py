"""Which rows are nearly the same: texts, vectors and images; and what follows for each row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelaudit.data.content import Cells, EncodedImages, Texts, Vectors
from labelaudit.data.copies import Copies, find_copies
from labelaudit.data.dataset import Dataset
from labelaudit.data.hashing import hash_rows
from labelaudit.errors import InputError
from labelaudit.likeness.compare import Likeness, compare_rows
from labelaudit.progress import NullProgress, ignore
from tests.support.blots import RGB, compressed, pictures

WORDS = [f"word{number}" for number in range(400)]


def found_in(*contents, least=None, problems=None, thumbnails=None, copies=None) -> Likeness:
    counts = [len(content.frame) if isinstance(content, Cells) else len(content.values) for content in contents]
    names = [tuple(f"row-{row}" for row in range(count)) for count in counts]
    nothing = [(None,) * count for count in counts]
    parts = [
        Dataset("data", "rows", ids, ("a",) * len(ids), none, content)
        for ids, none, content in zip(names, nothing, contents, strict=True)
    ]
    copies = copies or find_copies(parts, tuple(digest for part in parts for digest in hash_rows(part, ignore)))
    return compare_rows(contents, thumbnails, copies, problems or sum(nothing, ()), least, NullProgress())


def sentences(count: int, seed: int = 0) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, 20)) for _ in range(count)]


def edited(text: str) -> str:
    words = text.split()
    return " ".join([*words[:10], *words[11:], "added"])


def test_edited_texts_are_near_copies_of_each_other():
    texts = sentences(60)
    texts[40], texts[41] = edited(texts[3]), texts[5].upper().replace(" ", ", ")
    found = found_in(Texts(tuple(texts)))
    assert {row: int(of) for row, of in enumerate(found.of) if of >= 0} == {3: 40, 40: 3, 5: 41, 41: 5}
    assert found.groups[[3, 40, 5, 41]].tolist() == [0, 0, 1, 1]
    assert (np.delete(found.groups, [3, 40, 5, 41]) == -1).all()
    assert not found.in_test.any()


def test_copies_of_a_near_copy_are_near_copies_and_of_several_the_most_alike_is_named():
    texts = sentences(60)
    texts[40] = edited(texts[3])
    texts[41] = f" {texts[3]}\n"
    texts[42] = texts[3].replace(texts[3].split()[0], "", 1)
    found = found_in(Texts(tuple(texts)))
    assert found.of[[3, 41, 42, 40]].tolist() == [42, 42, 3, 42 if found.of[40] == 42 else 3]
    assert found.groups[[3, 40, 41, 42]].tolist() == [0] * 4


def test_near_copies_in_the_test_set_are_told_and_are_not_named():
    texts, test = sentences(60), sentences(10, seed=1)
    test[4], test[5] = edited(texts[7]), edited(texts[8])
    texts[30] = texts[8] + " more"
    found = found_in(Texts(tuple(texts)), Texts(tuple(test)))
    assert np.flatnonzero(found.in_test).tolist() == [7, 8, 30]
    assert {row: int(of) for row, of in enumerate(found.of) if of >= 0} == {8: 30, 30: 8}


def test_what_is_unreadable_or_empty_is_not_compared():
    texts: list[str | None] = [*sentences(30), "", None, "?!"]
    problems = [None] * 33
    texts[20] = edited(texts[3])
    problems[20] = "cut off"
    assert (found_in(Texts(tuple(texts)), problems=tuple(problems)).of == -1).all()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 12])
def test_few_rows(count):
    texts = sentences(count)
    assert (found_in(Texts(tuple(texts))).of == -1).all()
    vectors = np.random.default_rng(0).standard_normal((count, 40)).astype(np.float32)
    assert (found_in(Vectors(vectors)).of == -1).all()


def test_all_rows_alike():
    assert (found_in(Texts(("the same words",) * 50)).of == -1).all()
    assert (found_in(Vectors(np.ones((50, 30), np.float32))).of == -1).all()
    images = np.full((50, *RGB), 9, np.uint8)
    assert (near_images(images).of == -1).all()


def near_images(images, least=None) -> Likeness:
    rows = len(images)
    copies = Copies(np.arange(rows), rows, 0, by_chance=False)  # as files, all are different
    content = EncodedImages(lambda row: b"")
    return compare_rows([content], images, copies, (None,) * rows, least, NullProgress())


def test_recompressed_images_are_near_copies():
    images = pictures(300, RGB)
    images[200:210] = [compressed(image, 85) for image in images[:10]]
    found = near_images(images)
    assert found.of[:10].tolist() == list(range(200, 210))
    assert found.of[200:210].tolist() == list(range(10))
    assert (found.of >= 0).sum() == 20


def vectors_with_copies(dimensions: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((600, dimensions))
    rows[500:520] = rows[:20] + 1e-3 * generator.standard_normal((20, dimensions))
    return rows.astype(np.float32)


def test_vectors_that_all_but_agree_are_near_copies():
    found = found_in(Vectors(vectors_with_copies(30)))
    assert found.of[:20].tolist() == list(range(500, 520))
    assert (found.of >= 0).sum() == 40


def test_a_few_vast_numbers_hide_nothing():
    rows = vectors_with_copies(30)
    rows[400], rows[401] = 3e38, -3e38
    assert found_in(Vectors(rows)).of[:20].tolist() == list(range(500, 520))


def test_vectors_of_two_numbers_are_near_each_other_by_chance():
    rows = np.random.default_rng(0).standard_normal((2000, 2)).astype(np.float32)
    assert (found_in(Vectors(rows)).of >= 0).mean() < 0.01


def test_a_likeness_asked_for_overrides_what_the_data_say():
    texts = sentences(60)
    texts[40] = " ".join([*texts[3].split()[:13], *texts[4].split()[:7]])
    assert (found_in(Texts(tuple(texts))).of == -1).all()
    assert found_in(Texts(tuple(texts)), least=0.5).of[[3, 40]].tolist() == [40, 3]
    texts[41] = edited(texts[5])
    assert found_in(Texts(tuple(texts)), least=0.999).of[41] == -1
    assert found_in(Texts(tuple(texts))).of[41] == 5
    images = pictures(100, RGB)
    images[50] = compressed(images[3], 30)
    assert near_images(images, least=0.5).of[3] == 50
    assert (near_images(images, least=1).of == -1).all()


def test_a_likeness_of_what_is_not_compared_is_refused():
    with pytest.raises(InputError, match=r"`near` 0\.9 would mean nothing: near copies are looked for"):
        found_in(Cells(pd.DataFrame({"a": [1, 2, 3]})), least=0.9)
    copies = Copies(np.arange(3), 3, 0, by_chance=False)
    with pytest.raises(InputError, match=r"`near` 0\.5 would mean nothing: images are not read with"):
        compare_rows([EncodedImages(lambda row: b"")], None, copies, (None,) * 3, 0.5, NullProgress())


def test_cells_of_tables_are_not_compared_nor_what_is_alike_by_chance():
    frame = pd.DataFrame(np.random.default_rng(0).standard_normal((60, 20))).add_prefix("column")
    frame.loc[30] = frame.loc[3] + 1e-9
    assert (found_in(Cells(frame)).of == -1).all()
    rows = vectors_with_copies(30)
    copies = Copies(np.arange(600), 600, 0, by_chance=True)
    assert (found_in(Vectors(rows), copies=copies).of == -1).all()


def test_how_far_neighbours_are_and_what_is_empty():
    texts = [*sentences(40), "spam Spam spam", "ok", "wet wet dry", ""]
    found = found_in(Texts(tuple(texts)))
    assert np.flatnonzero(found.empty).tolist() == [40]
    assert np.isnan(found.apart[43])  # without words there is nothing to compare
    assert found.apart[41] == pytest.approx(1)  # no text has its word
    assert found.apart[:40].max() < 1
    copies = found_in(Texts((*texts, f" {texts[5]}")))
    assert copies.apart[5] == copies.apart[44]
    images = np.concatenate([pictures(40, RGB), np.full((2, *RGB), 90, np.uint8), pictures(1, RGB, seed=1) // 90])
    images[41, :, 3, 3] += 2
    assert np.flatnonzero(near_images(images).empty).tolist() == [40, 41, 42]
    vectors = vectors_with_copies(30)
    vectors[7] *= 5
    found = found_in(Vectors(vectors))
    assert found.apart.argmax() == 7
    assert not found.empty.any()
    assert np.isnan(found_in(Cells(pd.DataFrame(vectors))).apart).all()
