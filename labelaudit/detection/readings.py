"""What was found in evidence, so that the same evidence is not read twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from labelaudit.progress import Advance, ignore
from labelaudit.types import Floats, Labels

Reading = TypeVar("Reading")


class Readings:
    """What was found in evidence, by its content: an audit asks some of it again once more is known."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, bytes], Any] = {}
        self.advance: Advance = ignore  # told of each reading

    def of(self, read: Callable[[Floats, Labels], Reading], evidence: Floats, labels: Labels) -> Reading:
        """What `read` finds in evidence, shape (N, C), about given class indices, shape (N,)."""
        content = hashlib.blake2b(np.ascontiguousarray(evidence).data)
        content.update(np.ascontiguousarray(labels).data)
        key = read.__qualname__, content.digest()
        if key not in self._found:
            self._found[key] = read(evidence, labels)
        self.advance(1)
        found: Reading = self._found[key]
        return found
