"""Windows of a run: which steps a sample is left out of, and between which states the effect is measured."""

from __future__ import annotations

import re
from dataclasses import dataclass

from labelaudit.errors import InputError
from labelaudit.types import QueryAt, Removal, checked

NAMED = "last, first, middle, full, each, epochs as 3 or 3-5, or steps as steps:1-100"


@checked
@dataclass(frozen=True)
class Window:
    """The steps t1 ≤ t < t2 of a run (Definition 5).

    Attributes:
        name: What it is called in results.
        start: t1, from 0.
        stop: t2; the state θ_t2 is that after step t2 − 1.
        removal: `window`: the sample is left out of the window's steps only, and Q = ⟨q(t2), δ^t2⟩. `start`: it is left
            out from step 0, and Q = ⟨q(t2), δ^t2⟩ − ⟨q(t1), δ^t1⟩, what the window adds to the effect.
        query_at: `ends`: q(t) is the query's gradient at θ_t. `final`: it is that at θ_T for every t.
    """

    name: str
    start: int
    stop: int
    removal: Removal = "window"
    query_at: QueryAt = "ends"

    def __post_init__(self) -> None:
        """Refuse what is no window.

        Raises:
            ValueError: It is empty, reversed, or begins before the run.
        """
        if not 0 <= self.start < self.stop:
            raise ValueError(f"[{self.start}, {self.stop}) is no window: it needs 0 <= start < stop")

    @property
    def first_step(self) -> int:
        """The first step the sample is left out of."""
        return self.start if self.removal == "window" else 0


def parse_windows(
    text: str, epochs: int, steps_per_epoch: int, removal: Removal = "window", query_at: QueryAt = "ends"
) -> list[Window]:
    """The windows a text names, in a run of that shape; `each` names one window an epoch, all else names one.

    Raises:
        InputError: It names none, or one that is empty, reversed or outside the run.
    """
    if match := re.fullmatch(r"steps:(\d+)-(\d+)", text):
        unit, total, length = "step", epochs * steps_per_epoch, 1
        numbers = [int(match[1]), int(match[2])]
    else:
        unit, total, length = "epoch", epochs, steps_per_epoch
        middle = (epochs + 1) // 2
        named = {"last": (epochs, epochs), "first": (1, 1), "middle": (middle, middle), "full": (1, epochs)}
        if text == "each":
            return [
                Window(f"epoch {number + 1}", number * length, (number + 1) * length, removal, query_at)
                for number in range(epochs)
            ]
        if text in named:
            numbers = list(named[text])
        elif match := re.fullmatch(r"(\d+)(?:-(\d+))?", text):
            numbers = [int(match[1]), int(match[2] or match[1])]
        else:
            raise InputError(f"`window` {text!r} is no window; give {NAMED}")
    if numbers[0] < 1 or numbers[1] > total:
        raise InputError(f"`window` {text} is outside the run, which has {unit}s 1 to {total}")
    if numbers[1] < numbers[0]:
        raise InputError(f"`window` {text} ends before it begins; did you mean {numbers[1]}-{numbers[0]}?")
    return [Window(text, (numbers[0] - 1) * length, numbers[1] * length, removal, query_at)]
