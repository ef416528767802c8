"""What a report says, in words: the same on the terminal, the page and in notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHOWN_CLASSES = 2  # those that are predicted least
WIDE = 0.5  # an interval of the list's precision that is wider does not tell how many are wrong


def share_in_words(noise: dict[str, Any]) -> str:
    """How many labels are wrong: `about 9.1% of the labels are wrong (4.7% to 12.6%)`.

    Args:
        noise: What the metadata has under that name, with a share.
    """
    low, high = noise["rate_interval"]
    if low == 0:
        return f"at most {high:.1%} of the labels are wrong, perhaps none (estimated: {noise['rate']:.1%})"
    return f"about {noise['rate']:.1%} of the labels are wrong ({low:.1%} to {high:.1%})"


def precision_in_words(expected: dict[str, float]) -> str:
    """How many suspects are wrong, in two parts of a sentence: `87% are expected to be wrong (60% to 93%)`.

    Args:
        expected: The metadata's `expected_precision`.
    """
    words = f"{expected['mean']:.0%} are expected to be wrong ({interval_in_words(expected)})"
    return words if is_told(expected) else f"{words}: too uncertain to count on; go by rank, and check some at random"


def interval_in_words(expected: dict[str, float]) -> str:
    """`60% to 93%`."""
    return f"{expected['low']:.0%} to {expected['high']:.0%}"


def is_told(expected: dict[str, float]) -> bool:
    """Whether the interval of the list's precision is narrow enough to say something."""
    return expected["high"] - expected["low"] <= WIDE


GOOD_RESULT = (
    "A good result: the score is first, or level with it; both intervals hold in nearly every run; the precision "
    "that is said is within some 10 points of the true one. Flips by confusion are the hardest, and the most like "
    "people's mistakes; what is said for evenly spread flips flatters."
)


def promises_in_words(score: dict[str, dict[str, float]], seeds: int) -> list[str]:
    """How what a flip test's reports said held.

    Args:
        score: Mean and deviation over the seeds of each metric of the score.
        seeds: How many there are.
    """
    mean = {name: value["mean"] for name, value in score.items()}
    lines = [
        f"Wrong labels: {mean['noise_rate_estimated']:.1%} said ({mean['noise_rate_low']:.1%} to "
        f"{mean['noise_rate_high']:.1%}), {mean['noise_rate']:.1%} true; {_held(mean['noise_rate_held'], seeds)}"
    ]
    if "suspects_precision" not in mean:
        return [*lines, "Suspects: none, so there is no precision; none of the wrong labels was listed"]
    lines.append(
        f"Suspects: {mean['suspects']:.0f}, of which {mean['suspects_precision_stated']:.0%} were said to be wrong "
        f"({mean['suspects_precision_low']:.0%} to {mean['suspects_precision_high']:.0%}) and "
        f"{mean['suspects_precision']:.0%} are; {_held(mean['suspects_precision_held'], seeds)}; they are "
        f"{mean['suspects_recall']:.0%} of the wrong labels"
    )
    return lines


def with_deviation(figure: Mapping[str, float], digits: int = 3) -> str:
    """A mean and, if it is of several runs, their standard deviation."""
    deviation = f" ± {figure['std']:.{digits}f}" if "std" in figure else ""
    return f"{figure['mean']:.{digits}f}{deviation}"


def _held(share: float, seeds: int) -> str:
    return f"the interval held in {share:.0%} of the runs" if seeds > 1 else ("within" if share else "outside") + " it"


def accuracy_in_words(accuracy: Mapping[str, Any]) -> str:
    """How well the networks predict labels they were not trained on, and which classes least."""
    said = (
        f"On rows they were not trained on, the networks agree with {accuracy['overall']:.0%} of the labels; "
        f"always naming the most frequent class would with {accuracy['most_frequent']:.0%}"
    )
    least = sorted((share, name) for name, share in accuracy["classes"].items() if share is not None)[:SHOWN_CLASSES]
    if len(accuracy["classes"]) <= SHOWN_CLASSES or not least:
        return said
    return f"{said}. They agree least on {' and '.join(f'{name} ({share:.0%})' for share, name in least)}"
