"""The one dataset type every source becomes: rows in the input's order, with labels as names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from labelaudit.config import SourceConfig
from labelaudit.data.content import Content
from labelaudit.data.labels import in_order

NO_LABEL = -1  # the class index of what has none
HUB = "hf:"  # before the name of a dataset of the Hugging Face hub


@dataclass(frozen=True)
class Dataset:
    """Rows with class names.

    Attributes:
        source: What the user named, as text.
        kind: What it turned out to be, for example "image folder".
        ids: One stable, unique id a row: the path below the folder, or the manifest's id or path.
        labels: One class name a row, None where there is none.
        problems: Why a row has no content although the source lists it, None where it has.
        content: What the rows consist of.
        notes: What was guessed or left out, for the user to read.
        settings: How it was read, with nothing left to guess.
        groups: What each row belongs to (a patient, a video), None where nothing is said; empty if nothing is of any.
        other_splits: The names of the other parts of the source, where it has several.
        class_order: All class names in the source's own order, also those no row has; empty if it has none.
    """

    source: str
    kind: str
    ids: tuple[str, ...]
    labels: tuple[str | None, ...]
    problems: tuple[str | None, ...]
    content: Content
    notes: tuple[str, ...] = ()
    settings: SourceConfig = field(default_factory=SourceConfig)
    class_order: tuple[str, ...] = ()
    groups: tuple[str | None, ...] = ()
    other_splits: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names that rows have, in the source's own order; else numbers by size, all else by name.

        Where the user gave all class names, these.
        """
        return self.settings.classes or in_order(
            {label for label in self.labels if label is not None}, self.class_order
        )


def content_hash(content: bytes) -> str:
    """The hash a row's content is known by: SHA-256 of its encoded bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def fingerprint(rows: list[tuple[str, str | None, str | None]]) -> str:
    """A hash of a whole dataset from each row's (id, label, content hash), in order."""
    digest = hashlib.sha256()
    for row in rows:
        for value in row:
            encoded = b"\0" if value is None else value.encode()
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()
