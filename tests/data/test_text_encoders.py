from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from labelaudit.data import batches
from labelaudit.data.batches import TextFeatures
from labelaudit.data.text_encoders import LENGTH, encode_texts, encode_words_alike
from labelaudit.errors import InputError

NOUNS = [
    stem + ending for stem in ("lamp", "river", "film", "song", "car", "house") for ending in ("", "s", "let", "y")
]


def halves(count):
    """Class 0 for the first half of the rows, class 1 for the second."""
    return np.repeat([0, 1], count // 2)


def test_values_are_tf_idf_in_rows_of_one_length():
    texts = ("the cat cat sat", "the cat ran", "the dog ran", "the dog sat once", None, "cat")
    encoded = encode_texts(texts, np.arange(4), np.zeros(6, dtype=np.int64), "words")
    matrix = encoded.matrix.toarray()
    # cat, dog, ran, sat, the: the first four in two of four texts, "the" in all of them, "once" in one only
    rare, everywhere = np.log(5 / 3), 1e-3
    row = np.array([(1 + np.log(2)) * rare, 0, 0, rare, everywhere])
    assert matrix.dtype == np.float32
    assert matrix.shape == (6, 5)
    assert np.allclose(matrix[0], LENGTH * row / np.linalg.norm(row), atol=1e-5)
    assert np.allclose(np.linalg.norm(matrix, axis=1), [LENGTH] * 4 + [0, LENGTH], rtol=1e-5)
    assert matrix[5].tolist() == pytest.approx([LENGTH, 0, 0, 0, 0])
    assert encoded.text == "5 words (TF-IDF; as asked for)"


def test_words_alike_are_tf_idf_with_each_column_by_its_deviation():
    texts = ("the cat cat sat", "the cat ran", "the dog ran", "the dog sat once", None, "cat owl")
    encoded = encode_words_alike(texts, np.arange(4))
    weights = 1 + np.log(5 / np.array([3, 3, 3, 3, 5]))  # of cat, dog, ran, sat, the; scikit-learn's inverse frequency
    counts = np.array([[1 + np.log(2), 0, 0, 1, 1], [1, 0, 1, 0, 1], [0, 1, 1, 0, 1], [0, 1, 0, 1, 1]])
    rows = counts * weights / np.linalg.norm(counts * weights, axis=1, keepdims=True)
    rows /= rows.std(0)
    rows *= min(1, LENGTH / np.sqrt((rows**2).sum(1).mean()))
    matrix = encoded.matrix.toarray()
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix[:4], rows, rtol=1e-5)
    assert not matrix[4].any()
    assert np.flatnonzero(matrix[5]).tolist() == [0]


def test_words_alike_of_many_columns_are_scaled_to_the_length_that_suits_the_rate():
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(NOUNS, 200)) + f" {row % 10}x" for row in range(40)]
    many = [f"{text} " + " ".join(f"w{number}q" for number in draw.choice(900, 400)) for text in texts]
    matrix = encode_words_alike(many, np.arange(40)).matrix
    assert np.sqrt((matrix.toarray() ** 2).sum(1).mean()) == pytest.approx(LENGTH, rel=1e-5)


def test_no_word_in_two_texts_leaves_no_second_view():
    assert encode_words_alike(("red", "green", "blue"), np.arange(3)) is None


@pytest.mark.parametrize(
    ("encoding", "count"),
    [("words", 3), ("pairs", 5), ("characters", 27)],
)
def test_what_is_counted(encoding, count):
    # words: not, good, very; pairs: "not good" and "very good" beside them
    texts = ("not good", "not good", "very good", "very good")
    encoded = encode_texts(texts, np.arange(4), halves(4), encoding)
    # characters: of " not ", " good ", " very ", all sequences of one to four, each once
    words = [" not ", " good ", " very "]
    sequences = {word[i : i + n] for word in words for n in range(1, 5) for i in range(len(word) - n + 1)}
    assert encoded.matrix.shape == (4, len(sequences) if encoding == "characters" else count)


def test_words_that_negate_are_kept():
    nouns = np.random.default_rng(0).choice(NOUNS, (2, 40))
    texts = [f"the {noun} is good" for noun in nouns[0]] + [f"the {noun} is not good" for noun in nouns[1]]
    reason = encode_texts(texts, np.arange(80), halves(80)).reason
    assert float(re.search(r"words ([\d.]+)", reason)[1]) < 0.5  # nats; ln 2 = 0.69 if "not" were left out


def test_order_is_seen_by_pairs():
    texts = [f"{noun} before after" for noun in NOUNS] + [f"{noun} after before" for noun in NOUNS]
    assert encode_texts(texts, np.arange(48), halves(48)).encoding == "pairs"


