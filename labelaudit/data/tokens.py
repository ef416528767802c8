"""Texts → words, also of scripts that put no blanks between them, and emoji."""

from __future__ import annotations

import re

_WITHOUT_BLANKS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Letters of scripts without blanks between words (Thai to Khmer, Japanese, Chinese), for a character class."""
_EMOJI = "\u2600-\u27bf\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff"
_TOKENS = re.compile(rf"[{_EMOJI}]|[{_WITHOUT_BLANKS}]+|[^\W{_WITHOUT_BLANKS}]{{2,}}")
_RUN = re.compile(rf"[{_WITHOUT_BLANKS}]")


def occurrences(term: str, text: str, *, within_words: bool = False) -> list[tuple[int, int]]:
    """Where a term that texts are counted in stands in a text, as (start, end), however it is capitalised.

    A word, or pair of words, is not looked for within other words; characters (`within_words`), and letters of scripts
    without blanks, are.

    Example:
        >>> occurrences("don t", "I don't. Don T")
        [(2, 7), (9, 14)]
        >>> occurrences("art", "art, part")
        [(0, 3)]
    """
    words = term.split()
    if not words:
        return []
    pattern = r"\W+".join(re.escape(word) for word in words)
    if not within_words and not _RUN.match(term):
        pattern = rf"(?<!\w){pattern}(?!\w)"
    return [match.span() for match in re.finditer(pattern, text, re.IGNORECASE)]


def tokens(text: str) -> list[str]:
    """Words of two letters or more; of scripts without blanks every two neighbouring letters; each emoji.

    Example:
        >>> tokens("a good film 这很好 👍")
        ['good', 'film', '这很', '很好', '👍']
    """
    found = []
    for token in _TOKENS.findall(text):
        if _RUN.match(token) and len(token) > 1:
            found += [token[place : place + 2] for place in range(len(token) - 1)]
        else:
            found.append(token)
    return found
