"""Text and JSON of unknown origin, made fit to stand in a page."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from markupsafe import Markup

_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def shorten(text: str, length: int) -> str:
    """Cut a text that is longer, with an ellipsis as its last character."""
    return text if len(text) <= length else text[: length - 1] + "…"


def embed_json(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in, whatever it holds."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def visible(text: object, length: int | None = None, lines: bool = False) -> str:
    """Text in which control characters, and those that turn the writing around, are written out as escapes.

    Args:
        text: Anything; `str` of it is taken.
        length: Cut what is longer, with an ellipsis.
        lines: Whether line ends and tabs stay as they are.
    """
    kept = "\n\t" if lines else ""
    shown = shorten(str(text), length) if length else str(text)
    if lines:
        shown = shown.replace("\r\n", "\n")
    return _INVISIBLE.sub(
        lambda found: found[0] if found[0] in kept else found[0].encode("unicode_escape").decode(), shown
    )


def scientific(number: float) -> str:
    """A number with two digits and its power of ten: −3.9e−3; a dash for what is none."""
    if not math.isfinite(number):
        return "–"
    digits, power = f"{number:.1e}".split("e")
    return f"{digits}e{int(power)}".replace("-", "−")


def percent(share: float) -> str:
    """A share in whole percent, which never says that something is certain."""
    return ">99%" if share >= 0.995 else "<1%" if share < 0.005 else f"{share:.0%}"
