"""What a few rows, drawn at random and looked at, say of all rows of a list."""

from __future__ import annotations

from scipy.stats import beta

CONFIDENCE = 0.95


def wrong_at_least(wrong: int, checked: int, confidence: float = CONFIDENCE) -> float:
    """The share of a list that is wrong at least, with a confidence: the one-sided Clopper–Pearson bound.

    Args:
        wrong: How many of the checked rows were wrong, 0 … `checked`.
        checked: How many rows were drawn at random from the list and checked.
        confidence: How often the bound holds at least, whatever the share is, in (0, 1).

    Example:
        >>> f"{wrong_at_least(27, 30):.0%}"
        '76%'
    """
    return float(beta.ppf(1 - confidence, wrong, checked - wrong + 1)) if wrong else 0.0


def wrong_between(wrong: int, checked: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The two-sided Clopper–Pearson interval of the share of a list that is wrong."""
    outside = (1 - confidence) / 2
    return wrong_at_least(wrong, checked, 1 - outside), 1 - wrong_at_least(checked - wrong, checked, 1 - outside)
