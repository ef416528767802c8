"""Which files are images: by their ending, or by their first bytes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from labelaudit.runtime.regular_files import read_regular

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"}
)
_LONGEST_SIGNATURE = 18  # bytes
_SIGNATURE = re.compile(
    rb"\xff\xd8\xff"  # JPEG
    rb"|\x89PNG\r\n\x1a\n"
    rb"|GIF8[79]a"
    rb"|RIFF....WEBP"
    rb"|II\*\0|MM\0\*"  # TIFF
    rb"|....ftypavi[fs]"  # AVIF
    rb"|BM.{12}[\x0c\x28\x40\x6c\x7c]\0\0\0",  # BMP: its second header has one of few sizes
    re.DOTALL,
)


def looks_like_image(content: bytes) -> bool:
    """Whether bytes begin as an image file of a kind that is read does."""
    return _SIGNATURE.match(content) is not None


def is_image_file(path: Path, inside: Sequence[Path]) -> bool:
    """Whether a file is an image by its ending, or for want of a known one by its first bytes.

    Only regular files in the folders `inside` are looked into.
    """
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        return looks_like_image(read_regular(path, inside, limit=_LONGEST_SIGNATURE))
    except OSError:
        return False


def endings(paths: Iterable[Path]) -> str:
    """How many files there are of each ending, in words."""
    counts = Counter(path.suffix.lower() or "no ending" for path in paths)
    shown = [f"{count} {ending}" for ending, count in counts.most_common(5)]
    return ", ".join(shown if len(counts) <= 5 else [*shown, "…"])
