"""Text files as UTF-8, whatever they are encoded in or compressed with."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from labelaudit.data.encodings import recognise
from labelaudit.errors import InputError
from labelaudit.runtime.regular_files import read_regular

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}  # file ending → Arrow's name
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, with which it begins
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 1 << 16  # bytes an encoding is recognised by
_CHUNK = 1 << 22


@dataclass(frozen=True)
class TextFile:
    """The text of a file.

    Attributes:
        content: UTF-8, without a byte-order mark.
        encoding: What the file is encoded in, as Python calls it.
        bom: Its byte-order mark; empty if it has none.
        guessed: Whether the encoding was recognised by the characters alone.
    """

    content: bytes
    encoding: str
    bom: bytes
    guessed: bool

    def encode(self, text: str) -> bytes:
        """Some text as the file has it, byte-order mark included.

        Raises:
            UnicodeEncodeError: The encoding lacks a character.
        """
        return self.bom + text.encode(self.encoding)


def compression_of(path: Path) -> str | None:
    """How a file is compressed, by its ending; None if it is not."""
    return COMPRESSIONS.get(path.suffix.lower())


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file, decompressed.

    Raises:
        InputError: They cannot be read.
    """
    try:
        content = read_regular(path)
        if (compression := compression_of(path)) is None:
            return content
        with pa.CompressedInputStream(pa.BufferReader(content), compression) as stream:
            return bytes(stream.read())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or str(error).splitlines()[0]}") from error


def read_text(path: Path, encoding: str | None = None) -> TextFile:
    """Read a text file.

    Args:
        path: Where it is.
        encoding: What it is encoded in; None to recognise it: by a byte-order mark, as UTF-8 where it is valid, as
            UTF-16 where every second byte is 0, else by the frequencies of its characters.

    Raises:
        InputError: It cannot be read, is no text, or is not in the given encoding.
    """
    raw = read_bytes(path)
    if encoding is None:
        for bom, name in _BOMS:
            if raw.startswith(bom):
                return _decoded(raw[len(bom) :], name, bom, path, guessed=False)
        if _is_utf8(raw):
            return TextFile(raw, "utf-8", b"", guessed=False)
        return _decoded(raw, _recognise(raw, path), b"", path, guessed=True)
    try:
        name = codecs.lookup(encoding).name
    except LookupError as error:
        raise InputError(
            f"there is no encoding {encoding!r}; try utf-8, utf-16 or cp1252", option="encoding"
        ) from error
    for bom, own in _BOMS:
        if raw.startswith(bom) and name in (own, "utf-16", "utf-32", "utf-8-sig"):
            return _decoded(raw[len(bom) :], own, bom, path, guessed=False)
    return _decoded(raw, name, b"", path, guessed=False)


def _decoded(raw: bytes, encoding: str, bom: bytes, path: Path, *, guessed: bool) -> TextFile:
    try:
        text = raw.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        reason = f"{error.reason} at byte {error.start}" if isinstance(error, UnicodeDecodeError) else str(error)
        raise InputError(f"cannot read {path} as {encoding}: {reason}; see `encoding`") from error
    return TextFile(text.encode("utf-8", "surrogatepass"), encoding, bom, guessed)


def _is_utf8(raw: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(raw), _CHUNK):
            decoder.decode(raw[start : start + _CHUNK], start + _CHUNK >= len(raw))
    except UnicodeDecodeError:
        return False
    return b"\0" not in raw[:_SAMPLE]  # or UTF-16 of English would be UTF-8


def _recognise(raw: bytes, path: Path) -> str:
    """The encoding of text that is not UTF-8."""
    sample = raw[:_SAMPLE]
    zeros = sample[0::2].count(0), sample[1::2].count(0)
    if max(zeros) > len(sample) / 5 and min(zeros) < len(sample) / 50:  # of European languages; others have a mark
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if any(sample.count(byte) for byte in (0, 1, 2, 3, 4, 5, 6, 7, 8)):
        raise InputError(f"cannot read {path}: it is no text file")
    return recognise(raw)
