"""What a row consists of, beside its label: an image, a text, the cells of a table, or numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class EncodedImages:
    """Images as their files have them.

    Attributes:
        read: Returns the encoded bytes of row i. Raises OSError.
    """

    read: Callable[[int], bytes]

    def some(self, rows: Sequence[int]) -> EncodedImages:
        """The images of some rows, counted anew."""
        return EncodedImages(lambda place: self.read(rows[place]))


@dataclass(frozen=True)
class Texts:
    """Texts.

    Attributes:
        values: One a row; None where there is none.
    """

    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Cells:
    """Columns of a table.

    Attributes:
        frame: A column of numbers is of a numeric type, any other holds text; empty cells are NaN or None.
    """

    frame: pd.DataFrame


@dataclass(frozen=True)
class Vectors:
    """Numbers, such as embeddings computed before.

    Attributes:
        values: Float32, shape (N, D); NaN where a row has none.
    """

    values: NDArray[np.float32]


Content = EncodedImages | Texts | Cells | Vectors
