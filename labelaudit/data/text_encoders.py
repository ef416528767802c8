"""Texts → rows of TF-IDF, by the encoding that predicts held-out labels best."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler, normalize

from labelaudit.data.tokens import tokens
from labelaudit.errors import InputError
from labelaudit.types import Floats, Labels, Rows, TextEncoding

ENCODINGS: dict[TextEncoding, dict[str, Any]] = {  # the first is taken unless another predicts clearly better
    "words": {"tokenizer": tokens, "token_pattern": None},
    "pairs": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\w+"},  # don't: "don", "t", "don t"
    "characters": {"analyzer": "char_wb", "ngram_range": (1, 4)},
}
TERMS = {"words": "words", "pairs": "words and pairs of words", "characters": "sequences of up to four characters"}
MOST_TERMS = 10_000
LENGTH = 16.0  # of a row: suits the usual learning rates
MOST_TEXTS, MOST_CHARACTERS = 4000, 400_000  # of the sample that the encoding is chosen on
LONGEST_TEXT = 1000  # characters of a text that count there
CLEARLY = 2  # standard errors of the difference in held-out loss
FOLDS = 2  # as few as an audit's: both are to learn from as many rows
INVERSE_PENALTY = 10.0  # of the logistic regressions, for rows of length 1
SCALES = (0.0, 0.25, 0.5, 1.0, 2.0)  # of their evidence, from none to twice what they claim
MOST_ITERATIONS, TOLERANCE = 100, 1e-3


@dataclass(frozen=True)
class EncodedTexts:
    """Encoded texts.

    Attributes:
        matrix: Float32, shape (N, D).
        encoding: What its columns are.
        reason: Why this encoding, in words.
        terms: What each column counts, D.
    """

    matrix: csr_matrix
    encoding: TextEncoding
    reason: str
    terms: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What the columns are, and why, in words."""
        return f"{self.matrix.shape[1]:,} {TERMS[self.encoding]} (TF-IDF; {self.reason})"


def encode_texts(
    texts: Sequence[str | None], fit_on: Rows, labels: Labels, encoding: TextEncoding = "auto"
) -> EncodedTexts:
    """Encode all texts with an encoder fitted on some.

    A column is a term (a word, a pair of adjacent words, or up to four characters within a word) that two texts or
    more contain, the most frequent ones if there are many. Its value is (1 + log of its count) · log((n + 1)/(m + 1))
    with m of n texts containing it: terms of all texts weigh next to nothing, and no list of stop words is needed,
    which would drop "not". Rows have one length.

    Args:
        texts: N texts, None where there is none.
        fit_on: The rows to fit on, all with a text; "auto" depends on their order, too.
        labels: Class indices of all rows; "auto" chooses by those of `fit_on`.
        encoding: What the columns are.

    Returns:
        The encoded texts; zeros for rows with no text or no known term.

    Raises:
        InputError: Nothing is left to tell the texts apart by.
    """
    documents = ["" if text is None else text for text in texts]
    reason, automatic = "as asked for", encoding == "auto"
    if automatic:
        encoding, reason = _choose(documents, fit_on, labels)
    fitted = _fit(encoding, [documents[row] for row in fit_on])
    if fitted is None and automatic:
        encoding, reason = "characters", "no word is in two texts"
        fitted = _fit(encoding, [documents[row] for row in fit_on])
    if fitted is None:
        raise InputError("the texts have no words in common: is it the right column? See `text_column`")
    matrix = _transform(fitted, documents)
    known = matrix[fit_on]
    if not (known - known[np.zeros(len(fit_on), dtype=np.int64)]).data.any():
        raise InputError("all texts are alike: nothing is left to tell their classes apart by")
    return EncodedTexts(matrix * np.float32(LENGTH), encoding, reason, tuple(fitted.get_feature_names_out()))


def encode_words_alike(texts: Sequence[str | None], fit_on: Rows) -> EncodedTexts | None:
    """Encode all texts as words that all count alike, for a second view of them.

    Each column of TF-IDF is divided by its deviation, and rows keep their lengths, so that a rare word weighs as much
    as a common one. A network on such rows predicts a little less, and has learnt less of what a rule that labels texts
    by a few words would say: see "Two views of texts" in docs/how-it-works.md.

    Args:
        texts: N texts, None where there is none.
        fit_on: The rows to fit on, all with a text.

    Returns:
        The encoded texts, zeros for rows with no text or no known word; None if no word is in two texts.
    """
    documents = ["" if text is None else text for text in texts]
    encoder = _tfidf("words", [documents[row] for row in fit_on])
    if encoder is None:
        return None
    matrix = _transform(encoder, documents)
    matrix = StandardScaler(with_mean=False).fit(matrix[fit_on]).transform(matrix)
    squared_norm = float(matrix[fit_on].multiply(matrix[fit_on]).sum() / len(fit_on))
    if squared_norm == 0:
        return None
    matrix = csr_matrix(matrix * np.float32(min(1.0, LENGTH / squared_norm**0.5)))
    return EncodedTexts(matrix, "words", "each as important", tuple(encoder.get_feature_names_out()))