def test_pairs_of_signs_are_the_words_of_text_without_spaces():
    generator = np.random.default_rng(0)
    signs = [chr(0x4E00 + number) for number in range(200)]

    def sentence(end):
        return "".join(generator.choice(signs, 6)) + end

    texts = [sentence("很好") for _ in range(40)] + [sentence("不行") for _ in range(40)]
    encoded = encode_texts(texts, np.arange(80), halves(80), "words").matrix.toarray()
    shared = [(encoded[rows] > 0).all(0).any() for rows in (slice(40), slice(40, 80), slice(80))]
    assert shared == [True, True, False]


def test_typos_are_seen_by_characters():
    generator = np.random.default_rng(0)

    def misspelt(word):
        place = generator.integers(1, len(word) - 1)
        return word[:place] + generator.choice(list("xqzjkv")) + word[place + 1 :]

    texts = [misspelt("refrigerator") for _ in range(40)] + [misspelt("thunderstorm") for _ in range(40)]
    assert encode_texts(texts, np.arange(80), halves(80)).encoding == "characters"


def test_words_are_taken_where_the_difference_is_chance():
    """Labels at random: the encoding that overfits least must not win, which its loss as it is would let it."""
    texts = [" ".join(words) for words in np.random.default_rng(0).choice(NOUNS, (60, 6))]
    chosen = [
        encode_texts(texts, np.arange(60), np.random.default_rng(seed).permutation(halves(60))).encoding
        for seed in range(10)
    ]
    assert chosen.count("words") >= 9


def test_words_are_taken_where_there_is_nothing_to_choose_by():
    encoded = encode_texts(["good one", "good two", "one two"], np.arange(3), np.array([0, 1, 2]))
    assert encoded.encoding == "words"
    assert encoded.reason == "there are too few texts to choose by"


@pytest.mark.filterwarnings("error")
def test_two_texts_of_each_class_and_a_class_with_one():
    texts = ["good film", "good song", "bad film", "bad song", "film"]
    assert encode_texts(texts, np.arange(5), np.array([0, 0, 1, 1, 2])).matrix.shape == (5, 4)


def test_emoji_digits_and_empty_texts():
    texts = ["😀 7", "😀 8", None, "😡 7", "😡 8", "x" * 100_000, "<b>😀</b> http://a.b/c?d=1"]
    rows = np.array([0, 1, 3, 4, 5, 6])
    encoded = encode_texts(texts, rows, np.array([0, 0, -1, 1, 1, 0, 0]))
    assert encoded.encoding == "words"
    assert encoded.matrix[2].nnz == 0
    assert encoded.matrix[0].multiply(encoded.matrix[6]).nnz == 1  # 😀


def test_the_choice_is_the_same_each_time_and_by_the_fitted_rows_alone():
    texts = [f"the {noun} is good" for noun in NOUNS] + [f"the {noun} is not good" for noun in NOUNS]
    labels = np.concatenate([halves(48), [-1, -1]])
    one = encode_texts([*texts, "what", None], np.arange(48), labels)
    other = encode_texts([*texts, "else", "x"], np.arange(48), labels)
    assert one.reason == other.reason
    assert (one.matrix[:48] != other.matrix[:48]).nnz == 0


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["aa", "bb", "cc", "dd"], "no words in common"),
        (["same"] * 4, "all texts are alike"),
    ],
)
def test_texts_without_differences(texts, message):
    with pytest.raises(InputError, match=message):
        encode_texts(texts, np.arange(4), halves(4), "words")


@pytest.mark.parametrize("most_dense", [0, batches.MOST_DENSE])
def test_mini_batches_are_dense_whether_all_rows_are_or_not(monkeypatch, most_dense):
    monkeypatch.setattr(batches, "MOST_DENSE", most_dense)
    texts = ["good film", "good song", "bad film", "bad song"]
    encoded = encode_texts(texts, np.arange(4), halves(4), "words")
    features = TextFeatures(encoded, torch.from_numpy(halves(4)), torch.device("cpu"), torch.float64)
    inputs, labels = features.batch(torch.tensor([3, 0, 1]), shard=slice(0, 2))
    assert inputs.dtype == torch.float64
    assert inputs.tolist() == encoded.matrix[[3, 0]].toarray().tolist()
    assert labels.tolist() == [1, 0]
    numbers = 8  # two words of each text, whose numbers are float32, their columns and the rows' ends int32
    assert features.nbytes == numbers * (4 + 4) + 5 * 4 + (most_dense > 0) * encoded.matrix.toarray().size * 8
