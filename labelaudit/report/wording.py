"""What a report says, in words: the same on the terminal, the page and in notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelaudit.units import format_count

SHOWN_CLASSES = 2  # those that are predicted least
BY_PEOPLE = {
    "decisions": "by the decisions on some of the rows, and by the scores of the others",
    "spot check": "by the rows that were drawn at random and decided on",
}
PRECISION_GAP = 0.08  # mean |said − true| of the lists in benchmarks/results/detection.json


def share_in_words(noise: Mapping[str, Any]) -> str:
    """How many labels are wrong, as far as it can be told: sentences, the first one the verdict.

    Args:
        noise: What the metadata has under that name.
    """
    if noise["doubt"] is not None:
        return f"Cannot tell how many labels are wrong: {noise['doubt']}"
    low, high = _percent(noise["rate_low"]), _percent(noise["rate_high"])
    if noise["basis"] in BY_PEOPLE:
        return _by_decisions(noise)
    if noise["basis"] == "in sample":
        said = f"{low} or more of the labels look" if noise["verdict"] == "measured" else "No labels are seen to be"
        return (
            f"{said} wrong. How many are cannot be told: the network was trained on these rows, and a wrong label that "
            "it has learnt by heart does not show; without a test set the rows audit each other"
        )
    if noise["basis"] == "learnt rules" and noise["verdict"] == "measured":
        return (
            f"{low} to {high} of the labels look wrong (90% range). A weaker network sees more wrong labels than a "
            "stronger one: labels may follow rules, which networks learn with their mistakes. The spot check of "
            "report.html tells the share more closely"
        )
    if noise["verdict"] == "measured":
        return (
            f"{low} to {high} of the labels look wrong (90% range; best guess {_percent(noise['rate'])}). The low end "
            "contradicts confident predictions, the high end reaches towards every label the network does not predict; "
            "mistakes that the network has learnt from the labels do not show"
        )
    if noise["verdict"] == "none seen":
        return f"No wrong labels seen; at most {high} disagree with the network, on rows it is unsure of"
    if noise["disagreeing"] == 0:
        return f"Cannot tell how many labels are wrong: of so few rows up to {high} may be. Look at all of them"
    who = "the network disagrees"
    if noise["basis"] == "weaker view":
        who = "a weaker network, which has learnt fewer of the labellers' habits, disagrees"
    return (
        f"Cannot tell how many labels are wrong: {who} with {_percent(noise['disagreeing'])} of them, which may be "
        "wrong or merely hard. Thirty rows tell: see the spot check of report.html"
    )


def range_in_words(noise: Mapping[str, Any]) -> str:
    """The share in a few words: `4.7% to 12.6%`, `none seen (at most 5.0%)`, `cannot tell (0.0% to 17.0%)`."""
    if noise["doubt"] is not None:
        return f"cannot tell: {noise['doubt']}"
    low, high = _percent(noise["rate_low"]), _percent(noise["rate_high"])
    if noise["basis"] == "in sample":
        return f"{low} or more"
    if noise["verdict"] == "measured":
        return f"{low} to {high}"
    return f"none seen (at most {high})" if noise["verdict"] == "none seen" else f"cannot tell ({low} to {high})"


def range_level(noise: Mapping[str, Any]) -> str:
    """How often such a range holds: decisions on some rows give one of 95%, networks and random draws one of 90%."""
    return "95%" if noise["basis"] == "decisions" else "90%"


def _by_decisions(noise: Mapping[str, Any]) -> str:
    between = f"between {_percent(noise['rate_low'])} and {_percent(noise['rate_high'])}"
    by = BY_PEOPLE[noise["basis"]]
    if noise["verdict"] == "measured":
        return (
            f"{between.capitalize()} of the labels are wrong ({range_level(noise)} range; best guess "
            f"{_percent(noise['rate'])}), {by}"
        )
    if noise["verdict"] == "none seen":
        return f"No wrong labels seen, by those who looked either; at most {_percent(noise['rate_high'])} are, {by}"
    return f"Cannot tell how many labels are wrong: {between}, {by}. More decisions tell more"


def drawn_in_words(share: float, low: float, high: float) -> str:
    """What a finished spot check says of the share."""
    return f"{_percent(low)} to {_percent(high)} of the labels are wrong (90% range, best guess {_percent(share)})"


def precision_in_words(expected: Mapping[str, float | None]) -> str:
    """How many suspects are wrong, the second part of a sentence that names their number.

    Args:
        expected: The metadata's `expected_precision`.
    """
    words = f"{expected['mean']:.0%} are expected to be wrong"
    if expected["low"] is not None:
        return f"{words} ({interval_in_words(expected)})"
    return f"{words} ({off_in_words()})"


def off_in_words() -> str:
    """How far what is expected of a list was off, where the truth was known."""
    return f"where the truth was known, such figures were off by {100 * PRECISION_GAP:.0f} points on average"


def interval_in_words(expected: Mapping[str, float | None]) -> str:
    """`60% to 93%`."""
    return f"{expected['low']:.0%} to {expected['high']:.0%}"


def _percent(share: float) -> str:
    return f"{share:.1%}"


GOOD_RESULT = (
    "A good result: the score is first, or level with it; the range holds in nearly every run; the precision "
    "that is said is within some 10 points of the true one. Flips by confusion are the hardest, and the most like "
    "people's mistakes; what is said for evenly spread flips flatters."
)


def promises_in_words(score: dict[str, dict[str, float]], seeds: int, *, planted: bool) -> list[str]:
    """How what a flip test's reports said held.

    Args:
        score: Mean and deviation over the seeds of each metric of the score.
        seeds: How many there are.
        planted: Whether labels were made wrong, so that mistakes they had before are not known.
    """
    mean = {name: value["mean"] for name, value in score.items()}
    said = f"{mean['noise_rate_low']:.1%} to {mean['noise_rate_high']:.1%} said"
    if mean["noise_rate_high"] == 1:
        said = f"{mean['noise_rate_low']:.1%} or more said"
    elif "noise_rate_estimated" in mean:
        said += f", best guess {mean['noise_rate_estimated']:.1%}"
    true = f"{mean['noise_rate']:.1%} {'planted' if planted else 'true'}"
    lines = [f"Wrong labels: {said}; {true}, {_held(mean['noise_rate_held'], seeds)}"]
    if planted:
        lines.append("Mistakes that the labels had before count as right here: with some, more is found than this says")
    if mean["noise_rate_measured"] < 1:
        parts = (mean["noise_rate_measured"], mean["noise_rate_cannot_tell"])
        measured, unknown = (round(part * seeds) for part in parts)
        lines.append(
            f"Verdict: measured in {measured} of {format_count(seeds, 'run')}, cannot tell in {unknown}, none seen in "
            f"{seeds - measured - unknown}; without a measured share no row is called a suspect"
        )
    if "suspects_precision" not in mean:
        return [*lines, "Suspects: none, so there is no precision; none of the wrong labels was listed"]
    lines.append(
        f"Suspects: {mean['suspects']:.0f}, of which {mean['suspects_precision_stated']:.0%} were said to be wrong and "
        f"{mean['suspects_precision']:.0%} are; they are {mean['suspects_recall']:.0%} of the wrong labels"
    )
    return lines


def with_deviation(figure: Mapping[str, float], digits: int = 3) -> str:
    """A mean and, if it is of several runs, their standard deviation."""
    deviation = f" ± {figure['std']:.{digits}f}" if "std" in figure else ""
    return f"{figure['mean']:.{digits}f}{deviation}"


def _held(share: float, seeds: int) -> str:
    return f"within in {share:.0%} of the runs" if seeds > 1 else ("within" if share else "outside") + " it"


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


COPIES_BY_CHANCE = "as rows of this table often are alike, that need not be a mistake"


def copies_in_words(counts: Mapping[str, Any]) -> list[str]:
    """What there is to say of copies, in sentences: contradictions first; nothing where there are none.

    Args:
        counts: Of them, by what is said of them (see `report.copies`).
    """
    reason = COPIES_BY_CHANCE if counts["alike_by_chance"] else "at least one of each is wrong"
    leaked = f"in {' or '.join(counts['places'])}, too"
    return [
        *_with_different_labels(counts, "", "copy", "copies", f"{reason}; "),
        *_in_test(counts["in_test"], "row is", "rows are", leaked),
        *_with_the_same_label(counts, "", "copy", "copies"),
    ]


def near_copies_in_words(counts: Mapping[str, Any]) -> list[str]:
    """What there is to say of near copies, in sentences; nothing where there are none.

    Args:
        counts: Of them, by what is said of them (see `report.copies`).
    """
    return [
        *_with_different_labels(counts, "near_", "near copy", "near copies", ""),
        *_in_test(counts["near_in_test"], "row has", "rows have", "a near copy in the test set"),
        *_with_the_same_label(counts, "near_", "near copy", "near copies"),
    ]


def _with_different_labels(counts: Mapping[str, Any], kind: str, one: str, many: str, reason: str) -> list[str]:
    if not counts[f"{kind}contradicting_groups"]:
        return []
    (first, label), (second, other) = counts[f"{kind}example"]
    rows = format_count(counts[f"{kind}contradicting_rows"], one, many)
    groups = format_count(counts[f"{kind}contradicting_groups"], "group")
    example = f"for example {first} ({label}) and {second} ({other})"
    return [f"{rows} with different labels, in {groups}: {reason}{example}"]


def _in_test(count: int, one: str, many: str, where: str) -> list[str]:
    return [f"{format_count(count, one, many)} {where}: figures measured there are too good"] if count else []


def _with_the_same_label(counts: Mapping[str, Any], kind: str, one: str, many: str) -> list[str]:
    alike = counts[f"{kind}rows"] - counts[f"{kind}contradicting_rows"]
    groups = format_count(counts[f"{kind}groups"] - counts[f"{kind}contradicting_groups"], "group")
    return [f"{format_count(alike, one, many)} with the same label, in {groups}"] if alike else []


def outliers_in_words(counts: Mapping[str, Any]) -> str | None:
    """What there is to say of outliers; None where there are none.

    Args:
        counts: Of them, see `report.outliers`.
    """
    if not counts["rows"]:
        return None
    rows = format_count(counts["rows"], "row seems", "rows seem")
    return f"{rows} to belong to no class (up to one of five by chance): for example {counts['examples'][0]}"