def _tfidf(encoding: TextEncoding, documents: list[str]) -> TfidfVectorizer | None:
    """TF-IDF as scikit-learn has it, None if no term is in two texts."""
    encoder = TfidfVectorizer(
        min_df=2, sublinear_tf=True, max_features=MOST_TERMS, norm=None, dtype=np.float32, **ENCODINGS[encoding]
    )
    try:
        return encoder.fit(documents)
    except ValueError:  # what scikit-learn says of an empty vocabulary
        return None


def _fit(encoding: TextEncoding, documents: list[str]) -> TfidfVectorizer | None:
    """The encoder, None if no term is in two texts."""
    encoder = _tfidf(encoding, documents)
    if encoder is None:
        return None
    encoder.idf_ = np.maximum(encoder.idf_ - 1, np.float32(1e-3))  # scikit-learn adds 1 to the logarithm
    return encoder


def _transform(encoder: TfidfVectorizer, documents: list[str]) -> csr_matrix:
    """Rows of length 1."""
    return normalize(encoder.transform(documents), copy=False)


def _choose(documents: list[str], fit_on: Rows, labels: Labels) -> tuple[TextEncoding, str]:
    """The encoding whose logistic regression has the least held-out cross-entropy, and a line that says so.

    Another than the first is taken only if its loss is smaller by `CLEARLY` standard errors: on few texts the
    difference is chance.
    """
    first, *others = get_args(TextEncoding)[1:]
    sample = _sample(documents, fit_on, labels)
    if len(np.unique(labels[sample])) < 2:
        return first, "there are too few texts to choose by"
    cut = [documents[row][:LONGEST_TEXT] for row in sample]
    losses = {name: _held_out_losses(name, cut, labels[sample]) for name in (first, *others)}
    best = first
    for name in others:
        gain = losses[best] - losses[name]
        better_than_first = losses[first] - losses[name]
        if gain.mean() > 0 and better_than_first.mean() > CLEARLY * _standard_error(better_than_first):
            best = name
    figures = ", ".join(f"{name} {loss.mean():.3f}" for name, loss in losses.items())
    return best, f"held-out loss in nats on {len(sample):,} texts: {figures}"


def _standard_error(values: Floats) -> float:
    return float(values.std() / np.sqrt(len(values)))


def _sample(documents: list[str], fit_on: Rows, labels: Labels) -> Rows:
    """Rows to choose by, at random: not too much text, and in each class as many as there are folds, or none."""
    places = np.random.default_rng(0).permutation(len(fit_on))[:MOST_TEXTS]
    characters = np.cumsum([min(len(documents[row]), LONGEST_TEXT) for row in fit_on[places]])
    rows = fit_on[np.sort(places[: max(1, int(np.searchsorted(characters, MOST_CHARACTERS, side="right")))])]
    counts = np.bincount(labels[rows])
    enough: Rows = rows[counts[labels[rows]] >= FOLDS]
    return enough


def _held_out_losses(encoding: TextEncoding, documents: list[str], labels: Labels) -> Floats:
    """Cross-entropy of each text, predicted by a logistic regression on the other fold; shape (N,).

    The evidence is scaled by what suits it best. Otherwise the encoding that overfits less would win, whether or not
    its terms say anything: on labels that depend on nothing, too.
    """
    classes, indices = np.unique(labels, return_inverse=True)
    frequencies = np.log(np.bincount(indices) / len(indices))
    encoder = _fit(encoding, documents)
    if encoder is None:
        return -frequencies[indices]
    matrix, evidence = _transform(encoder, documents), np.empty((len(indices), len(classes)))
    for train, held_out in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(indices, indices):
        model = LogisticRegression(C=INVERSE_PENALTY, max_iter=MOST_ITERATIONS, tol=TOLERANCE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # near enough for a comparison
            evidence[held_out] = model.fit(matrix[train], indices[train]).predict_log_proba(matrix[held_out])
    evidence -= frequencies

    def losses(scale: float) -> Floats:
        log_p: Floats = log_softmax(frequencies + scale * evidence, axis=1)
        return -log_p[np.arange(len(indices)), indices]

    return min(map(losses, SCALES), key=np.mean)
