"""Texts that are alike but for some words: reposts, quotes, edited copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from labelaudit.data.tokens import tokens
from labelaudit.likeness.nearest import NEIGHBOURS, Compared, Neighbours
from labelaudit.likeness.search import search
from labelaudit.types import Floats, Rows

WORDS = 1 << 20  # that are told apart
SKETCHED = 256  # numbers that stand for a text while candidates are looked for
CANDIDATES = 2 * NEIGHBOURS
SIMILAR = 0.85  # how alike near copies are at the least
REPEATED = 3  # times that a word is there alone, from which on a text says next to nothing
BLOCK = 10_000  # texts compared at a time


def compare_texts(texts: Sequence[str], progress: Callable[[int], None]) -> Compared:
    """Find pairs of texts that may be copies: the distance is 1 minus the cosine of their words by TF-IDF.

    Candidates are found by sums of the words' weights with random signs, whose products are on average those of the
    weights themselves; of the candidates, the exact cosines count.

    Args:
        texts: N ≥ 2 of them.
        progress: Called with the number of texts done, N in all.
    """
    words = _weights(texts)
    likely = search(torch.from_numpy(_sketch(words)), min(CANDIDATES, len(texts) - 1), progress).numpy()
    cosines = _cosines(words, likely)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]
    cosines = np.take_along_axis(cosines, order, 1).clip(-1, 1)
    neighbours = Neighbours(np.take_along_axis(likely, order, 1), 1 - cosines)
    pairs, distances = neighbours.pairs()
    return Compared(
        pairs,
        distances,
        neighbours.reference,
        dimensions=None,
        apart=neighbours.distances[:, -1],
        empty=np.array([_is_one_word(text) for text in texts]),
        similar=SIMILAR,
    )


def _is_one_word(text: str) -> bool:
    """Whether a text is one word over and over, or has none."""
    found = tokens(text.casefold())
    return not found or (len(found) >= REPEATED and len(set(found)) == 1)


def _weights(texts: Sequence[str]) -> csr_matrix:
    """The weight of each word of each text, shape (N, `WORDS`); rows have length 1, or 0 without a word."""
    counts = HashingVectorizer(
        n_features=WORDS, tokenizer=tokens, token_pattern=None, alternate_sign=False, norm=None, dtype=np.float32
    ).transform(texts)
    return csr_matrix(TfidfTransformer(sublinear_tf=True).fit_transform(counts))


def _sketch(words: csr_matrix) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Sums of the weights of words, each added to or subtracted from one of a few, shape (N, `SKETCHED`)."""
    random = np.random.default_rng(0)
    places = random.integers(SKETCHED, size=WORDS)
    signs = random.choice(np.array([-1, 1], dtype=np.float32), size=WORDS)
    hashing = csr_matrix((signs, places, np.arange(WORDS + 1)), shape=(WORDS, SKETCHED))
    sums: np.ndarray[tuple[int, int], np.dtype[np.float32]] = (words @ hashing).toarray()
    return sums


def _cosines(words: csr_matrix, others: Rows) -> Floats:
    """Of each text and some others, shape (N, K)."""
    found = np.zeros(others.shape)
    for start in range(0, len(others), BLOCK):
        rows = slice(start, start + BLOCK)
        for place in range(others.shape[1]):
            products = words[rows].multiply(words[others[rows, place]])
            found[rows, place] = np.asarray(products.sum(1)).ravel()
    return found
