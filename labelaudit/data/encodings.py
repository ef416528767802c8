"""Which encoding a text has that is neither UTF-8 nor marked: by which of its bytes go together."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from charset_normalizer import from_bytes

_SAMPLE = 1 << 16  # bytes an encoding is recognised by
_LATIN = ["cp1252", "cp1250"]
_OTHER_SCRIPTS = ["cp1251", "koi8_r", "iso8859_5", "cp1253", "cp1255", "cp1256"]
_WORD = re.compile(rb"[A-Za-z\x80-\xff]{2,}")
_KANA = 0.1  # of the letters, from which on a text is Japanese
_USUAL = 0.8  # of the letters are among the usual ones of a script, from which on it is taken for that
_USUAL_LETTERS: dict[str, Callable[[int, int], bool]] = {  # by lead and trail byte, as the standards order them
    "cp949": lambda lead, trail: 0xB0 <= lead <= 0xC8 and trail >= 0xA1,  # syllables
    "gb18030": lambda lead, trail: 0xB0 <= lead <= 0xD7 and trail >= 0xA1,  # level 1
    "big5": lambda lead, trail: 0xA4 <= lead <= 0xC6,  # level 1
}
_POLISH = re.compile(r"(?i)[a-z][¹³¿][a-z]")  # in cp1252, where cp1250 has ą, ł and ż


def recognise(content: bytes) -> str:
    """The most probable encoding of some text, as Python calls it."""
    telling = b"\n".join(line for line in content.splitlines() if not line.isascii())[:_SAMPLE]
    found = _east_asian(telling) or _single_byte(telling)
    if found is not None and _decodes(content, found):
        return found
    return "cp1252" if _decodes(content, "cp1252") else "latin-1"


def _east_asian(content: bytes) -> str | None:
    for encoding in ("cp932", "euc_jp"):
        letters = _letters(content, encoding)
        if letters and sum("\u3041" <= letter <= "\u30ff" for letter in letters) >= _KANA * len(letters):
            return encoding
    usual: dict[str, float] = {}
    for encoding, is_usual in _USUAL_LETTERS.items():
        letters = _letters(content, encoding)
        pairs = [pair for letter in letters if len(pair := letter.encode(encoding)) == 2]
        if pairs:
            usual[encoding] = sum(is_usual(*pair) for pair in pairs) / len(letters)
    best = max(
        usual, key=lambda encoding: usual[encoding], default=None
    )  # of equal ones Korean, which has fewer letters
    return best if best is not None and usual[best] >= _USUAL else None


def _letters(content: bytes, encoding: str) -> str:
    """What is not ASCII in some bytes, but for half-width signs; empty if they are not of that encoding."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(content)  # the last letter may be cut in two
    except UnicodeDecodeError:
        return ""
    return "".join(letter for letter in text if letter > "\x7f" and letter.isalpha())


def _single_byte(content: bytes) -> str | None:
    words = [word for word in _WORD.findall(content) if not word.isascii()]
    whole = sum(
        not re.search(rb"[A-Za-z]", word) for word in words
    )  # in other scripts all letters of a word are theirs
    other = whole >= _USUAL * max(1, len(words))
    matches = from_bytes(content, cp_isolation=_OTHER_SCRIPTS if other else _LATIN)
    best = matches.best()
    western = content.decode("cp1252", "replace")
    if not other and _POLISH.search(western):
        return "cp1250"
    if best is None or best.coherence == 0:
        return None
    # Central European code pages have most Western letters in the same places: only what differs can tell them apart.
    alike = western == content.decode(best.encoding, "replace")
    known = best.encoding in ("cp1252", "cp1250") and any(match.encoding == "cp1252" for match in matches)
    return None if alike or known else best.encoding


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
