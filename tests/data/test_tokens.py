"""Words of texts in any script."""

from __future__ import annotations

import pytest

from labelaudit.data.tokens import tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a good film, I'd say", ["good", "film", "say"]),
        ("这很好 film", ["这很", "很好", "film"]),
        ("好", ["好"]),
        ("日本語のテ", ["日本", "本語", "語の", "のテ"]),
        ("ไทย", ["ไท", "ทย"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("good 👍👍 ❤", ["good", "👍", "👍", "❤"]),
        ("naïve straße x_1", ["naïve", "straße", "x_1"]),
        ("", []),
    ],
)
def test_tokens(text, words):
    assert tokens(text) == words
